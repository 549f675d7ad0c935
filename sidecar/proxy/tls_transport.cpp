// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/tls_transport.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr std::size_t read_bytes_max = 64 << 10, read_bytes_min = 4 << 10;
constexpr std::size_t record_bytes_max = 16 << 10;  // RFC 8446, 5.1.
constexpr std::size_t send_bytes = 64 << 10;        // As much is sealed, then sent.

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

ssize_t receive_some(int socket, std::span<char> into) {
  ssize_t n;
  do {
    n = ::recv(socket, into.data(), into.size(), 0);
  } while (n < 0 && errno == EINTR);
  return n;
}

}  // namespace

TlsSide::TlsSide(const tls::Credentials& credentials, tap::TlsHandshakeCounts& handshakes,
                 std::size_t& bytes_held)
    : credentials_(credentials),
      handshakes_(handshakes),
      bytes_held_(bytes_held),
      ciphertext_(read_bytes_max) {}

std::unique_ptr<TlsTransport> TlsSide::make(tls::Session::Offer offer) {
  // A session of the old context may be one with a certificate that is no longer trusted.
  if (credentials_.refresh(credentials_version_, context_) && context_->side() == tls::Side::client)
    resumption_ = std::make_shared<tls::Resumption>();
  return std::make_unique<TlsTransport>(*this, offer);
}

TlsTransport::TlsTransport(TlsSide& side, tls::Session::Offer offer)
    : side_(side),
      context_(side.context_),
      resumption_(side.resumption_),
      session_(*context_, resumption_.get(), offer),
      in_(side.bytes_held_),
      out_(side.bytes_held_) {}

TlsTransport::~TlsTransport() {
  count(tls::HandshakeResult::closed);
}

void TlsTransport::count(tls::HandshakeResult result) {
  if (context_->side() == tls::Side::client && !has_begun_) return;
  if (!std::exchange(is_counted_, true)) side_.handshakes_[static_cast<std::size_t>(result)].add();
}

void TlsTransport::give_up_handshake() {
  if (is_handshaking()) count(tls::HandshakeResult::timeout);
}

// ---- Reading ----

// Decodes; what it does not use of the ciphertext is kept in in_, what is to be said in side_.out_.
std::size_t TlsTransport::receive(std::string_view ciphertext, std::span<char> into) {
  const bool is_held = !in_.empty();
  std::string_view left = is_held ? in_.view() : ciphertext;
  const std::size_t size = left.size();
  has_begun_ = true;
  const std::size_t got = session_.receive(left, into, side_.out_);
  is_held ? in_.consume(size - left.size()) : in_.append(left);
  if (!is_handshaking()) count(session_.result());
  return got;
}

Transfer TlsTransport::read(int socket, std::span<char> into) {
  side_.out_.clear();
  std::size_t got = 0;
  bool is_socket_empty = false;
  if (is_handshaking() || holds_input()) got = receive({}, into);
  const auto room =
      std::span(side_.ciphertext_).first(std::clamp(into.size(), read_bytes_min, read_bytes_max));
  // A handshake alone (nothing is asked for) reads no further than its end.
  while (got == 0 && !is_over() && !is_socket_empty && (is_handshaking() || !into.empty())) {
    const ssize_t n = receive_some(socket, room);
    if (n <= 0) {
      is_socket_empty = true;
      if (n < 0 && would_block()) break;
      session_.end_of_input();
      if (!is_counted_) count(session_.result());
      break;
    }
    is_socket_empty = static_cast<std::size_t>(n) < room.size();
    got = receive({room.data(), static_cast<std::size_t>(n)}, into);
  }
  if (!side_.out_.empty() && !send(socket, side_.out_) && got == 0)
    return {.state = Transfer::State::broken};
  Transfer transfer{.wants_read = is_handshaking(), .bytes = got, .unsent = out_.size()};
  if (got != 0) {
    transfer.state = Transfer::State::moved;
    transfer.may_have_more = !is_socket_empty || holds_input() || is_over();
  } else if (is_over()) {
    transfer.state = session_.state() == tls::Session::State::ended ? Transfer::State::ended
                                                                    : Transfer::State::broken;
  }
  return transfer;
}

bool TlsTransport::shake_hands(int socket) {
  if (!send_held(socket)) return true;
  return read(socket, {}).state == Transfer::State::broken || !is_handshaking();
}

// ---- Writing ----

bool TlsTransport::send(int socket, std::string_view bytes) {
  while (out_.empty() && !bytes.empty()) {
    const ssize_t n = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && !would_block()) return false;
    if (n < 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  out_.append(bytes);
  return true;
}

bool TlsTransport::send_held(int socket) {
  while (!out_.empty()) {
    const std::string_view held = out_.view();
    const ssize_t n = ::send(socket, held.data(), held.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return would_block();
    out_.consume(static_cast<std::size_t>(n));
  }
  return true;
}

bool TlsTransport::seal(std::string_view plaintext) {
  return session_.send(plaintext, side_.out_);
}

Transfer TlsTransport::write(int socket, std::span<iovec> pieces, std::size_t) {
  const Transfer broken{.state = Transfer::State::broken};
  if (!send_held(socket)) return broken;
  if (out_.empty() && is_handshaking()) {
    side_.out_.clear();
    receive({}, {});
    if (!side_.out_.empty() && !send(socket, side_.out_)) return broken;
  }
  if (session_.state() == tls::Session::State::failed) return broken;
  if (is_handshaking() || !out_.empty())
    return {.wants_read = is_handshaking(), .unsent = out_.size()};

  // Small pieces share a record; a large one is sealed where it lies.
  std::size_t taken = 0;
  std::string& record = side_.record_;
  record.clear();
  side_.out_.clear();
  for (const iovec& piece : pieces) {
    std::string_view left(static_cast<const char*>(piece.iov_base), piece.iov_len);
    while (!left.empty()) {
      const std::size_t n = std::min(left.size(), record_bytes_max - record.size());
      const bool is_whole = n == record_bytes_max;
      if (!is_whole) record.append(left.substr(0, n));
      if (is_whole && !seal(left.substr(0, n))) return broken;
      if (record.size() == record_bytes_max) {
        if (!seal(record)) return broken;
        record.clear();
      }
      left.remove_prefix(n);
      taken += n;
      if (side_.out_.size() < send_bytes || !record.empty()) continue;
      if (!send(socket, side_.out_)) return broken;
      if (!out_.empty()) return {Transfer::State::moved, false, false, taken, out_.size()};
      side_.out_.clear();
    }
  }
  if (!record.empty() && !seal(record)) return broken;
  if (!side_.out_.empty() && !send(socket, side_.out_)) return broken;
  return {.state = taken == 0 ? Transfer::State::blocked : Transfer::State::moved,
          .bytes = taken,
          .unsent = out_.size()};
}

void TlsTransport::end(int socket) {
  if (!out_.empty()) return;  // It would stand within a record.
  side_.out_.clear();
  session_.close(side_.out_);
  if (!side_.out_.empty())
    (void)!::send(socket, side_.out_.data(), side_.out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void TlsTransport::shut_down(int socket) {
  end(socket);
  ::shutdown(socket, SHUT_WR);
}

}  // namespace outrider::proxy
