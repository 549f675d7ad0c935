// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lies between a Channel's bytes and its socket: nothing (plain_transport), or a protocol that
// has bytes of its own to send and to read, such as TLS. SHELL.
//
//   const Transfer got = transport.read(socket, buffer);
//   if (got.state == Transfer::State::moved) use(buffer.first(got.bytes));
//
// Contract, for non-blocking sockets whose events come once (edge-triggered):
// - read() and write() also send and read what the protocol itself has to; of what they were asked
//   they do as much as can be done now.
// - Transfer::unsent (it wants to write) is what it holds because the socket would not take it; its
//   user calls write(), if with nothing, when the socket takes bytes again.
// - Transfer::wants_read: nothing can be written before more was read (a handshake). A write() is
//   then blocked although the socket is not, and no event will tell; its user writes after a read.
// - Transfer::may_have_more is false only when an event will tell of the next byte, so bytes that a
//   protocol has decoded and not yet handed over count as more.
// - The socket belongs to the Channel, which closes it.
//
// Thread-safety: one thread, except for plain_transport(), which holds nothing.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace outrider::proxy {

struct Transfer {
  enum class State : std::uint8_t {
    moved,    // `bytes` of them, at least one
    blocked,  // None now.
    ended,    // Of reading: the peer sends no more.
    broken    // Reset, or an error of the socket or the protocol.
  };
  State state = State::blocked;
  bool may_have_more = false;  // Of reading.
  bool wants_read = false;
  std::size_t bytes = 0;
  std::size_t unsent = 0;
};

class Transport {
 public:
  virtual Transfer read(int socket, std::span<char> into) = 0;
  // The pieces, `total` bytes in all, in order; none of them is empty.
  virtual Transfer write(int socket, std::span<iovec> pieces, std::size_t total) = 0;
  virtual void shut_down(int socket) = 0;  // Sends our end. Nothing is unsent.

 protected:
  ~Transport() = default;
};

Transport& plain_transport();

}  // namespace outrider::proxy
