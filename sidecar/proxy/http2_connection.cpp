// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/http2_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace outrider::proxy {
namespace {

constexpr int steps_per_turn = 16;

}  // namespace

Http2Connection::Http2Connection(ThreadContext& context, Channel& from,
                                 std::unique_ptr<TlsTransport> tls, const PeerAddress& peer)
    : context_(context),
      channel_(context.bytes_held),
      tls_(std::move(tls)),
      peer_(peer),
      timer_(*this),
      queue_entry_(*this),
      waiting_(context.bytes_held),
      relay_(context.exchanges, context.http2, context.bytes_held, *this),
      idle_since_(context.exchanges.now.monotonic) {
  channel_.socket = std::move(from.socket);
  if (tls_ != nullptr) channel_.transport = tls_.get();
  channel_.in.swap(from.in);
  channel_.out.swap(from.out);
  channel_.transport_unsent = from.transport_unsent;
  channel_.readable = from.readable;
  channel_.writable = from.writable;
  channel_.hung_up = from.hung_up;
  channel_.ended = from.ended;
  channel_.unseen = true;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = static_cast<EventTarget*>(this);
  ::epoll_ctl(context_.epoll.get(), EPOLL_CTL_MOD, descriptor(), &event);
}

Http2Connection::~Http2Connection() = default;

void Http2Connection::start() {
  relay_.start();
  advance();
}

// ---- Turns ----

void Http2Connection::on_events(std::uint32_t events) {
  if (phase_ == Phase::closed) return;  // Closed earlier in this batch.
  channel_.note(events);
  advance();
}

void Http2Connection::advance() {
  if (phase_ == Phase::closed) return;
  relay_.begin_turn();
  bool moved = true;
  for (int steps = 0; steps < steps_per_turn && moved && phase_ == Phase::open; ++steps) {
    moved = read_client();
    moved = read_upstream() || moved;
    flush();
    if (relay_.is_over() || channel_.ended || channel_.write_failed) begin_close();
    moved = moved || (channel_.unseen && relay_.takes(To::client));
  }
  while (phase_ == Phase::closing && discard_input()) {
  }
  finish_turn();
  if (moved && phase_ == Phase::open) context_.connections.run_again(*this);
}

// What was kept is moved before what is read, so that both lie in one piece.
Input Http2Connection::take(Channel& channel) {
  const std::size_t held = channel.in.size();
  const std::span<char> room = context_.read_buffer.room();
  if (channel.unseen || !channel.readable || held == 0 || held > room.size() / 2)
    return channel.take(context_.read_buffer);
  const std::string_view more = channel.read(room.subspan(held));
  if (more.empty()) return {};
  std::memcpy(room.data(), channel.in.view().data(), held);
  channel.in.clear();
  return {{room.data(), held + more.size()}, false};
}

bool Http2Connection::read_client() {
  if (!relay_.takes(To::client)) return false;
  const Input input = take(channel_);
  if (input.bytes.empty()) return false;
  const std::size_t used = relay_.receive_client(input.bytes);
  channel_.keep(input, used);
  // Whole frames are left only where the relay has no room for them.
  channel_.unseen = channel_.unseen && !relay_.takes(To::client);
  return used != 0 || channel_.readable;
}

bool Http2Connection::read_upstream() {
  if (upstream_ == nullptr) return false;
  if (!upstream_->connected) return finish_connecting();
  if (!relay_.takes(To::upstream)) return false;
  Channel& channel = upstream_->channel;
  if (channel.write_failed) channel.readable = true;
  const Input input = take(channel);
  if (!input.bytes.empty()) {
    const std::size_t used = relay_.receive_upstream(input.bytes);
    if (upstream_ == nullptr) return true;
    channel.keep(input, used);
    channel.unseen = channel.unseen && !relay_.takes(To::upstream);
    return used != 0 || channel.readable;
  }
  if (!channel.ended) return false;
  relay_.on_upstream_lost(channel.broken || channel.write_failed ? tap::UpstreamFailure::reset
                                                                 : tap::UpstreamFailure::closed);
  return true;
}

// Both directions, until nothing is left to be said: what was written may allow the other side
// more. It ends, since a side that takes no more is given no more, and what is held only shrinks.
// The outputs are the thread's: nothing may be left in them for another connection.
void Http2Connection::flush() {
  do {
    write_upstream();
    write_client();
  } while (!context_.http2.client_out.empty() || !context_.http2.upstream_out.empty());
}

