// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/season.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace outrider::detectors::forecast {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::size_t recent_max = 4000;
constexpr std::size_t pairs_min = 8;
constexpr double prominence_min = 0.3;
constexpr double margin = 0.1;
constexpr double nearly = 0.9;

// A trend makes all lags correlate; its line is taken out.
std::vector<double> without_trend(std::span<const double> values) {
  double n = 0, st = 0, sv = 0, stt = 0, stv = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    const auto t = static_cast<double>(i);
    n += 1, st += t, sv += values[i], stt += t * t, stv += t * values[i];
  }
  const double spread = n * stt - st * st;
  const double slope = spread > 0 ? (n * stv - st * sv) / spread : 0;
  const double start = n > 0 ? (sv - slope * st) / n : 0;
  std::vector<double> rest(values.begin(), values.end());
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= start + slope * static_cast<double>(i);
  return rest;
}

struct Peak {
  std::size_t lag = 0;  // 0: none.
  double height = 0;
};

Peak strongest_peak(std::span<const double> values) {
  const std::size_t lags = values.size() / 3;
  std::vector<double> heights(lags + 2, 0);
  for (std::size_t lag = 1; lag < heights.size(); ++lag)
    heights[lag] = autocorrelation(values, lag);
  std::vector<Peak> peaks;
  double valley = 1;
  double highest = 0;
  for (std::size_t lag = 2; lag <= lags; ++lag) {
    valley = std::min(valley, heights[lag - 1]);
    const bool top = heights[lag] >= heights[lag - 1] && heights[lag] > heights[lag + 1];
    if (!top || heights[lag] - valley < prominence_min || heights[lag] < prominence_min) continue;
    peaks.push_back({lag, heights[lag]});
    highest = std::max(highest, heights[lag]);
  }
  for (const Peak& peak : peaks) {
    if (peak.height >= nearly * highest) return peak;
  }
  return {};
}

}  // namespace

double autocorrelation(std::span<const double> values, std::size_t lag) {
  if (lag >= values.size()) return 0;
  double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  // From the first value, so that squares of a high level cancel nothing.
  double anchor = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      anchor = value;
      break;
    }
  }
  for (std::size_t i = lag; i < values.size(); ++i) {
    const double a = values[i] - anchor;
    const double b = values[i - lag] - anchor;
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    n += 1, sa += a, sb += b, saa += a * a, sbb += b * b, sab += a * b;
  }
  if (n < pairs_min) return 0;
  const double variances = (saa - sa * sa / n) * (sbb - sb * sb / n);
  return variances > 0 ? (sab - sa * sb / n) / std::sqrt(variances) : 0;
}

Seasons find_seasons(std::span<const double> values, std::int64_t step_ms) {
  const std::size_t n = values.size();
  Seasons seasons;
  if (day_ms % step_ms == 0 && day_ms / step_ms > 1) {
    const auto day = static_cast<std::size_t>(day_ms / step_ms);
    if (n >= 2 * day) seasons.day = day;
    if (n >= 2 * 7 * day) seasons.week = 7 * day;
  } else if (step_ms == day_ms && n >= 2 * 7) {
    seasons.day = 7;
  }
  const std::size_t recent = std::min(n, recent_max);
  const std::vector<double> rest = without_trend(values.last(recent));
  const Peak peak = strongest_peak(rest);
  if (peak.lag == 0) return seasons;
  const double of_day =
      seasons.day > 0 && seasons.day < n ? autocorrelation(without_trend(values), seasons.day) : 0;
  const bool of_calendar = seasons.day > 0 && (peak.lag == seasons.day || peak.lag == seasons.week);
  if (of_calendar || peak.height <= of_day + margin) return seasons;
  // A week is a stronger rhythm than its day, and holds it.
  if (seasons.day > 0 && peak.lag % seasons.day == 0) return seasons;
  return {peak.lag, 0};
}

}  // namespace outrider::detectors::forecast
