// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr int events_per_batch = 256;

std::uint64_t system_random() {
  std::uint64_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != sizeof value)
    throw std::runtime_error("getrandom: no random numbers");
  return value;
}

}  // namespace

Worker::Worker(const Settings& settings, const Upstream& upstream, const TlsCredentials& tls,
               Descriptor listening, tap::MemoryFile& file, std::size_t lane)
    : context_(settings, upstream, tls, file, lane,
               tap::PredictionIdMinter(system_random(), system_random()), clock_),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      acceptor_(context_, std::move(listening)),
      drain_(settings.drain_delay, settings.drain_timeout) {
  if (!context_.epoll.is_open() || !wake_.is_open())
    throw std::runtime_error("epoll: no file descriptor is left");
  read_clocks();
  last_tick_ = now();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // Nobody reads it: told once a write.
  event.data.ptr = static_cast<EventTarget*>(&wake_target_);
  ::epoll_ctl(context_.epoll.get(), EPOLL_CTL_ADD, wake_.get(), &event);
}

Worker::~Worker() {
  context_.connections.cut_off();
  context_.connections.delete_closed();
}

void Worker::read_clocks() {
  context_.exchanges.begin_turn(std::chrono::system_clock::now());
}

void Worker::run() {
  epoll_event events[events_per_batch];
  while (!is_over()) {
    const int count = ::epoll_wait(context_.epoll.get(), events, events_per_batch, wait_limit_ms());
    read_clocks();
    for (int i = 0; i < count; ++i)
      static_cast<EventTarget*>(events[i].data.ptr)->on_events(events[i].events);
    context_.connections.take_turns();
    context_.queue.serve([this] { return context_.pool.has_room(); });
    const bool is_asked = drain_asked_.load(std::memory_order_acquire) != drain_heard_;
    if (is_asked || now() - last_tick_ >= TimerWheel::tick) tick();
    context_.connections.delete_closed();
    context_.pool.reap();
  }
}

// Only ticks with something to do must wake us; a second is soon enough for idle upstream
// connections.
int Worker::wait_limit_ms() const {
  const bool serves_queue = !context_.queue.empty() && context_.pool.has_room();
  if (context_.connections.has_turns() || serves_queue) return 0;
  const bool ticks = !context_.connections.empty() || stage_ != Drain::Stage::serving;
  return ticks || !acceptor_.is_accepting() ? 50 : 1000;
}

void Worker::tick() {
  last_tick_ = now();
  context_.exchanges.timers.advance(
      now(), [](TimerEntry& due) { static_cast<Timer&>(due).target.on_deadline(); });
  context_.pool.tend(now());
  context_.exchanges.counters.buffer_bytes.set(context_.bytes_held);
  acceptor_.tend(now());
  follow_drain();
}

// ---- Draining ----

void Worker::begin_drain() {
  drain_asked_.fetch_add(1, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Worker::follow_drain() {
  for (; drain_heard_ != drain_asked_.load(std::memory_order_acquire); ++drain_heard_)
    drain_.ask(now());
  const Drain::Stage before = std::exchange(stage_, drain_.stage(now()));
  context_.is_leaving = stage_ != Drain::Stage::serving;
  // Those that come while it leaves are told when it drains.
  if (stage_ != before && stage_ < Drain::Stage::draining) context_.connections.leave();
  if (stage_ < Drain::Stage::draining) return;
  acceptor_.stop();
  if (stage_ != before) context_.connections.leave();
  if (drain_.closes_idle(now())) context_.connections.close_idle();
  if (stage_ == Drain::Stage::cut_off) context_.connections.cut_off();
}

bool Worker::is_over() const {
  return stage_ >= Drain::Stage::draining && context_.connections.empty();
}

}  // namespace outrider::proxy
