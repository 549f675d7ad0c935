// SPDX-License-Identifier: Apache-2.0
#pragma once

// One TLS connection of a client, and the plain one behind it. SHELL: sockets, no thread.
//
//   TlsRelay relay(socket, "10.0.0.7", {.port = port, .backend_port = 40123, …}, now);
//   … on every event of one of its sockets:
//   relay.pump(now);                       // as much as can be done now
//   if (relay.is_over()) …                 // both sockets are closed
//   watch(relay.client(), relay.client_interest()); watch(relay.backend(), …);
//
// The plain connection is made when the client's first byte of plaintext is there, so that nobody
// holds a thread of the server who has not shaken hands and asked for something.
//
// Memory: the session's (tls/session.h), one read of 16 KiB in each direction and what sealing it
// adds. A side that does not take its bytes stops the other from being read.
//
// Ends. The server's end becomes close_notify; then the client has `close_timeout` to take what is
// left, and what it still sends is read and dropped, so that no reset destroys the answer. The
// client's close_notify becomes the end of the request stream; a client that is cut off (no
// close_notify) resets the plain connection, so that half a body never passes for a whole one.
//
// Thread-safety: one thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/core/clock.h"
#include "base/net/tls_backend.h"
#include "base/net/tls_peers.h"
#include "base/net/tls_port.h"
#include "base/tls/session.h"

namespace outrider::net {

class TlsRelay {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  struct Settings {
    TlsPort& port;
    TlsPeers& peers;             // Lists the plain connection while it is there.
    std::uint16_t backend_port;  // On 127.0.0.1.
    Duration handshake_timeout, first_byte_timeout, close_timeout;
  };

  // Takes the socket over; it is not blocking.
  TlsRelay(int client, std::string peer, Settings settings, Instant now);
  ~TlsRelay();
  TlsRelay(const TlsRelay&) = delete;
  TlsRelay& operator=(const TlsRelay&) = delete;

  // Goes on until both sockets would block. False: it has done its share, and would go on at once.
  bool pump(Instant now);
  void give_up(tls::HandshakeResult result);  // Closes; counts the handshake if it is not over.
  bool is_over() const { return client_ < 0; }
  Instant deadline() const { return deadline_; }            // Then give_up(timeout).
  bool has_asked() const { return backend_.was_opened(); }  // It has begun a request.

  int client() const { return client_; }
  int backend() const { return backend_.socket(); }
  // EPOLLIN, EPOLLOUT.
  std::uint32_t client_interest() const;
  std::uint32_t backend_interest() const;

 private:
  enum class State : std::uint8_t { shaking, idle, relaying, closing };
  bool read_client(Instant now);
  bool read_backend(Instant now);
  void after_handshake(Instant now);
  void answer_plain_http();
  void begin_closing(Instant now);
  bool drop_input();
  void close_all();

  const Settings settings_;
  const std::string peer_;
  const std::shared_ptr<const tls::Context> context_;
  tls::Session session_;
  int client_;
  TlsBackend backend_;
  std::string ciphertext_in_, to_client_;
  State state_ = State::shaking;
  bool is_counted_ = false, client_shut_ = false;
  Instant deadline_;
};

}  // namespace outrider::net
