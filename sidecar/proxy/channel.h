// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Channel is one non-blocking socket with what must be remembered about it: what epoll last said
// (edge-triggered, so it is said once), bytes read and not yet used, bytes to be written that the
// socket would not take. They pass through its Transport, which is none unless another is set.
// SHELL.

#include <cstdint>
#include <span>
#include <string_view>

#include "sidecar/proxy/byte_buffer.h"
#include "sidecar/proxy/read_buffer.h"
#include "sidecar/proxy/socket.h"
#include "sidecar/proxy/transport.h"

namespace outrider::proxy {

// Whom epoll's data points to.
class EventTarget {
 public:
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~EventTarget() = default;
};

// Takes the socket off epoll, then closes it. Closing alone would not do: while the supervisor
// starts a monitor, the child holds copies of all descriptors until it executes, the kernel keeps
// what they refer to registered, and its events would point to an object that is gone.
void forget(int epoll, Descriptor& socket);

// Bytes to be looked at.
struct Input {
  std::string_view bytes;
  bool is_held = false;  // In the channel's `in`, not in the thread's buffer.
};

class Channel {
 public:
  explicit Channel(std::size_t& bytes_held) : in(bytes_held), out(bytes_held) {}

  void note(std::uint32_t events);

  // Reads once. The bytes read; empty when there are none now, or when the peer's end was reached
  // (then `ended`) or the connection broke (then `broken`).
  std::string_view read(std::span<char> into);

  // What came and was not looked at yet, else what can be read now. A held message that is
  // incomplete is read on into `in`, so that it lies in one piece. Empty as read() is.
  Input take(ReadBuffer& buffer);
  // Keeps what was not used of what take() gave.
  void keep(const Input& input, std::size_t used);
  // Keeps it all, to be looked at with the bytes that follow.
  void keep_incomplete(const Input& input, std::size_t used) {
    keep(input, used);
    unseen = false;
  }

  // Writes what is held in `out` first, then the pieces; what the socket does not take is held.
  // False when the connection broke.
  bool write(std::span<const std::string_view> pieces);
  bool write(std::string_view piece) { return write(std::span(&piece, 1)); }
  bool flush();
  // Of what was written, what the peer's socket has not taken yet. Bytes.
  std::size_t unsent() const { return out.size() + transport_unsent; }
  bool has_unsent() const { return unsent() != 0; }
  void shut_down() { transport->shut_down(socket.get()); }  // Sends our end.

  Descriptor socket;
  Transport* transport = &plain_transport();
  std::size_t transport_unsent = 0;  // Bytes that the transport holds.
  ByteBuffer in;                     // Read and not used.
  ByteBuffer out;                    // To be written.
  bool readable = false;
  bool writable = false;
  bool hung_up = false;       // The peer will send no more; what it sent may still be unread.
  bool ended = false;         // Read up to the peer's end.
  bool write_failed = false;  // Nothing more can be sent; what came before may still be read.
  bool broken = false;        // Reset, or an error of the socket, found by reading.
  bool write_waits_for_read = false;  // The transport's protocol wants to read first.
  bool unseen = false;                // `in` holds bytes that were not looked at yet.
};

}  // namespace outrider::proxy
