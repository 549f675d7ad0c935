// SPDX-License-Identifier: Apache-2.0
#pragma once

// Exponential back-off with full jitter. PURE: the caller supplies the random number and does the
// waiting. Source: "Exponential Backoff And Jitter", M. Brooker, AWS Architecture Blog, 2015.
//
//   Backoff backoff({.initial = 30ms, .max = 5s});
//   wait(backoff.next(uniform(random)));     // grows each time
//   backoff.reset();                         // after a success

#include <algorithm>

#include "base/core/clock.h"

namespace outrider {

class Backoff {
 public:
  struct Limits {
    Duration initial = std::chrono::milliseconds(30);
    Duration max = std::chrono::seconds(5);
    double jitter = 0.5;  // 0: exact doubling; 1: anywhere between 0 and the doubled delay.
  };

  explicit Backoff(Limits limits) : limits_(limits), ceiling_(limits.initial) {}

  // The next delay; `unit` is a uniform random number in [0, 1).
  Duration next(double unit) {
    const double scale = 1.0 - limits_.jitter * unit;
    const Duration delay = from_seconds(to_seconds(ceiling_) * scale);
    ceiling_ = std::min(limits_.max, ceiling_ * 2);
    return delay;
  }

  void reset() { ceiling_ = limits_.initial; }

 private:
  Limits limits_;
  Duration ceiling_;
};

}  // namespace outrider
