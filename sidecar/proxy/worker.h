// SPDX-License-Identifier: Apache-2.0
#pragma once

// One data thread: an epoll loop with its own listening socket, client connections, upstream pool,
// timers and lane of the memory file. Threads share nothing but the settings, so N threads are N
// such loops and the kernel spreads connections over their sockets (SO_REUSEPORT). SHELL.
//
// Everything is edge-triggered and registered once a connection: a request on warm connections
// costs two reads, two writes and its share of epoll_wait, and allocates nothing.

#include <atomic>

#include "sidecar/proxy/acceptor.h"
#include "sidecar/proxy/drain.h"
#include "sidecar/proxy/thread_context.h"

namespace outrider::proxy {

class Worker final {
 public:
  // The listening socket is made by the caller, so that a bad address is an error at the start.
  Worker(const Settings& settings, const Upstream& upstream, const TlsCredentials& tls,
         Descriptor listening, tap::MemoryFile& file, std::size_t lane);
  ~Worker();

  void run();  // Until the drain that begin_drain() started has ended.

  // From any thread. The first time the service begins to end, the second time its delay does:
  // drain.h.
  void begin_drain();

 private:
  Monotonic now() const { return context_.exchanges.now.monotonic; }
  void read_clocks();
  int wait_limit_ms() const;
  void tick();
  void follow_drain();
  bool is_over() const;

  struct WakeTarget final : EventTarget {
    void on_events(std::uint32_t) override {}
  };

  const SteadyClock clock_;
  ThreadContext context_;
  Descriptor wake_;
  WakeTarget wake_target_;
  Acceptor acceptor_;
  Monotonic last_tick_;
  std::atomic<unsigned> drain_asked_{0};  // How often.
  unsigned drain_heard_ = 0;
  Drain drain_;
  Drain::Stage stage_ = Drain::Stage::serving;
};

}  // namespace outrider::proxy
