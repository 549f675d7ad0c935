// SPDX-License-Identifier: Apache-2.0
#pragma once

// One client connection that speaks HTTP/2, with the upstream connection that belongs to it: reads
// both sockets, hands the bytes to the relay, writes all frames of a turn at once. SHELL: what is
// to be done is decided by the Http2Relay; here bytes are moved and deadlines kept.
//
//   open ──relay is over──▶ closing (our end is sent, input discarded for a moment) ──▶ closed
//
// Deadlines of the connection: proxy.idle-timeout without an exchange, proxy.head-timeout for a
// head of several frames, proxy.write-timeout for a client that takes nothing of what was written.
// Those of each exchange are the Exchange's.
//
// Memory: what a peer's socket does not take, and an incomplete frame. Thread-safety: one thread.

#include <memory>

#include "sidecar/proxy/http2_relay.h"
#include "sidecar/proxy/lingering_close.h"
#include "sidecar/proxy/thread_context.h"
#include "sidecar/proxy/upstream_pool.h"
#include "sidecar/proxy/upstream_queue.h"

namespace outrider::proxy {

class Http2Connection final : public ClientSession,
                              public EventTarget,
                              public TimerTarget,
                              Http2Relay::Link,
                              UpstreamUser,
                              UpstreamWaiter {
 public:
  // Takes over the socket and what was read of it, the preface first.
  Http2Connection(ThreadContext& context, Channel& from, std::unique_ptr<TlsTransport> tls,
                  const PeerAddress& peer);
  ~Http2Connection() override;

  void start() override;
  int descriptor() const override { return channel_.socket.get(); }
  void advance() override;
  void leave() override;
  void end_idle() override;
  void cut_off() override;
  void close() override;
  void on_events(std::uint32_t events) override;

 private:
  using To = Http2Relay::To;
  enum class Phase : std::uint8_t { open, closing, closed };

  // -- Http2Relay::Link
  Attempt connect_upstream() override;
  void give_up_connecting() override;
  void close_upstream() override;
  std::size_t address_count() const override { return context_.pool.address_count(); }
  std::size_t unsent(To to) const override;
  bool is_leaving() const override { return context_.is_leaving; }
  void advance_soon() override;
  std::string_view forwarded() override;

  void on_deadline() override;
  void on_upstream_events() override { advance(); }
  void on_upstream_room() override;

  void flush();
  bool read_client();
  bool read_upstream();
  bool finish_connecting();
  bool fail_connecting(std::string_view why);
  Input take(Channel& channel);
  void write_client();
  void write_upstream();
  void finish_turn();
  void keep_deadlines();
  void begin_close();
  bool discard_input();

  ThreadContext& context_;
  Channel channel_;
  std::unique_ptr<TlsTransport> tls_;  // nullptr: without.
  const PeerAddress peer_;
  Timer timer_;
  UpstreamConnection* upstream_ = nullptr;
  UpstreamQueue::Entry queue_entry_;
  ByteBuffer waiting_;  // What is to be sent to an upstream that is not connected yet.
  Http2Relay relay_;
  Monotonic idle_since_, head_since_{}, stalled_since_{};  // The last two: Monotonic{} is never.
  LingeringClose closing_;
  Phase phase_ = Phase::open;
};

}  // namespace outrider::proxy
