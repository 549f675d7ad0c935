// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/upstream_pool.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace outrider::proxy {
namespace {

// An idle connection that rested longer than this is probed before it is used again: the upstream's
// FIN may sit unread in this very batch of events. So is one whose last read took all that it had
// room for: bytes behind the response would be told of by no event, and be the next one's.
constexpr std::chrono::milliseconds probe_after{10};

bool is_quiet(const UpstreamConnection& connection) {
  const TlsTransport* tls = connection.tls.get();
  if (tls != nullptr && (tls->holds_input() || !tls->is_open())) return false;
  char byte;
  const ssize_t n = ::recv(connection.channel.socket.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::string failed_handshake(const TlsTransport& tls) {
  return "the TLS handshake with the model server failed (" + std::string(to_string(tls.result())) +
         "): " + tls.why() +
         (tls.result() == tls::HandshakeResult::no_application_protocol
              ? "; it does not speak the HTTP that the client has sent: send the other one, or "
                "have "
                "it offer both (http/1.1, h2) by ALPN"
              : "; see upstream.tls-ca, upstream.tls-cert-dir, upstream.tls-server-name");
}

}  // namespace

void UpstreamConnection::on_events(std::uint32_t events) {
  if (!channel.socket.is_open()) return;  // Closed earlier in this batch.
  channel.note(events);
  if (user_ != nullptr) {
    user_->on_upstream_events();
  } else if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    // An idle connection has nothing to say: it was closed, or it is out of step.
    pool_.remove_idle(*this);
    pool_.defer_delete(*this);
  }
}

UpstreamConnection::Connecting UpstreamConnection::finish_connecting(std::string& why) {
  if (connected) return Connecting::done;
  if (!channel.writable && !channel.hung_up) return Connecting::pending;
  if (const int error = socket_error(channel.socket.get()); error != 0) {
    why = std::strerror(error);
    return Connecting::failed;
  }
  if (tls != nullptr) {
    if (!tls->shake_hands(channel.socket.get())) return Connecting::pending;
    if (!tls->is_open()) {
      why = failed_handshake(*tls);
      return Connecting::failed;
    }
  }
  connected = true;
  return Connecting::done;
}

UpstreamPool::UpstreamPool(const Limits& limits, const Upstream& upstream, int epoll,
                           tap::ProxyCounters& counters, std::size_t& bytes_held, TlsSide* tls)
    : limits_(limits),
      upstream_(upstream),
      epoll_(epoll),
      counters_(counters),
      bytes_held_(bytes_held),
      tls_(tls) {
  idle_.reserve(limits_.idle_max + 1);
  refresh_addresses();
}

UpstreamPool::~UpstreamPool() {
  close_all_idle();
}

UpstreamConnection* UpstreamPool::acquire(UpstreamUser& user, Monotonic now, Wanted wanted,
                                          Refusal& refusal) {
  refusal = Refusal::none;
  UpstreamConnection* connection = wanted == Wanted::any ? take_idle(now) : nullptr;
  if (connection == nullptr && open_ >= limits_.connections_max && !idle_.empty()) {
    UpstreamConnection& oldest = *idle_.front();
    remove_idle(oldest);
    defer_delete(oldest);
  }
  if (connection == nullptr && open_ >= limits_.connections_max) {
    refusal = Refusal::wait;
    return nullptr;
  }
  if (connection == nullptr) connection = connect(wanted, refusal);
  if (connection != nullptr) connection->user_ = &user;
  publish();
  return connection;
}

UpstreamConnection* UpstreamPool::take_idle(Monotonic now) {
  while (!idle_.empty()) {
    UpstreamConnection& connection = *idle_.back();
    idle_.pop_back();
    const bool is_good =
        now < connection.idle_until_ &&
        ((now - connection.idle_since_ < probe_after && !connection.channel.readable) ||
         is_quiet(connection));
    if (is_good) {
      connection.reused = true;
      counters_.upstream_reused.add();
      return &connection;
    }
    defer_delete(connection);
  }
  return nullptr;
}

UpstreamConnection* UpstreamPool::connect(Wanted wanted, Refusal& refusal) {
  auto connection = std::make_unique<UpstreamConnection>(*this, bytes_held_);
  Descriptor& socket = connection->channel.socket;
  for (std::size_t tries = 0; tries < addresses_.size() && !socket.is_open(); ++tries) {
    counters_.upstream_connects.add();
    socket = start_connect(addresses_[address_at_], connection->connected);
    if (!socket.is_open()) note_connect_failure();
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = static_cast<EventTarget*>(connection.get());
  if (!socket.is_open() || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.get(), &event) != 0) {
    refusal = Refusal::failed;
    return nullptr;
  }
  connection->channel.writable = connection->connected;
  if (tls_ != nullptr) {
    connection->tls = tls_->make(wanted == Wanted::http2 ? tls::Session::Offer::http2
                                                         : tls::Session::Offer::http1);
    connection->channel.transport = connection->tls.get();
    connection->connected = false;
  }
  connection->addresses_version_ = addresses_version_;
  ++open_;
  return connection.release();
}

void UpstreamPool::note_connect_failure() {
  const int error = errno;
  counters_.upstream_connect_failures.add();
  address_at_ = (address_at_ + 1) % addresses_.size();
  upstream_.look_up_soon();
  errno = error;
}

void UpstreamPool::release(UpstreamConnection& connection, Monotonic now) {
  connection.user_ = nullptr;
  connection.idle_since_ = now;
  connection.idle_until_ = now + std::min(limits_.idle_timeout, connection.idle_timeout);
  if (idle_.size() >= limits_.idle_max || connection.channel.hung_up ||
      connection.addresses_version_ != addresses_version_) {
    defer_delete(connection);
  } else {
    idle_.push_back(&connection);
  }
  publish();
}

void UpstreamPool::close(UpstreamConnection& connection) {
  defer_delete(connection);
  publish();
}

void UpstreamPool::give_up(UpstreamConnection& connection) {
  if (connection.tls != nullptr) connection.tls->give_up_handshake();
  note_connect_failure();
  close(connection);
}

void UpstreamPool::defer_delete(UpstreamConnection& connection) {
  connection.user_ = nullptr;
  if (connection.tls != nullptr) connection.tls->end(connection.channel.socket.get());
  forget(epoll_, connection.channel.socket);
  connection.channel.in.clear();
  connection.channel.out.clear();
  --open_;
  deferred_delete_.emplace_back(&connection);
}

void UpstreamPool::remove_idle(UpstreamConnection& connection) {
  idle_.erase(std::find(idle_.begin(), idle_.end(), &connection));
  publish();
}

void UpstreamPool::tend(Monotonic now) {
  refresh_addresses();
  while (!idle_.empty() && idle_.front()->idle_until_ <= now) {
    UpstreamConnection& connection = *idle_.front();
    remove_idle(connection);
    defer_delete(connection);
  }
  publish();
}

void UpstreamPool::refresh_addresses() {
  if (!upstream_.refresh(addresses_version_, addresses_)) return;
  address_at_ = 0;
  close_all_idle();
}

void UpstreamPool::close_all_idle() {
  for (UpstreamConnection* connection : idle_) defer_delete(*connection);
  idle_.clear();
}

void UpstreamPool::publish() {
  counters_.upstream_idle.set(idle_.size());
  counters_.upstream_active.set(open_ - idle_.size());
}

}  // namespace outrider::proxy
