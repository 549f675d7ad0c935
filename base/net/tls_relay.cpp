// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/net/stream_socket.h"

namespace outrider::net {
namespace {

constexpr int rounds_max = 32;  // Then others have their turn.

}  // namespace

TlsRelay::TlsRelay(int client, std::string peer, Settings settings, Instant now)
    : settings_(settings),
      peer_(std::move(peer)),
      context_(settings.port.context()),
      session_(*context_),
      client_(client),
      backend_(settings.peers, settings.backend_port),
      deadline_(now + settings.handshake_timeout) {}

TlsRelay::~TlsRelay() {
  give_up(tls::HandshakeResult::closed);
}

void TlsRelay::give_up(tls::HandshakeResult result) {
  if (!std::exchange(is_counted_, true)) settings_.port.count(result);
  close_all();
}

void TlsRelay::close_all() {
  backend_.close(true);
  if (client_ >= 0) ::close(client_);
  client_ = -1;
}

bool TlsRelay::pump(Instant now) {
  for (int round = 0; round < rounds_max && !is_over(); ++round) {
    bool moved = false;
    if (!send_some(client_, to_client_, moved)) {
      close_all();
      return true;
    }
    if (state_ == State::closing) {
      if (to_client_.empty() && !std::exchange(client_shut_, true)) ::shutdown(client_, SHUT_WR);
      moved = drop_input() || moved;
    } else {
      backend_.send(moved);
      if (backend_.takes_more()) moved = read_client(now) || moved;
      if (!is_over()) backend_.shut_down_when_sent();
      if (!is_over() && state_ == State::relaying && to_client_.empty())
        moved = read_backend(now) || moved;
    }
    if (!moved) return true;
  }
  return is_over();
}

// True when something was done.
bool TlsRelay::read_client(Instant now) {
  char plaintext[read_bytes], room[read_bytes];
  const bool was_shaking = state_ == State::shaking;
  Read read = Read::some;
  if (ciphertext_in_.empty() && !session_.holds_plaintext()) {
    std::size_t got = 0;
    read = receive_into(client_, room, got);
    if (read == Read::blocked) return false;
    ciphertext_in_.assign(room, got);
  }
  std::string_view left = ciphertext_in_;
  const std::size_t decoded = session_.receive(left, plaintext, to_client_);
  ciphertext_in_.erase(0, ciphertext_in_.size() - left.size());
  backend_.add({plaintext, decoded});
  if (read != Read::some && decoded == 0) session_.end_of_input();
  if (was_shaking && session_.state() != tls::Session::State::handshaking) after_handshake(now);
  if (is_over() || state_ == State::closing) return true;

  if (decoded > 0 && state_ == State::idle) {
    if (!backend_.open({peer_, session_.peer_names()})) {
      begin_closing(now);
      return true;
    }
    state_ = State::relaying;
    deadline_ = Instant::max();
  }
  if (session_.state() == tls::Session::State::ended) {
    backend_.end_request();
    if (!backend_.is_open()) begin_closing(now);
  } else if (session_.state() == tls::Session::State::failed || read != Read::some) {
    bool moved = false;  // The alert.
    (void)send_some(client_, to_client_, moved);
    give_up(tls::HandshakeResult::closed);
  }
  return true;
}

void TlsRelay::after_handshake(Instant now) {
  if (!std::exchange(is_counted_, true)) settings_.port.count(session_.result());
  if (session_.is_open()) {
    state_ = State::idle;
    deadline_ = now + settings_.first_byte_timeout;
    return;
  }
  if (session_.result() == tls::HandshakeResult::plain_http) answer_plain_http();
  begin_closing(now);
}

void TlsRelay::answer_plain_http() {
  const std::string body =
      "{\"error\":\"plain_http\",\"message\":\"this port speaks TLS; use https://\"}\n";
  to_client_ =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
}

// True when something was done.
bool TlsRelay::read_backend(Instant now) {
  char room[read_bytes];
  std::size_t got = 0;
  switch (backend_.receive(room, got)) {
    case Read::blocked:
      return false;
    case Read::some:
      if (!session_.send({room, got}, to_client_)) close_all();
      return true;
    case Read::ended:
    case Read::broken:
      backend_.close(false);
      begin_closing(now);
      return true;
  }
  return false;
}

void TlsRelay::begin_closing(Instant now) {
  backend_.close(true);
  if (session_.is_open() || session_.state() == tls::Session::State::ended)
    session_.close(to_client_);
  state_ = State::closing;
  deadline_ = now + settings_.close_timeout;
}

// What the client still sends, until it has closed. True when something was done.
bool TlsRelay::drop_input() {
  char room[read_bytes];
  std::size_t got = 0;
  const Read read = receive_into(client_, room, got);
  if (read == Read::ended || read == Read::broken) {
    if (to_client_.empty() || read == Read::broken) close_all();
    return is_over();
  }
  return read == Read::some;
}

std::uint32_t TlsRelay::client_interest() const {
  const std::uint32_t out = to_client_.empty() ? 0u : std::uint32_t{EPOLLOUT};
  if (state_ == State::closing) return out != 0 ? out : std::uint32_t{EPOLLIN};
  return out | (backend_.takes_more() ? std::uint32_t{EPOLLIN} : 0u);
}

std::uint32_t TlsRelay::backend_interest() const {
  if (!backend_.is_open()) return 0;
  return (backend_.has_unsent() ? std::uint32_t{EPOLLOUT} : 0u) |
         (to_client_.empty() ? std::uint32_t{EPOLLIN} : 0u);
}

}  // namespace outrider::net
