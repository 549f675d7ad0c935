// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/upstream_pool.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

namespace outrider::proxy {
namespace {

// An idle connection that rested longer than this is probed before it is used again: the upstream's
// FIN may sit unread in this very batch of events.
constexpr std::chrono::milliseconds probe_after{1};

bool is_alive(int descriptor) {
  char byte;
  const ssize_t n = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
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
    pool_.bury(*this);
  }
}

UpstreamPool::UpstreamPool(std::size_t connections_max, std::size_t idle_max,
                           const SocketAddress& address, int epoll, tap::ProxyCounters& counters,
                           std::size_t& bytes_held)
    : connections_max_(connections_max),
      idle_max_(idle_max),
      address_(address),
      epoll_(epoll),
      counters_(counters),
      bytes_held_(bytes_held) {
  idle_.reserve(idle_max_ + 1);
}

UpstreamPool::~UpstreamPool() {
  while (!idle_.empty()) {
    UpstreamConnection& connection = *idle_.back();
    idle_.pop_back();
    bury(connection);
  }
}

UpstreamConnection* UpstreamPool::acquire(UpstreamUser& user, Monotonic now, bool fresh,
                                          Refusal& refusal) {
  refusal = Refusal::none;
  UpstreamConnection* connection = fresh ? nullptr : take_idle(now);
  if (connection == nullptr && open_ >= connections_max_ && !idle_.empty()) {
    UpstreamConnection& oldest = *idle_.front();
    remove_idle(oldest);
    bury(oldest);
  }
  if (connection == nullptr && open_ >= connections_max_) {
    refusal = Refusal::wait;
    return nullptr;
  }
  if (connection == nullptr) connection = connect(refusal);
  if (connection != nullptr) connection->user_ = &user;
  publish();
  return connection;
}

UpstreamConnection* UpstreamPool::take_idle(Monotonic now) {
  while (!idle_.empty()) {
    UpstreamConnection& connection = *idle_.back();
    idle_.pop_back();
    if (now - connection.idle_since_ < probe_after || is_alive(connection.channel.socket.get())) {
      connection.reused = true;
      counters_.upstream_reused.add();
      return &connection;
    }
    bury(connection);
  }
  return nullptr;
}

UpstreamConnection* UpstreamPool::connect(Refusal& refusal) {
  counters_.upstream_connects.add();
  auto connection = std::make_unique<UpstreamConnection>(*this, bytes_held_);
  connection->channel.socket = start_connect(address_, connection->connected);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = static_cast<EventTarget*>(connection.get());
  const int descriptor = connection->channel.socket.get();
  if (descriptor < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    counters_.upstream_connect_failures.add();
    refusal = Refusal::failed;
    return nullptr;
  }
  connection->channel.writable = connection->connected;
  ++open_;
  return connection.release();
}

void UpstreamPool::release(UpstreamConnection& connection, Monotonic now) {
  connection.user_ = nullptr;
  connection.idle_since_ = now;
  if (idle_.size() >= idle_max_ || connection.channel.hung_up) {
    bury(connection);
  } else {
    idle_.push_back(&connection);
  }
  publish();
}

void UpstreamPool::close(UpstreamConnection& connection) {
  bury(connection);
  publish();
}

void UpstreamPool::bury(UpstreamConnection& connection) {
  connection.user_ = nullptr;
  forget(epoll_, connection.channel.socket);
  connection.channel.in.clear();
  connection.channel.out.clear();
  --open_;
  graveyard_.emplace_back(&connection);
}

void UpstreamPool::remove_idle(UpstreamConnection& connection) {
  idle_.erase(std::find(idle_.begin(), idle_.end(), &connection));
  publish();
}

void UpstreamPool::close_idle(Monotonic older_than) {
  while (!idle_.empty() && idle_.front()->idle_since_ < older_than) {
    UpstreamConnection& connection = *idle_.front();
    remove_idle(connection);
    bury(connection);
  }
  publish();
}

void UpstreamPool::publish() {
  counters_.upstream_idle.set(idle_.size());
  counters_.upstream_active.set(open_ - idle_.size());
}

}  // namespace outrider::proxy
