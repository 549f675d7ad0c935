// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "base/core/text.h"

namespace outrider::detectors::forecast {
namespace {

constexpr double off_grid_max = 0.1;  // Of a step: more is no jitter.

std::int64_t most_frequent_distance(std::span<const std::int64_t> times_ms) {
  std::map<std::int64_t, std::size_t> counts;
  for (std::size_t i = 1; i < times_ms.size(); ++i) ++counts[times_ms[i] - times_ms[i - 1]];
  const auto most = std::max_element(
      counts.begin(), counts.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  return most->first;
}

// Scrapes come some milliseconds early or late, so distances are compared with some tolerance.
double regular_share(std::span<const std::int64_t> times_ms, std::int64_t step_ms) {
  std::size_t regular = 0;
  for (std::size_t i = 1; i < times_ms.size(); ++i) {
    const double steps =
        static_cast<double>(times_ms[i] - times_ms[i - 1]) / static_cast<double>(step_ms);
    regular += steps > 0.5 && std::fabs(steps - std::round(steps)) <= off_grid_max ? 1 : 0;
  }
  return static_cast<double>(regular) / static_cast<double>(times_ms.size() - 1);
}

// The middle distance is the step where jitter makes no two distances equal.
std::int64_t step_of(std::span<const std::int64_t> times_ms) {
  const std::int64_t frequent = most_frequent_distance(times_ms);
  std::vector<std::int64_t> distances;
  for (std::size_t i = 1; i < times_ms.size(); ++i)
    distances.push_back(times_ms[i] - times_ms[i - 1]);
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  const bool jitter = std::fabs(static_cast<double>(*middle - frequent)) <=
                      off_grid_max * static_cast<double>(frequent);
  return jitter && *middle >= 1000 && frequent % 1000 != 0
             ? std::llround(static_cast<double>(*middle) / 1000) * 1000
             : frequent;
}

}  // namespace

Result<History> on_grid(std::span<const std::int64_t> times_ms, std::span<const double> values) {
  const auto known = static_cast<std::size_t>(
      std::count_if(values.begin(), values.end(), [](double x) { return std::isfinite(x); }));
  if (known < values_min) {
    return fail("too_short", "only " + std::to_string(known) +
                                 " values: a forecast needs at least " +
                                 std::to_string(values_min) + ", and two days to know a day");
  }
  History history;
  history.step_ms = step_of(times_ms);
  if (const double share = regular_share(times_ms, history.step_ms); share < 0.5) {
    return fail("irregular",
                "no regular step: the most frequent distance is " +
                    format_double(static_cast<double>(history.step_ms) / 1000) + " s, and only " +
                    std::to_string(std::lround(100 * share)) +
                    " % of the rows keep to it; write one row an interval, such as an hour's mean");
  }
  const std::int64_t last = times_ms.back();
  const auto slot_of = [&](std::int64_t time_ms, std::int64_t start_ms) {
    return std::llround(static_cast<double>(time_ms - start_ms) /
                        static_cast<double>(history.step_ms));
  };
  std::size_t first = 0;
  while (slot_of(last, times_ms[first]) >= static_cast<std::int64_t>(slots_max)) ++first;
  history.left_out = first;
  // Counted from the end: what is forecast goes on from the last row exactly.
  const std::int64_t before = slot_of(last, times_ms[first]);
  history.start_ms = last - before * history.step_ms;
  history.values.assign(static_cast<std::size_t>(before) + 1,
                        std::numeric_limits<double>::quiet_NaN());
  std::vector<std::uint32_t> counts(history.values.size());
  for (std::size_t i = first; i < times_ms.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    const auto slot =
        static_cast<std::size_t>(std::max<std::int64_t>(0, slot_of(times_ms[i], history.start_ms)));
    double& kept = history.values[slot];
    const std::uint32_t count = ++counts[slot];
    kept = count == 1 ? values[i] : kept + (values[i] - kept) / count;
  }
  return history;
}

}  // namespace outrider::detectors::forecast
