// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a data thread ends its service, step by step. PURE: time is an argument.
//
//   serving ──asked──▶ leaving ──delay over, or asked again──▶ draining ──timeout──▶ cut_off
//
// Leaving: it serves as before, old connections and new ones, but readiness says no and each
// response asks its connection to close; so load balancers have time to learn of it. Draining: no
// new connection. A kept-alive one may still bring a request for `quiet`, since its client may not
// know yet; then idle ones are closed, and requests at hand may last until `timeout`.
//
//   Drain drain(5s, 20s);
//   drain.ask(now);                     // SIGTERM
//   drain.stage(now);                   // Stage::leaving

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/core/clock.h"

namespace outrider::proxy {

class Drain {
 public:
  enum class Stage { serving, leaving, draining, cut_off };
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds quiet{500};

  Drain(Duration delay, Duration timeout) : delay_(delay), timeout_(timeout) {}

  // The first time begins to leave, the second ends the delay, further ones change nothing.
  void ask(Instant now) {
    if (stage(now) > Stage::leaving) return;
    stops_accepting_ = stops_accepting_ ? now : now + delay_;
  }

  Stage stage(Instant now) const {
    if (!stops_accepting_) return Stage::serving;
    if (now < *stops_accepting_) return Stage::leaving;
    return now - *stops_accepting_ < timeout_ ? Stage::draining : Stage::cut_off;
  }

  bool closes_idle(Instant now) const {
    return stops_accepting_ && now >= *stops_accepting_ + std::min<Duration>(quiet, timeout_);
  }

 private:
  const Duration delay_, timeout_;
  std::optional<Instant> stops_accepting_;
};

}  // namespace outrider::proxy
