// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/worker.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "sidecar/proxy/session.h"

namespace outrider::proxy {
namespace {

constexpr std::size_t read_bytes_large = 128 << 10, read_bytes_small = 16 << 10,
                      read_bytes_min = 4 << 10;
constexpr int events_per_batch = 256;
constexpr int accepts_per_batch = 64;
constexpr int backlog_batches_max = 64;  // When it stops to accept: a whole backlog.
constexpr std::chrono::milliseconds accept_pause{100};

std::uint64_t system_random() {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != sizeof value)
    throw std::runtime_error("getrandom: no random numbers");
  return value;
}

std::size_t share(std::int64_t total, std::int64_t threads) {
  return static_cast<std::size_t>((total + threads - 1) / threads);
}

http1::HeadLimits limits_of(const Settings& settings) {
  http1::HeadLimits limits;
  limits.head_bytes = static_cast<std::uint32_t>(settings.head_bytes_max);
  if (limits.request_line_bytes > limits.head_bytes) limits.request_line_bytes = limits.head_bytes;
  return limits;
}

Session& session_of(SessionLink& link) {
  return static_cast<Session::Link&>(link).session;
}

}  // namespace

void SessionLink::unlink() {
  next->previous = previous;
  previous->next = next;
  next = previous = this;
}

void SessionLink::append(SessionLink& link) {
  link.next = this;
  link.previous = previous;
  previous->next = &link;
  previous = &link;
}

Worker::Worker(const Settings& s, const Upstream& upstream, Descriptor listening,
               tap::MemoryFile& file, std::size_t lane)
    : settings(s),
      head_limits(limits_of(s)),
      counters(file.lane(lane).counters),
      models(file.models(lane), file.latency_bounds(), counters),
      tap(file, lane, share(s.tap_bytes_max / 4, s.threads), s.tap_enabled),
      mint(system_random(), system_random()),
      timers(std::chrono::steady_clock::now()),
      epoll(::epoll_create1(EPOLL_CLOEXEC)),
      pool({share(s.upstream_connections_max, s.threads), share(s.upstream_idle_max, s.threads),
            s.upstream_idle_timeout},
           upstream, epoll.get(), counters, bytes_held),
      buffer_(read_bytes_large),
      connections_max_(share(s.connections_max, s.threads)),
      listening_(std::move(listening)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      drain_(s.drain_delay, s.drain_timeout),
      queue_max_(share(s.queue_max, s.threads)) {
  if (!epoll.is_open() || !wake_.is_open())
    throw std::runtime_error("epoll: no file descriptor is left");
  read_clocks();
  last_tick_ = now_;
  resume_accepting();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // Nobody reads it: told once a write.
  event.data.ptr = static_cast<EventTarget*>(&wake_target_);
  ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake_.get(), &event);
}

Worker::~Worker() {
  while (all_.is_linked()) session_of(*all_.next).cut_off();
  deferred_delete_.clear();
}

void Worker::read_clocks() {
  now_ = std::chrono::steady_clock::now();
  wall_now_ = std::chrono::system_clock::now();
}

void Worker::run() {
  epoll_event events[events_per_batch];
  while (!is_over()) {
    const int count = ::epoll_wait(epoll.get(), events, events_per_batch, wait_limit_ms());
    read_clocks();
    for (int i = 0; i < count; ++i)
      static_cast<EventTarget*>(events[i].data.ptr)->on_events(events[i].events);
    take_turns();
    serve_queue();
    const bool is_asked = drain_asked_.load(std::memory_order_acquire) != drain_heard_;
    if (is_asked || now_ - last_tick_ >= TimerWheel::tick) tick();
    deferred_delete_.clear();
    pool.reap();
  }
}

// Only ticks with something to do must wake us; a second is soon enough for idle upstream
// connections.
int Worker::wait_limit_ms() const {
  if (again_.is_linked() || (queue_.is_linked() && pool.has_room())) return 0;
  return all_.is_linked() || is_leaving() || !accepting_ ? 50 : 1000;
}

void Worker::take_turns() {
  if (!again_.is_linked()) return;
  SessionLink turn;  // Who asks for yet another turn gets it in the next round.
  while (again_.is_linked()) {
    SessionLink& link = *again_.next;
    link.unlink();
    turn.append(link);
  }
  while (turn.is_linked()) {
    SessionLink& link = *turn.next;
    link.unlink();
    session_of(link).advance();
  }
}

void Worker::serve_queue() {
  while (queue_.is_linked() && pool.has_room()) {
    Session& session = session_of(*queue_.next);
    leave_queue(session);
    session.on_upstream_room();
  }
}

void Worker::tick() {
  last_tick_ = now_;
  timers.advance(now_,
                 [](TimerEntry& due) { static_cast<Session::Timer&>(due).session.on_deadline(); });
  pool.tend(now_);
  counters.buffer_bytes.set(bytes_held);
  if (!accepting_ && listening_.is_open() && now_ >= accept_again_) resume_accepting();
  follow_drain();
}

