// SPDX-License-Identifier: Apache-2.0
#pragma once

// Time as a value. PURE code takes the time as an argument; SHELL code holds a Clock and passes the
// time down, so that tests use a FakeClock (test/support/fake_clock.h) and never sleep.

#include <chrono>
#include <cstdint>

namespace outrider {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::sys_time<Duration>;  // Wall-clock time, UTC.

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override { return std::chrono::system_clock::now(); }
};

// Milliseconds since the epoch: Prometheus's unit of time.
inline std::int64_t to_unix_ms(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}
inline Time from_unix_ms(std::int64_t ms) {
  return Time{std::chrono::milliseconds{ms}};
}

inline double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
inline Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace outrider
