// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sessions of one side have in common: the own certificate and key, whom to trust, which
// versions and ciphers. Made from PEM texts, immutable afterwards. PURE, over OpenSSL 3.
//
//   auto context = Context::server({.certificates = crt, .key = key, .ca = ca}, {.names = {uri}});
//   if (!context) log(context.error().message);       // what, where, what to change
//   Session session(**context);
//
// TLS 1.2 (ECDHE with AEAD ciphers alone) and 1.3; ALPN "http/1.1", and "h2" of a server that may
// speak it or a session that asks for it; no compression, no renegotiation. A server issues
// stateless tickets for resumption, valid for an hour and until its context is replaced. A peer's
// certificates are at most 32 KiB.
//
// Thread-safe.

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/tls/handshake_result.h"

namespace outrider::tls {

// PEM texts. The names of the three are those of a Kubernetes Secret.
struct Material {
  std::string certificates;  // tls.crt: the own certificate, then the intermediate ones.
  std::string key;           // tls.key, not encrypted.
  std::string ca;            // ca.crt: whom to trust. "": of a server, no client is asked for a
                             // certificate; of a client, the system's authorities.
  bool operator==(const Material&) const = default;
};

// Which client certificates a server takes.
struct ClientRules {
  bool required = false;
  std::vector<std::string> names;  // URI or DNS SANs, one of which it must have. {}: any.
};

// The URI and DNS names among a certificate's subject alternative names: URIs as they stand there,
// DNS names in lower case. Left out is what is none: a DNS name with ':' or '/' would pass for a
// URI.
std::vector<std::string> alternative_names(const X509& certificate);

// What a server's clients may speak: HTTP/1.1 alone, or HTTP/2 too; and which of the two where a
// client offers both.
enum class Alpn : std::uint8_t { http1, http2_first, http1_first };

class Context {
 public:
  // Errors: "bad_certificate", "bad_key", "key_mismatch", "bad_ca".
  static Result<std::shared_ptr<const Context>> server(const Material& material,
                                                       const ClientRules& rules,
                                                       Alpn alpn = Alpn::http1);
  // Without certificates and key, the client has none to show. `host` is a DNS name or an IP
  // address: sent as SNI (a name), and the server's certificate must be valid for it.
  static Result<std::shared_ptr<const Context>> client(const Material& material,
                                                       const std::string& host);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Side side() const { return side_; }
  const std::string& host() const { return host_; }
  // When the first certificate of the own chain ends; Time() without one.
  Time expires_at() const { return expires_at_; }
  Alpn alpn() const { return alpn_; }
  SSL_CTX* get() const { return ssl_.get(); }
  // Whether the rules take a certificate of such names. O(SANs x names).
  bool takes(const X509& certificate) const;

 private:
  Context(Side side, std::string host, ClientRules rules, Alpn alpn);
  Result<void> use_own(const Material& material);
  Result<void> trust(const Material& material);

  struct Free {
    void operator()(SSL_CTX* ssl) const { SSL_CTX_free(ssl); }
  };
  const Side side_;
  const std::string host_;
  const ClientRules rules_;
  const Alpn alpn_;
  Time expires_at_{};
  const std::unique_ptr<SSL_CTX, Free> ssl_;
};

}  // namespace outrider::tls
