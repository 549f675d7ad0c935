// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "base/core/clock.h"

namespace outrider::test {

// A clock that moves only when told to. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Time start = Time{std::chrono::seconds(1'700'000'000)})
      : since_epoch_(start.time_since_epoch().count()) {}
  Time now() const override { return Time{Duration{since_epoch_.load()}}; }
  void advance(Duration by) { since_epoch_ += by.count(); }

 private:
  std::atomic<Duration::rep> since_epoch_;
};

}  // namespace outrider::test
