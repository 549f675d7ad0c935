// SPDX-License-Identifier: Apache-2.0
#pragma once

// TLS below a Channel, on either side: a tls::Session with a socket. SHELL.
//
//   TlsSide side(credentials, counters.tls_handshakes[0], bytes_held);   // one a thread and side
//   auto transport = side.make();
//   channel.transport = transport.get();
//
// Memory of a connection: the session's (tls/session.h), what one read brought and its user has not
// asked for, at most 64 KiB, and what the socket does not take, at most the records of one write of
// 64 KiB. Both are counted in bytes_held, and an idle connection holds neither.
//
// Each connection is counted once, by how its handshake ended; an upstream's whose TCP connection
// was never made, not at all. Thread-safety: one thread.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tls/credentials.h"
#include "base/tls/session.h"
#include "sidecar/proxy/byte_buffer.h"
#include "sidecar/proxy/transport.h"
#include "sidecar/tap/counters.h"

namespace outrider::proxy {

class TlsTransport;

// What the connections of one side and one thread have in common.
class TlsSide {
 public:
  TlsSide(const tls::Credentials& credentials, tap::TlsHandshakeCounts& handshakes,
          std::size_t& bytes_held);
  // With the newest certificate. Throws std::bad_alloc.
  std::unique_ptr<TlsTransport> make(tls::Session::Offer offer = tls::Session::Offer::http1);

 private:
  friend class TlsTransport;
  const tls::Credentials& credentials_;
  tap::TlsHandshakeCounts& handshakes_;
  std::size_t& bytes_held_;
  std::uint64_t credentials_version_ = 0;
  std::shared_ptr<const tls::Context> context_;
  std::shared_ptr<tls::Resumption> resumption_;  // Of this context; of a client.
  // Of the call at hand: nothing in it outlives one.
  std::vector<char> ciphertext_;
  std::string out_, record_;
};

class TlsTransport final : public Transport {
 public:
  TlsTransport(TlsSide& side, tls::Session::Offer offer);
  ~TlsTransport();

  Transfer read(int socket, std::span<char> into) override;
  Transfer write(int socket, std::span<iovec> pieces, std::size_t total) override;
  void shut_down(int socket) override;

  // Before the socket is closed, where all was said: the peer is to know that nothing was cut off.
  void end(int socket);
  // The handshake alone, of a client that has nothing to say before. True once something more can
  // be done: it is open, or has failed.
  bool shake_hands(int socket);
  bool is_handshaking() const { return session_.state() == tls::Session::State::handshaking; }
  bool is_open() const { return session_.is_open(); }
  bool has_agreed_on_http2() const { return session_.has_agreed_on_http2(); }
  // True once: the handshake is over and good.
  bool take_opened() { return is_open() && !std::exchange(was_taken_, true); }
  void give_up_handshake();  // It takes too long.
  // Bytes that have come and were not handed over.
  bool holds_input() const { return !in_.empty() || session_.holds_plaintext(); }
  tls::HandshakeResult result() const { return session_.result(); }
  std::string why() const { return session_.why(); }

 private:
  bool is_over() const { return !is_handshaking() && !is_open(); }
  std::size_t receive(std::string_view ciphertext, std::span<char> into);
  Transfer over(std::size_t got);
  bool send_held(int socket);
  bool send(int socket, std::string_view bytes);
  bool seal(std::string_view plaintext);
  void count(tls::HandshakeResult result);

  TlsSide& side_;
  const std::shared_ptr<const tls::Context> context_;
  const std::shared_ptr<tls::Resumption> resumption_;
  tls::Session session_;
  ByteBuffer in_;   // Ciphertext that came and was not decoded: there was no room.
  ByteBuffer out_;  // Ciphertext that the socket would not take.
  bool has_begun_ = false, is_counted_ = false, was_taken_ = false;
};

}  // namespace outrider::proxy
