// SPDX-License-Identifier: Apache-2.0
#pragma once

// The plain connection behind one TLS client: a socket to the HTTP server on 127.0.0.1 and the
// bytes that it has not taken. SHELL: sockets, no thread.
//
//   TlsBackend backend(peers, 40123);
//   backend.add("GET / HTTP/1.1\r\n");            // kept until the connection is there
//   if (!backend.open({"10.0.0.7", names})) …      // the server sees this peer, by TlsPeers
//   backend.send(moved); backend.shut_down_when_sent(); backend.receive(room, got); backend.close(…);
//
// Thread-safety: one thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/net/stream_socket.h"
#include "base/net/tls_peers.h"

namespace outrider::net {

class TlsBackend {
 public:
  // Lists the connection in `peers` while it is there.
  TlsBackend(TlsPeers& peers, std::uint16_t port) : peers_(peers), port_(port) {}
  ~TlsBackend() { close(true); }
  TlsBackend(const TlsBackend&) = delete;
  TlsBackend& operator=(const TlsBackend&) = delete;

  // Connects on behalf of `peer`; false when the system refuses it. close() either way.
  bool open(TlsPeer peer);
  // Cut off: the server sees a reset, so that half a request never passes for a whole one.
  void close(bool is_cut_off);
  bool is_open() const { return socket_ >= 0; }
  bool was_opened() const { return source_port_ != 0; }
  int socket() const { return socket_; }

  // The request's way.
  void add(std::string_view bytes) { unsent_ += bytes; }
  void end_request() { request_ended_ = true; }
  bool request_ended() const { return request_ended_; }
  bool takes_more() const { return unsent_.empty() && !request_ended_; }
  // What the server takes now. Where it has closed, what is left is dropped and the request ends;
  // what the server said before can still be read.
  void send(bool& moved);
  // The server sees the request's end once all of it was sent.
  void shut_down_when_sent();

  // The answer's way.
  Read receive(std::span<char> room, std::size_t& got) const;

  bool has_unsent() const { return !unsent_.empty(); }

 private:
  TlsPeers& peers_;
  const std::uint16_t port_;
  int socket_ = -1;
  std::uint16_t source_port_ = 0;
  std::string unsent_;
  bool request_ended_ = false, is_shut_down_ = false;
};

}  // namespace outrider::net
