// SPDX-License-Identifier: Apache-2.0
#pragma once

// One side of one TLS connection, without a socket: ciphertext in, plaintext out, and the other way
// round. PURE, over OpenSSL 3.
//
//   Session session(context);
//   std::string_view came = bytes_of_the_socket;
//   const std::size_t n = session.receive(came, into, out);   // into: plaintext; out: to be sent
//   session.send(plaintext, out);                              // once is_open()
//   session.close(out);                                        // close_notify
//
// Memory: OpenSSL's state (about 10 KiB), during a handshake what the peer's certificates take (at
// most 32 KiB), one record while it is incomplete (16 KiB). What is not used of the ciphertext, and
// what is to be sent, belongs to the caller. A peer makes us answer with at most 32 KiB that no
// plaintext asked for (KeyUpdate), and take at most 256 KiB in which no plaintext is; past that
// the session fails.
//
// An end without close_notify is a truncation: end_of_input() says which it was.
//
// Thread-safety: one thread.

#include <openssl/ssl.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tls/context.h"
#include "base/tls/handshake_result.h"

namespace outrider::tls {

// The newest session that a server gave us, for those that come. One thread.
class Resumption {
 public:
  void keep(SSL_SESSION* session) { session_.reset(session); }  // Takes it over.
  SSL_SESSION* get() const { return session_.get(); }

 private:
  struct Free {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  std::unique_ptr<SSL_SESSION, Free> session_;
};

class Session {
 public:
  enum class State : std::uint8_t {
    handshaking,
    open,
    ended,  // The peer's close_notify came.
    failed
  };
  // What a client offers by ALPN, the one alone.
  enum class Offer : std::uint8_t { http1, http2 };
  // The context must outlive it; so must the resumption, which a client may be given.
  explicit Session(const Context& context, Resumption* resumption = nullptr,
                   Offer offer = Offer::http1);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Goes on with the handshake, then decodes until `into` is full or the ciphertext used up, which
  // it shortens by what it took. Appends to `out` what is to be sent: the handshake's messages, an
  // alert. Returns the bytes of plaintext. Of a client, the first call begins the handshake.
  std::size_t receive(std::string_view& ciphertext, std::span<char> into, std::string& out);
  // Appends records of at most 16 KiB. False, and nothing appended, unless it is open or ended.
  bool send(std::string_view plaintext, std::string& out);
  void close(std::string& out);
  // No ciphertext comes any more. False: it was cut off.
  bool end_of_input();

  State state() const { return state_; }
  bool is_open() const { return state_ == State::open; }
  // Decoded and not handed over, because `into` was full.
  bool holds_plaintext() const { return SSL_pending(ssl_.get()) > 0; }
  bool was_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  // What the peer's verified certificate calls it (alternative_names); none: it has shown none. Of
  // a handshake that is over, a resumed one too.
  std::vector<std::string> peer_names() const;
  bool has_agreed_on_http2() const;  // By ALPN, once the handshake is over.
  // Of a handshake that is over.
  HandshakeResult result() const { return result_; }
  // Why it failed, for people: OpenSSL's words.
  std::string why() const;
  const char* version() const { return SSL_get_version(ssl_.get()); }

  static int keep_for_resumption(SSL* ssl, SSL_SESSION* session);  // Context's callback.

 private:
  friend struct MemoryBio;
  void shake_hands();
  bool judge_resumed() const;
  void note_failure(int error);
  HandshakeResult reason_of(unsigned long error) const;

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  const Context& context_;
  Resumption* const resumption_;
  const std::unique_ptr<SSL, Free> ssl_;
  std::string_view in_;         // Within a call.
  std::string* out_ = nullptr;  // Within a call.
  std::size_t unasked_bytes_ = 0, bytes_without_plaintext_ = 0;
  const char* why_ = "";
  State state_ = State::handshaking;
  HandshakeResult result_ = HandshakeResult::closed;
};

}  // namespace outrider::tls