// ---- Clients ----

void Worker::on_events(std::uint32_t) {
  accept_some();
}

bool Worker::accept_some() {
  for (int i = 0; i < accepts_per_batch; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    Descriptor socket(::accept4(listening_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        pause_accepting();
      else if (errno == EINTR || errno == ECONNABORTED)
        continue;
      return false;
    }
    counters.connections_accepted.add();
    if (!make_room_for_one()) {
      counters.rejected[static_cast<std::size_t>(tap::Rejection::too_many_connections)].add();
      models.count(tap::ModelTable::unknown, tap::Outcome::rejected, 503);
      const std::string answer =
          render_error({503, "too_many_connections",
                        "proxy.connections-max connections are open; raise it or add replicas", 1},
                       {.now = wall_now_});
      (void)!::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::shutdown(socket.get(), SHUT_WR);
      continue;
    }
    auto session = std::make_unique<Session>(*this, std::move(socket), peer);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = static_cast<EventTarget*>(session.get());
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, session->descriptor(), &event) != 0) continue;
    all_.append(session->all_link);
    counters.connections_open.set(++sessions_open_);
    session.release()->start();
  }
  return true;
}

bool Worker::make_room_for_one() {
  if (sessions_open_ < connections_max_) return true;
  if (!idle_.is_linked()) return false;
  counters.idle_connections_evicted.add();
  session_of(*idle_.next).close();
  return true;
}

// No file descriptor is left. A connection that waits in the backlog keeps a level-triggered
// listening socket ready for ever, so the spare descriptor takes and closes it, the longest idle
// connection goes, and accepting rests for a moment.
void Worker::pause_accepting() {
  counters.accept_paused.add();
  spare_.reset();
  Descriptor refused(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  refused.reset();
  if (idle_.is_linked()) {
    counters.idle_connections_evicted.add();
    session_of(*idle_.next).close();
  }
  spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::epoll_ctl(epoll.get(), EPOLL_CTL_DEL, listening_.get(), nullptr);
  accepting_ = false;
  accept_again_ = now_ + accept_pause;
}

void Worker::resume_accepting() {
  if (!spare_.is_open()) spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = static_cast<EventTarget*>(this);
  accepting_ = ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listening_.get(), &event) == 0;
  accept_again_ = now_ + accept_pause;
}

void Worker::close(Session& session) {
  session.all_link.unlink();
  session.order_link.unlink();
  session.again_link.unlink();
  counters.connections_open.set(--sessions_open_);
  deferred_delete_.emplace_back(&session);
}

void Worker::run_again(Session& session) {
  if (!session.again_link.is_linked()) again_.append(session.again_link);
}

void Worker::enqueue(Session& session) {
  session.order_link.unlink();
  queue_.append(session.order_link);
  counters.queue_depth.set(++queue_length_);
}

void Worker::leave_queue(Session& session) {
  if (!session.order_link.is_linked()) return;
  session.order_link.unlink();
  counters.queue_depth.set(--queue_length_);
}

// Appended when it becomes idle, so the first one has been idle for longest.
void Worker::note_idle(Session& session, bool idle) {
  if (idle == session.order_link.is_linked()) return;
  session.order_link.unlink();
  if (idle) idle_.append(session.order_link);
  idle ? counters.connections_idle.add() : counters.connections_idle.subtract();
}

std::span<char> Worker::read_buffer() {
  const auto soft_max =
      static_cast<std::size_t>(settings.buffer_bytes) / static_cast<std::size_t>(settings.threads);
  const std::size_t size = bytes_held < soft_max / 4 ? read_bytes_large
                           : bytes_held < soft_max   ? read_bytes_small
                                                     : read_bytes_min;
  return {buffer_.data(), size};
}

// ---- Draining ----

void Worker::begin_drain() {
  drain_asked_.fetch_add(1, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Worker::follow_drain() {
  for (; drain_heard_ != drain_asked_.load(std::memory_order_acquire); ++drain_heard_)
    drain_.ask(now_);
  stage_ = drain_.stage(now_);
  if (stage_ < Drain::Stage::draining) return;
  if (listening_.is_open()) stop_accepting();
  if (drain_.closes_idle(now_))
    while (idle_.is_linked()) session_of(*idle_.next).close();
  if (stage_ == Drain::Stage::cut_off)
    while (all_.is_linked()) session_of(*all_.next).cut_off();
}

// Who is in the backlog has connected: they are served before the socket goes.
void Worker::stop_accepting() {
  for (int batches = 0; batches < backlog_batches_max && accept_some();) ++batches;
  forget(epoll.get(), listening_);
  accepting_ = false;
}

bool Worker::is_over() const {
  return stage_ >= Drain::Stage::draining && !all_.is_linked();
}

}  // namespace outrider::proxy
