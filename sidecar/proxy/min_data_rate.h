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
//   MinDataRate credit(30s, 100);
//   credit.note(waited, bytes);          // at each arrival
//   timer = now + credit.left();         // zero: it is over

#include <algorithm>
#include <cstdint>

#include "base/core/clock.h"

namespace outrider::proxy {

class MinDataRate {
 public:
  MinDataRate() = default;
  MinDataRate(Duration limit, std::int64_t bytes_per_second)
      : limit_(limit), left_(limit), rate_(bytes_per_second) {}

  void note(Duration waited, std::uint64_t bytes) {
    if (rate_ == 0) {
      left_ = bytes > 0 ? limit_ : left_ - waited;
      return;
    }
    const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
    const std::chrono::duration<double> earned(seconds), enough(limit_);
    left_ = std::min(
        limit_, left_ - waited + std::chrono::duration_cast<Duration>(std::min(earned, enough)));
  }

  Duration left() const { return std::max(left_, Duration::zero()); }

 private:
  Duration limit_{}, left_{};
  std::int64_t rate_ = 0;
};

}  // namespace outrider::proxy
