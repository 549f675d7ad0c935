// SPDX-License-Identifier: Apache-2.0
#include "base/tls/context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

#include "base/core/text.h"
#include "base/tls/session.h"

namespace outrider::tls {
namespace {

constexpr long peer_certificates_bytes_max = 32 << 10;
constexpr long ticket_seconds = 3600;
constexpr unsigned char protocols[] = "\x08http/1.1";  // As ALPN writes a list.
constexpr unsigned protocols_size = sizeof protocols - 1;
constexpr unsigned char http2_and_1[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr unsigned char http1_and_2[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1', 2, 'h', '2'};
// In the order in which a server chooses: Mozilla's "intermediate" configuration.
constexpr char ciphers_of_1_2[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr char ciphers_of_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// OpenSSL's own words for what went wrong last; forgets it.
std::string library_error() {
  const unsigned long error = ERR_peek_error();
  const char* text = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return text == nullptr ? "no reason is known" : text;
}

// The default would ask at the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

Owned<BIO> reader_of(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// All certificates of a PEM text, in order; none where one of them cannot be read.
std::vector<Owned<X509>> certificates_of(const std::string& pem) {
  ERR_clear_error();
  std::vector<Owned<X509>> found;
  const Owned<BIO> bio = reader_of(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr))
    found.emplace_back(one);
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
    ERR_clear_error();  // The text's end.
    return found;
  }
  return {};
}

Time end_of(const X509& certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &parts) != 1) return {};
  return Time(std::chrono::seconds(::timegm(&parts)));
}

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  const auto* context = static_cast<const Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const Alpn alpn = context->alpn();
  const unsigned char* ours = alpn == Alpn::http2_first   ? http2_and_1
                              : alpn == Alpn::http1_first ? http1_and_2
                                                          : protocols;
  const unsigned size = alpn == Alpn::http1 ? protocols_size : sizeof http2_and_1;
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, ours, size, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// Of a client's certificate, after its chain was found good.
int judge_client(int is_good, X509_STORE_CTX* chain) {
  if (is_good != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return is_good;
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* context = static_cast<const Context*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const X509* certificate = X509_STORE_CTX_get_current_cert(chain);
  if (certificate != nullptr && context->takes(*certificate)) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

// Calls it with each URI and DNS name: GEN_URI or GEN_DNS, and the text.
template <class Visit>
void each_name(const X509& certificate, Visit visit) {
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI || name->type == GEN_DNS) visit(name->type, text_of(name->d.ia5));
  }
}

bool are_equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Context::Context(Side side, std::string host, ClientRules rules, Alpn alpn)
    : side_(side),
      host_(std::move(host)),
      rules_(std::move(rules)),
      alpn_(alpn),
      ssl_(SSL_CTX_new(side == Side::server ? TLS_server_method() : TLS_client_method())) {
  SSL_CTX* ssl = ssl_.get();
  if (ssl == nullptr) throw std::runtime_error("OpenSSL: " + library_error());
  SSL_CTX_set_app_data(ssl, this);
  SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
  if (SSL_CTX_set_cipher_list(ssl, ciphers_of_1_2) != 1 ||
      SSL_CTX_set_ciphersuites(ssl, ciphers_of_1_3) != 1)
    throw std::runtime_error("OpenSSL: " + library_error());
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);  // 32 KiB less an idle connection.
  SSL_CTX_set_max_cert_list(ssl, peer_certificates_bytes_max);
  if (side == Side::server) {
    // Ours is the order, but a client that wants ChaCha20 first has no fast AES.
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);  // Tickets hold the state.
    SSL_CTX_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>("outrider"), 8);
    SSL_CTX_set_timeout(ssl, ticket_seconds);
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, nullptr);
  } else {
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, Session::keep_for_resumption);
    SSL_CTX_set_alpn_protos(ssl, protocols, protocols_size);
  }
}

