// SPDX-License-Identifier: Apache-2.0
#pragma once

// How requests wait for their turn where a server works on a few at once, each for a set time. It
// plays a heavier model, so that saturation and scaling can be tried out on a machine of few cores:
// the time is waited, not computed. PURE but for a mutex; thread-safe.
//
//   ServiceLine line(1, 40ms);          // One at a time: 25 a second.
//   sleep_until(line.join(now));        // 40 ms if nobody waits, 80 ms behind one that just came.
//
// First come, first served. Each request takes the place that is free first; join() is
// O(log places). Who joins cannot leave: the caller bounds how many wait (a server's connections).

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <queue>
#include <vector>

#include "base/core/clock.h"

namespace outrider::serve {

class ServiceLine {
 public:
  using Steady = std::chrono::steady_clock::time_point;

  // `places` (at least 1) requests are worked on at once, each for `service_time`.
  ServiceLine(std::size_t places, Duration service_time);

  // When the request that comes `now` has been worked on.
  Steady join(Steady now);

 private:
  const Duration service_time_;
  std::mutex mutex_;
  std::priority_queue<Steady, std::vector<Steady>, std::greater<>> free_at_;  // One a place.
};

}  // namespace outrider::serve
