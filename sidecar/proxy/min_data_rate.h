// SPDX-License-Identifier: Apache-2.0
#pragma once

// How long a peer may keep us waiting within one body. PURE.
//
// A limit between two reads alone lets a peer that sends one byte just before each deadline hold a
// connection for ever (slowloris). So waiting is paid for out of a credit: it begins at `limit`,
// never exceeds it, shrinks by the time waited and grows by 1/rate for each byte that came. A peer
// that stalls loses after `limit`, as it would without a rate; one that drips slower than `rate`
// bytes a second on average loses when its credit is used up; a burst pays for a pause, up to
// `limit`. Rate 0: any byte restores the whole credit.
//
//   const MinDataRate rule{30s, 100};
//   Duration left = rule.limit;
//   left = rule.after(left, waited, bytes);   // at each arrival
//   timer = now + left;                       // zero: it is over

#include <algorithm>
#include <cstdint>

#include "base/core/clock.h"

namespace outrider::proxy {

struct MinDataRate {
  Duration limit{};
  std::int64_t bytes_per_second = 0;

  // What is left of a credit of `left`.
  Duration after(Duration left, Duration waited, std::uint64_t bytes) const {
    if (bytes_per_second == 0) return bytes > 0 ? limit : std::max(left - waited, Duration::zero());
    const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second);
    const std::chrono::duration<double> earned(seconds), enough(limit);
    return std::clamp(
        left - waited + std::chrono::duration_cast<Duration>(std::min(earned, enough)),
        Duration::zero(), limit);
  }
};

}  // namespace outrider::proxy
