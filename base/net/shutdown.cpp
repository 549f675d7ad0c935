// SPDX-License-Identifier: Apache-2.0
#include "base/net/shutdown.h"

#include <csignal>
#include <ctime>

namespace outrider::net {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Signal Signals::wait() const {
  for (;;) {
    if (const auto signal = wait_for(std::chrono::hours(1))) return *signal;
  }
}

std::optional<Signal> Signals::wait_for(Duration limit) const {
  const sigset_t set = handled_signals();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  const timespec timeout{static_cast<time_t>(seconds.count()),
                         static_cast<long>((limit - seconds).count())};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  if (signal < 0) return std::nullopt;  // Timed out, or interrupted by a signal that is not ours.
  return signal == SIGHUP ? Signal::reload : Signal::terminate;
}

}  // namespace outrider::net
