// SPDX-License-Identifier: Apache-2.0
#pragma once

// Takes the new connections of one data thread from its listening socket. Where the process has no
// file descriptor left it rests for a moment instead of spinning. SHELL.
//
//   Acceptor acceptor(context, std::move(listening));      // on the context's epoll from now on
//   acceptor.tend(now);                                    // each tick: rest is over
//   acceptor.stop();                                       // the backlog is served, the socket goes
//
// Thread-safety: one thread.

#include "sidecar/proxy/thread_context.h"

namespace outrider::proxy {

class Acceptor final : public EventTarget {
 public:
  Acceptor(ThreadContext& context, Descriptor listening);

  bool is_accepting() const { return is_accepting_; }
  void tend(Monotonic now);
  void stop();

 private:
  void on_events(std::uint32_t events) override;
  bool accept_some();  // False: none is left.
  void turn_away(const Descriptor& socket);
  void pause();
  void resume();

  ThreadContext& context_;
  Descriptor listening_, spare_;
  Monotonic accept_again_{};
  bool is_accepting_ = true;
};

}  // namespace outrider::proxy
