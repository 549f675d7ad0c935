// SPDX-License-Identifier: Apache-2.0
#pragma once

// Series that are made for the tests of forecasts: hourly unless said otherwise, with a seed.

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "detectors/forecast/forecaster.h"

namespace outrider::detectors::forecast::made {

inline constexpr std::int64_t hour_ms = 3'600'000;
inline constexpr std::int64_t monday_ms = 1'609'718'400'000;  // 2021-01-04 00:00 UTC.

inline double wave(double slot, double period) {
  return std::sin(2 * std::numbers::pi * slot / period);
}

// 100 +- 50 by day, with noise.
inline std::vector<double> days(std::size_t slots, double noise = 5, std::size_t a_day = 24,
                                unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> values(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    values[i] = 100 + 50 * wave(static_cast<double>(i), static_cast<double>(a_day)) +
                noise * normal(random);
  }
  return values;
}

inline History history(std::vector<double> values, std::int64_t step_ms = hour_ms) {
  return {monday_ms, step_ms, std::move(values), 0};
}

inline Forecast ahead(std::vector<double> values, std::size_t horizon,
                      std::int64_t step_ms = hour_ms) {
  Settings settings;
  settings.horizon = horizon;
  return forecast(history(std::move(values), step_ms), settings);
}

inline double mean_error(const std::vector<double>& said, const std::vector<double>& truth,
                         std::size_t from = 0) {
  double sum = 0;
  for (std::size_t h = 0; h < said.size(); ++h) sum += std::fabs(said[h] - truth[from + h]);
  return sum / static_cast<double>(said.size());
}

inline bool says(const Forecast& forecast, std::string_view words) {
  for (const std::string& note : forecast.notes) {
    if (note.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace outrider::detectors::forecast::made