void Http2Connection::advance_soon() {
  flush();
  if (phase_ != Phase::closed) context_.connections.run_again(*this);
}

void Http2Connection::write_client() {
  std::string& out = context_.http2.client_out;
  const std::size_t before = channel_.unsent() + out.size();
  if (before == 0) return;
  if (!channel_.write(out)) relay_.cancel_all();
  out.clear();
  const std::size_t after = channel_.unsent();
  if (after == 0)
    stalled_since_ = {};
  else if (after < before || stalled_since_ == Monotonic{})
    stalled_since_ = context_.exchanges.now.monotonic;
  relay_.on_written(To::client);
}

void Http2Connection::write_upstream() {
  std::string& out = context_.http2.upstream_out;
  if (upstream_ == nullptr || !upstream_->connected) {
    if (relay_.has_upstream()) waiting_.append(out);
    return out.clear();
  }
  if (out.empty() && !upstream_->channel.has_unsent()) return;
  upstream_->channel.write(out);
  out.clear();
  relay_.on_written(To::upstream);
}

std::size_t Http2Connection::unsent(To to) const {
  if (to == To::client) return channel_.unsent();
  return upstream_ != nullptr && upstream_->connected ? upstream_->channel.unsent()
                                                      : waiting_.size();
}

std::string_view Http2Connection::forwarded() {
  return forwarded_element(peer_, tls_ != nullptr, context_.http2.forwarded);
}

void Http2Connection::finish_turn() {
  relay_.reap();
  if (phase_ != Phase::open) return;
  const bool is_idle = relay_.is_idle();
  if (is_idle && !entries.idle.is_linked()) idle_since_ = context_.exchanges.now.monotonic;
  context_.connections.note_idle(*this, is_idle);
  if (!relay_.awaits_head_end())
    head_since_ = {};
  else if (head_since_ == Monotonic{})
    head_since_ = context_.exchanges.now.monotonic;
  keep_deadlines();
}

// ---- The upstream's connection ----

Attempt Http2Connection::connect_upstream() {
  UpstreamPool::Refusal refusal = UpstreamPool::Refusal::wait;
  if (context_.queue.empty())
    upstream_ = context_.pool.acquire(*this, context_.exchanges.now.monotonic,
                                      UpstreamPool::Wanted::http2, refusal);
  const int error = errno;
  if (upstream_ != nullptr) {
    upstream_->connected = false;  // A socket file may be: finish_connecting() is to see it too.
    return {.state = Attempt::State::connecting};
  }
  if (refusal == UpstreamPool::Refusal::failed)
    return {.state = Attempt::State::failed, .error = error};
  if (context_.queue.is_full()) return {.state = Attempt::State::queue_full};
  context_.queue.append(queue_entry_);
  return {.state = Attempt::State::queued};
}

void Http2Connection::on_upstream_room() {
  UpstreamPool::Refusal refusal;
  upstream_ = context_.pool.acquire(*this, context_.exchanges.now.monotonic,
                                    UpstreamPool::Wanted::http2, refusal);
  const int error = errno;
  if (upstream_ == nullptr && refusal == UpstreamPool::Refusal::wait)
    return context_.queue.append(queue_entry_);
  if (upstream_ != nullptr) upstream_->connected = false;
  relay_.on_attempt(upstream_ != nullptr
                        ? Attempt{.state = Attempt::State::connecting}
                        : Attempt{.state = Attempt::State::failed, .error = error});
  advance();
}

bool Http2Connection::finish_connecting() {
  std::string why;
  switch (upstream_->finish_connecting(why)) {
    case UpstreamConnection::Connecting::pending:
      return false;
    case UpstreamConnection::Connecting::failed:
      return fail_connecting(why);
    case UpstreamConnection::Connecting::done:
      break;
  }
  if (const TlsTransport* tls = upstream_->tls.get();
      tls != nullptr && !tls->has_agreed_on_http2()) {
    upstream_->connected = false;  // Nothing of HTTP/2 is said to it.
    relay_.on_upstream_speaks_http1();
    return true;
  }
  Channel& channel = upstream_->channel;
  channel.out.swap(waiting_);
  channel.flush();
  relay_.on_connected();
  relay_.on_written(To::upstream);
  return true;
}

