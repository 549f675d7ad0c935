// SPDX-License-Identifier: Apache-2.0
#pragma once

// A service whose capacity is forecast in tests.

#include <chrono>
#include <cmath>
#include <numbers>

#include "agent/forecast/rules.h"
#include "base/core/series.h"

namespace outrider::forecast {

inline const Labels shop{{"service", "shop"}};
inline const Time monday{std::chrono::sys_days{std::chrono::year{2026} / 3 / 2}};

inline CapacityRule capacity_of_shop() {
  return {.name = "shop",
          .load = "a",
          .replicas = "b",
          .latency = "c",
          .mean_latency = "d",
          .objective = std::chrono::milliseconds(500),
          .cold_start = std::chrono::minutes(2)};
}

// 25 requests a second, 15 less at midnight and 15 more at noon.
inline double by_day(Time at) {
  const double hours = to_seconds(at.time_since_epoch()) / 3600;
  return 25 - 15 * std::cos(2 * std::numbers::pi * hours / 24);
}

}  // namespace outrider::forecast