Result<std::shared_ptr<const Context>> Context::server(const Material& material,
                                                       const ClientRules& rules, Alpn alpn) {
  std::shared_ptr<Context> context(new Context(Side::server, "", rules, alpn));
  if (auto own = context->use_own(material); !own) return fail(own);
  if (rules.required) {
    if (auto trusted = context->trust(material); !trusted) return fail(trusted);
    SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       judge_client);
  }
  return context;
}

Result<std::shared_ptr<const Context>> Context::client(const Material& material,
                                                       const std::string& host) {
  std::shared_ptr<Context> context(new Context(Side::client, host, {}, Alpn::http1));
  if (!material.certificates.empty() || !material.key.empty())
    if (auto own = context->use_own(material); !own) return fail(own);
  if (material.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context->get()) != 1)
      return fail("bad_ca", "the system's certificate authorities: " + library_error());
  } else if (auto trusted = context->trust(material); !trusted) {
    return fail(trusted);
  }
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

Result<void> Context::use_own(const Material& material) {
  const std::vector<Owned<X509>> chain = certificates_of(material.certificates);
  if (chain.empty())
    return fail("bad_certificate",
                "tls.crt: expected certificates in PEM (BEGIN CERTIFICATE), the own one first");
  ERR_clear_error();
  const Owned<BIO> bio = reader_of(material.key);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr)
    return fail("bad_key", "tls.key: expected one private key in PEM, not encrypted; OpenSSL: " +
                               library_error());
  if (SSL_CTX_use_certificate(ssl_.get(), chain.front().get()) != 1)
    return fail("bad_certificate", "tls.crt: OpenSSL does not take it: " + library_error());
  if (SSL_CTX_use_PrivateKey(ssl_.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(ssl_.get()) != 1) {
    ERR_clear_error();
    return fail("key_mismatch",
                "tls.key is not the key of the first certificate in tls.crt; write both anew, "
                "together");
  }
  expires_at_ = end_of(*chain.front());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ssl_.get(), chain[i].get()) != 1)
      return fail(
          "bad_certificate",
          "tls.crt: OpenSSL does not take a certificate behind the first: " + library_error());
    expires_at_ = std::min(expires_at_, end_of(*chain[i]));
  }
  return {};
}

Result<void> Context::trust(const Material& material) {
  const std::vector<Owned<X509>> authorities = certificates_of(material.ca);
  if (authorities.empty())
    return fail("bad_ca", "ca.crt: expected certificates in PEM (BEGIN CERTIFICATE)" +
                              std::string(material.ca.empty() ? "; it is missing or empty" : ""));
  X509_STORE* store = SSL_CTX_get_cert_store(ssl_.get());
  for (const Owned<X509>& one : authorities) {
    if (X509_STORE_add_cert(store, one.get()) != 1)
      return fail("bad_ca", "ca.crt: OpenSSL does not take it: " + library_error());
    if (side_ == Side::server) SSL_CTX_add_client_CA(ssl_.get(), one.get());
  }
  return {};
}

std::vector<std::string> alternative_names(const X509& certificate) {
  std::vector<std::string> found;
  each_name(certificate, [&found](int kind, std::string_view text) {
    const bool is_uri = text.find(':') != std::string_view::npos;
    if (kind == GEN_URI && is_uri) found.emplace_back(text);
    if (kind == GEN_DNS && !is_uri && text.find('/') == std::string_view::npos)
      found.push_back(lower_ascii(text));
  });
  return found;
}

bool Context::takes(const X509& certificate) const {
  if (rules_.names.empty()) return true;
  bool is_taken = false;
  each_name(certificate, [&](int kind, std::string_view text) {
    is_taken =
        is_taken ||
        std::any_of(rules_.names.begin(), rules_.names.end(), [&](const std::string& allowed) {
          return kind == GEN_URI ? text == allowed : are_equal_without_case(text, allowed);
        });
  });
  return is_taken;
}

}  // namespace outrider::tls
