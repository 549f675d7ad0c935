// SPDX-License-Identifier: Apache-2.0
#include "base/tls/session.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace outrider::tls {

namespace {
constexpr unsigned char http2_alone[] = {2, 'h', '2'};  // As ALPN writes a list.
constexpr std::size_t unasked_bytes_max = 32 << 10, bytes_without_plaintext_max = 256 << 10;
}  // namespace

// The memory that OpenSSL reads from and writes to: the caller's, within a call.
struct MemoryBio {
  static int read(BIO* bio, char* into, int size) {
    auto& session = *static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::size_t n = std::min(session.in_.size(), static_cast<std::size_t>(size));
    if (n == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(into, session.in_.data(), n);
    session.in_.remove_prefix(n);
    return static_cast<int>(n);
  }
  static int write(BIO* bio, const char* bytes, int size) {
    auto& session = *static_cast<Session*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (session.out_ == nullptr) return -1;
    session.out_->append(bytes, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static BIO* make(Session& session) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "session");
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, &session);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

bool is_address(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

void expect_host(SSL* ssl, const std::string& host) {
  if (is_address(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    return;
  }
  SSL_set_tlsext_host_name(ssl, host.c_str());
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set1_host(ssl, host.c_str());
}

HandshakeResult of_verification(long error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return HandshakeResult::certificate_expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
    case X509_V_ERR_APPLICATION_VERIFICATION:
      return HandshakeResult::certificate_name;
    default:
      return HandshakeResult::certificate_untrusted;
  }
}

}  // namespace

Session::Session(const Context& context, Resumption* resumption, Offer offer)
    : context_(context), resumption_(resumption), ssl_(SSL_new(context.get())) {
  SSL* ssl = ssl_.get();
  if (ssl == nullptr) throw std::bad_alloc();
  BIO* bio = MemoryBio::make(*this);
  SSL_set_bio(ssl, bio, bio);
  if (context.side() == Side::server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  if (resumption_ != nullptr) SSL_set_app_data(ssl, this);
  expect_host(ssl, context.host());
  if (offer == Offer::http2) SSL_set_alpn_protos(ssl, http2_alone, sizeof http2_alone);
  if (resumption_ != nullptr && resumption_->get() != nullptr)
    SSL_set_session(ssl, resumption_->get());
}

bool Session::has_agreed_on_http2() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == "h2";
}

// A connection that ends without close_notify does not spoil its session for the next one: OpenSSL
// would mark it as not resumable, which TLS 1.1 and later do not ask for (RFC 4346, 7.2.1).
Session::~Session() {
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

int Session::keep_for_resumption(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<Session*>(SSL_get_app_data(ssl));
  if (self == nullptr) return 0;  // Nobody wants it.
  self->resumption_->keep(session);
  return 1;
}

std::size_t Session::receive(std::string_view& ciphertext, std::span<char> into, std::string& out) {
  in_ = ciphertext;
  out_ = &out;
  ERR_clear_error();
  if (state_ == State::handshaking) shake_hands();
  const std::size_t out_before = out.size();
  std::size_t got = 0;
  while (state_ == State::open && got < into.size()) {
    std::size_t n = 0;
    if (SSL_read_ex(ssl_.get(), into.data() + got, into.size() - got, &n) == 1) {
      got += n;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      state_ = State::ended;
    } else {
      note_failure(error);
    }
  }
  unasked_bytes_ += out.size() - out_before;
  bytes_without_plaintext_ =
      got != 0 ? 0 : bytes_without_plaintext_ + ciphertext.size() - in_.size();
  if (state_ == State::open && unasked_bytes_ > unasked_bytes_max) {
    state_ = State::failed;
    why_ = "the peer asks for new keys again and again";
  }
  if (bytes_without_plaintext_ > bytes_without_plaintext_max && state_ != State::failed) {
    if (state_ == State::handshaking) result_ = HandshakeResult::protocol_error;
    state_ = State::failed;
    why_ = "the peer sends much that holds no bytes of ours";
  }
  if (state_ == State::ended || state_ == State::failed) in_ = {};
  ciphertext = in_;
  in_ = {};
  out_ = nullptr;
  return got;
}

void Session::shake_hands() {
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    if (!judge_resumed()) {
      state_ = State::failed;
      result_ = HandshakeResult::certificate_expired;
      why_ = "the certificate of the resumed session has expired";
      return;
    }
    state_ = State::open;
    result_ = HandshakeResult::success;
    return;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error != SSL_ERROR_WANT_READ) note_failure(error);
}

std::vector<std::string> Session::peer_names() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  const bool is_verified = (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0 &&
                           SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  if (certificate == nullptr || !is_verified) return {};
  return alternative_names(*certificate);
}

// A resumed session's certificate was verified when the session was new, and may have ended since.
bool Session::judge_resumed() const {
  if (context_.side() != Side::server || !was_resumed()) return true;
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  return certificate == nullptr || X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

void Session::note_failure(int error) {
  const bool is_handshake = state_ == State::handshaking;
  state_ = State::failed;
  const unsigned long first = error == SSL_ERROR_SSL ? ERR_peek_error() : 0;
  if (const char* words = first == 0 ? nullptr : ERR_reason_error_string(first)) why_ = words;
  if (is_handshake) result_ = reason_of(first);
  ERR_clear_error();
}

HandshakeResult Session::reason_of(unsigned long error) const {
  const int reason = ERR_GET_REASON(error);
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return HandshakeResult::plain_http;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return HandshakeResult::no_common_version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return HandshakeResult::no_common_cipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return HandshakeResult::no_application_protocol;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return HandshakeResult::certificate_missing;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return of_verification(SSL_get_verify_result(ssl_.get()));
    default:
      return reason >= SSL_AD_REASON_OFFSET ? HandshakeResult::refused_by_peer
                                            : HandshakeResult::protocol_error;
  }
}

bool Session::send(std::string_view plaintext, std::string& out) {
  if (state_ != State::open && state_ != State::ended) return false;
  out_ = &out;
  ERR_clear_error();
  std::size_t written = 0;
  const bool is_sent = plaintext.empty() ||
                       SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) == 1;
  if (!is_sent) note_failure(SSL_get_error(ssl_.get(), 0));
  out_ = nullptr;
  return is_sent;
}

void Session::close(std::string& out) {
  if (state_ != State::open && state_ != State::ended) return;
  out_ = &out;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  out_ = nullptr;
}

bool Session::end_of_input() {
  if (state_ == State::ended) return true;
  if (state_ != State::failed) {
    state_ = State::failed;
    why_ = "the peer closed the connection without close_notify";
  }
  return false;
}

std::string Session::why() const {
  const long verification = SSL_get_verify_result(ssl_.get());
  if (state_ != State::failed || verification == X509_V_OK) return why_;
  return std::string(why_) + ": " + X509_verify_cert_error_string(verification);
}

}  // namespace outrider::tls