bool Http2Connection::fail_connecting(std::string_view why) {
  const TlsTransport* tls = upstream_->tls.get();
  const bool speaks_http1 =
      tls != nullptr && tls->result() == tls::HandshakeResult::no_application_protocol;
  if (speaks_http1) {
    relay_.on_upstream_speaks_http1();
    return true;
  }
  context_.pool.give_up(*std::exchange(upstream_, nullptr));
  relay_.on_connect_failed(why);
  return true;
}

void Http2Connection::give_up_connecting() {
  if (upstream_ != nullptr) context_.pool.give_up(*std::exchange(upstream_, nullptr));
}

// What it was to be told at last (GOAWAY) is tried once.
void Http2Connection::close_upstream() {
  context_.queue.remove(queue_entry_);
  waiting_.clear();
  if (upstream_ == nullptr) return;
  if (upstream_->connected) upstream_->channel.write(context_.http2.upstream_out);
  context_.pool.close(*std::exchange(upstream_, nullptr));
}

// ---- Deadlines ----

void Http2Connection::keep_deadlines() {
  const Settings& settings = context_.settings;
  Monotonic next = Monotonic::max();
  if (entries.idle.is_linked()) next = idle_since_ + settings.idle_timeout;
  if (head_since_ != Monotonic{}) next = std::min(next, head_since_ + settings.head_timeout);
  if (stalled_since_ != Monotonic{}) next = std::min(next, stalled_since_ + settings.write_timeout);
  if (next != Monotonic::max()) context_.exchanges.timers.schedule(timer_, next);
}

void Http2Connection::on_deadline() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::closing) return close();
  const Settings& settings = context_.settings;
  const Monotonic now = context_.exchanges.now.monotonic;
  if (stalled_since_ != Monotonic{} && now >= stalled_since_ + settings.write_timeout)
    return cut_off();
  if (head_since_ != Monotonic{} && now >= head_since_ + settings.head_timeout)
    relay_.fail_client(http2::Violation::head_too_slow);
  if (entries.idle.is_linked() && now >= idle_since_ + settings.idle_timeout) return end_idle();
  advance();
}

// ---- Ends ----

void Http2Connection::leave() {
  if (phase_ != Phase::open) return;
  relay_.leave();
  flush();
}

void Http2Connection::end_idle() {
  if (phase_ != Phase::open) return;
  relay_.refuse_new();
  relay_.cancel_all();
  flush();
  begin_close();
  finish_turn();
}

// Answers that were not taken are lost, what was cut off is told where the socket takes it.
void Http2Connection::cut_off() {
  if (phase_ == Phase::open) {
    relay_.refuse_new();
    relay_.cancel_all();
    flush();
  }
  close();
}

void Http2Connection::begin_close() {
  if (phase_ != Phase::open) return;
  relay_.cancel_all();
  flush();
  relay_.on_upstream_lost(tap::UpstreamFailure::closed);
  context_.http2.client_out.clear();
  if (channel_.ended || channel_.write_failed) return close();
  phase_ = Phase::closing;
  context_.connections.note_idle(*this, false);
  closing_.begin(channel_);
  if (!channel_.has_unsent()) (void)closing_.advance(channel_, context_.read_buffer);
  context_.exchanges.arm(timer_, LingeringClose::timeout);
}

bool Http2Connection::discard_input() {
  const LingeringClose::Step step = closing_.advance(channel_, context_.read_buffer);
  if (step == LingeringClose::Step::over) close();
  return step == LingeringClose::Step::sent_end || step == LingeringClose::Step::moved;
}

void Http2Connection::close() {
  if (phase_ == Phase::closed) return;
  relay_.cancel_all();
  relay_.on_upstream_lost(tap::UpstreamFailure::closed);
  close_upstream();
  context_.http2.client_out.clear();
  context_.http2.upstream_out.clear();
  phase_ = Phase::closed;
  if (tls_ != nullptr) tls_->end(descriptor());
  context_.connections.note_idle(*this, false);
  forget(context_.epoll.get(), channel_.socket);
  channel_.in.clear();
  channel_.out.clear();
  context_.exchanges.timers.cancel(timer_);
  context_.connections.remove(*this);
}

}  // namespace outrider::proxy
