// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <utility>

namespace outrider::net {
namespace {

constexpr std::size_t read_bytes = 16 << 10;
constexpr int rounds_max = 32;  // Then others have their turn.

enum class Read : std::uint8_t { some, blocked, ended, broken };

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN;
}

Read receive_into(int socket, std::span<char> room, std::size_t& got) {
  ssize_t n;
  do {
    n = ::recv(socket, room.data(), room.size(), 0);
  } while (n < 0 && errno == EINTR);
  got = n > 0 ? static_cast<std::size_t>(n) : 0;
  if (n > 0) return Read::some;
  if (n == 0) return Read::ended;
  return would_block() ? Read::blocked : Read::broken;
}

// Sends what the socket takes, and shortens `bytes`; false when the connection is broken.
bool send_some(int socket, std::string& bytes, bool& moved) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && !would_block()) return false;
    if (n < 0) break;
    sent += static_cast<std::size_t>(n);
  }
  moved = moved || sent > 0;
  bytes.erase(0, sent);
  if (bytes.empty() && bytes.capacity() > read_bytes / 4) std::string().swap(bytes);
  return true;
}

}  // namespace

TlsRelay::TlsRelay(int client, std::string peer, Settings settings, Instant now)
    : settings_(settings),
      peer_(std::move(peer)),
      context_(settings.port.context()),
      session_(*context_),
      client_(client),
      deadline_(now + settings.handshake_timeout) {}

TlsRelay::~TlsRelay() {
  give_up(tls::HandshakeResult::closed);
}

void TlsRelay::give_up(tls::HandshakeResult result) {
  if (!std::exchange(is_counted_, true)) settings_.port.count(result);
  close_all();
}

void TlsRelay::close_all() {
  end_backend(true);
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
      if (backend_ >= 0 && !send_some(backend_, to_backend_, moved)) {
        // The server has closed: what it said before may still be read.
        to_backend_.clear();
        request_ended_ = true;
      }
      if (to_backend_.empty() && !request_ended_) moved = read_client(now) || moved;
      if (!is_over() && request_ended_ && to_backend_.empty() && backend_ >= 0 &&
          !std::exchange(backend_shut_, true))
        ::shutdown(backend_, SHUT_WR);
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
  to_backend_.append(plaintext, decoded);
  if (read != Read::some && decoded == 0) session_.end_of_input();
  if (was_shaking && session_.state() != tls::Session::State::handshaking) after_handshake(now);
  if (is_over() || state_ == State::closing) return true;

  if (decoded > 0 && state_ == State::idle && !open_backend()) {
    begin_closing(now);
    return true;
  }
  if (session_.state() == tls::Session::State::ended) {
    request_ended_ = true;
    if (backend_ < 0) begin_closing(now);
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
  switch (receive_into(backend_, room, got)) {
    case Read::blocked:
      return false;
    case Read::some:
      if (!session_.send({room, got}, to_client_)) close_all();
      return true;
    case Read::ended:
    case Read::broken:
      end_backend(false);
      begin_closing(now);
      return true;
  }
  return false;
}

// Bound before it connects: who it is must be known by the time the server accepts it.
bool TlsRelay::open_backend() {
  backend_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (backend_ < 0) return false;
  const int on = 1;
  ::setsockopt(backend_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(backend_, generic, size) != 0 || ::getsockname(backend_, generic, &size) != 0)
    return false;
  source_port_ = ntohs(address.sin_port);
  settings_.peers.add(source_port_, peer_);
  address.sin_port = htons(settings_.backend_port);
  if (::connect(backend_, generic, sizeof address) != 0 && errno != EINPROGRESS) return false;
  state_ = State::relaying;
  deadline_ = Instant::max();
  return true;
}

void TlsRelay::end_backend(bool is_cut_off) {
  if (backend_ < 0) return;
  if (is_cut_off) {  // A reset: the server is to know that no more would have come.
    const linger none{1, 0};
    ::setsockopt(backend_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  }
  if (source_port_ != 0) settings_.peers.remove(source_port_);
  ::close(backend_);
  backend_ = -1;
}

void TlsRelay::begin_closing(Instant now) {
  end_backend(true);
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
  const bool reads = to_backend_.empty() && !request_ended_;
  return out | (reads ? std::uint32_t{EPOLLIN} : 0u);
}

std::uint32_t TlsRelay::backend_interest() const {
  if (backend_ < 0) return 0;
  return (to_backend_.empty() ? 0u : std::uint32_t{EPOLLOUT}) |
         (to_client_.empty() ? std::uint32_t{EPOLLIN} : 0u);
}

}  // namespace outrider::net
