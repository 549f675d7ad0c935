// SPDX-License-Identifier: Apache-2.0
#pragma once

// One data thread: an epoll loop with its own listening socket, client sessions, upstream pool,
// timers and lane of the memory file. Threads share nothing but the settings, so N threads are N
// such loops and the kernel spreads connections over their sockets (SO_REUSEPORT). SHELL.
//
// Everything is edge-triggered and registered once a connection: a request on warm connections
// costs two reads, two writes and its share of epoll_wait, and allocates nothing.

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "sidecar/http1/head.h"
#include "sidecar/http1/rewrite.h"
#include "sidecar/proxy/drain.h"
#include "sidecar/proxy/settings.h"
#include "sidecar/proxy/timers.h"
#include "sidecar/proxy/upstream_pool.h"
#include "sidecar/tap/capture.h"
#include "sidecar/tap/model_counters.h"
#include "sidecar/tap/prediction_id.h"

namespace outrider::proxy {

class Session;

// Sessions in some order; each is in at most one such list. Intrusive: no allocation.
struct SessionLink {
  SessionLink* next = this;
  SessionLink* previous = this;
  bool is_linked() const { return next != this; }
  void unlink();
  void append(SessionLink& link);  // To the list whose head this is.
};

class Worker final : public EventTarget {
 public:
  // The listening socket is made by the caller, so that a bad address is an error at the start.
  Worker(const Settings& settings, const Upstream& upstream, Descriptor listening,
         tap::MemoryFile& file, std::size_t lane);
  ~Worker();

  void run();  // Until the drain that begin_drain() started has ended.

  // From any thread. The first time the service begins to end, the second time its delay does: drain.h.
  void begin_drain();

  // -- What sessions use; this thread only.
  // -------------------------------------------------------------
  Monotonic now() const { return now_; }  // When this batch of events began.
  Time wall_now() const { return wall_now_; }
  bool is_leaving() const { return stage_ != Drain::Stage::serving; }  // Responses say close.
  std::span<char> read_buffer();  // For one read; smaller when memory is short.
  void close(Session& session);
  void run_again(Session& session);  // It has more to do than one turn allows.
  void enqueue(Session& session);    // Waits for an upstream connection; see queue_max.
  void leave_queue(Session& session);
  bool has_queue() const { return queue_length_ != 0; }
  bool is_queue_full() const { return queue_length_ >= queue_max_; }
  void note_idle(Session& session, bool idle);

  const Settings& settings;
  const http1::HeadLimits head_limits;
  tap::ProxyCounters& counters;
  tap::ModelTable models;
  tap::Tap tap;
  tap::PredictionIdMinter mint;
  TimerWheel timers;
  std::size_t bytes_held = 0;
  Descriptor epoll;
  UpstreamPool pool;
  // Scratch of the step at hand.
  http1::RequestHead request_head;
  http1::ResponseHead response_head;
  http1::Pieces pieces;
  std::vector<std::string_view> content;
  std::array<char, 96> forwarded_text{};
  std::array<char, 55> traceparent_text{};

 private:
  void on_events(std::uint32_t events) override;  // Of the listening socket.
  bool accept_some();                             // False: none is left.
  bool make_room_for_one();
  void pause_accepting();
  void resume_accepting();
  void take_turns();
  void serve_queue();
  int wait_limit_ms() const;
  void tick();
  void follow_drain();
  void stop_accepting();
  void read_clocks();
  bool is_over() const;

  struct WakeTarget final : EventTarget {
    void on_events(std::uint32_t) override {}
  };

  Monotonic now_;
  Time wall_now_;
  Monotonic last_tick_;
  std::vector<char> buffer_;
  std::size_t connections_max_;
  Descriptor listening_, spare_, wake_;
  WakeTarget wake_target_;
  Monotonic accept_again_{};
  bool accepting_ = true;
  std::atomic<unsigned> drain_asked_{0};  // How often.
  unsigned drain_heard_ = 0;
  Drain drain_;
  Drain::Stage stage_ = Drain::Stage::serving;
  std::size_t sessions_open_ = 0, queue_length_ = 0, queue_max_;
  SessionLink all_, idle_, queue_, again_;
  std::vector<std::unique_ptr<Session>> deferred_delete_;
};

}  // namespace outrider::proxy
