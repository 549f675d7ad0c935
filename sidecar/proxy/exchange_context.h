// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all exchanges of one data thread share: limits, counters, the tap, the deadlines and the
// time of the turn at hand, which is read once for a whole batch of events. PURE.
//
//   ExchangeContext context(settings, file, lane, minter, clock);
//   context.begin_turn(wall_now);
//   Exchange exchange(context, client, upstream);
//
// Thread-safety: one thread.

#include <cstddef>

#include "base/core/clock.h"
#include "sidecar/options/proxy_options.h"
#include "sidecar/proxy/timers.h"
#include "sidecar/tap/capture.h"
#include "sidecar/tap/model_counters.h"
#include "sidecar/tap/prediction_id.h"

namespace outrider::proxy {

class MonotonicClock {
 public:
  virtual Monotonic now() const = 0;

 protected:
  ~MonotonicClock() = default;
};

class SteadyClock final : public MonotonicClock {
 public:
  Monotonic now() const override { return std::chrono::steady_clock::now(); }
};

struct Moment {
  Monotonic monotonic{};
  Time wall{};
};

struct ExchangeContext {
  ExchangeContext(const Settings& s, tap::MemoryFile& file, std::size_t lane,
                  const tap::PredictionIdMinter& minter, const MonotonicClock& c)
      : settings(s),
        counters(file.lane(lane).counters),
        models(file.models(lane), file.latency_bounds(), counters),
        tap(file, lane, s.per_thread(s.tap_bytes_max / 4), s.tap_enabled),
        mint(minter),
        timers(c.now()),
        clock(c) {}

  void begin_turn(Time wall_now) { now = {clock.now(), wall_now}; }
  void arm(TimerEntry& timer, Duration timeout) { timers.schedule(timer, now.monotonic + timeout); }

  const Settings& settings;
  tap::ProxyCounters& counters;
  tap::ModelTable models;
  tap::Tap tap;
  tap::PredictionIdMinter mint;
  TimerWheel timers;
  const MonotonicClock& clock;
  Moment now;  // When this turn began.
};

}  // namespace outrider::proxy
