// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/clock_shift.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::detectors::forecast {
namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t hours_a_week = 168;
constexpr std::size_t hours_min = 24;
constexpr std::size_t weeks_max = 3;
constexpr double known_min = 0.9;  // Of the slots.
constexpr double error_share_max = 0.2;
constexpr double usual_max = 2;  // Once moved, the errors are those of any week.

// Squared errors about their mean.
struct Scatter {
  double count = 0, sum = 0, squares = 0;
  void add(double error) {
    if (!std::isfinite(error)) return;
    count += 1, sum += error, squares += error * error;
  }
  double about_mean() const { return count > 0 ? squares - sum * sum / count : 0; }
};

// The mean of the same times in the weeks before, of those there are.
double weeks_before(const std::vector<double>& values, std::size_t slot, std::size_t week,
                    std::ptrdiff_t moved) {
  double sum = 0, count = 0;
  for (std::size_t i = 1; i <= weeks_max; ++i) {
    const std::ptrdiff_t at =
        static_cast<std::ptrdiff_t>(slot) - static_cast<std::ptrdiff_t>(i * week) + moved;
    if (at < 0) break;
    const double value = values[static_cast<std::size_t>(at)];
    if (std::isfinite(value)) sum += value, count += 1;
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::optional<ClockShift> find_clock_shift(const std::vector<double>& values,
                                           const Seasons& seasons, std::int64_t step_ms) {
  if (hour_ms % step_ms != 0) return std::nullopt;
  const auto hour = static_cast<std::size_t>(hour_ms / step_ms);
  if (seasons.week != hour * static_cast<std::size_t>(hours_a_week)) return std::nullopt;
  const std::size_t size = values.size();
  if (size < 3 * seasons.week) return std::nullopt;
  Scatter as_it_was, last_week, later, earlier, usual;
  std::optional<ClockShift> best;
  double best_gain = 0;
  // From the end backwards, so that the sums of each hour hold those of the hours behind it.
  for (std::size_t hours = 1; hours < hours_a_week; ++hours) {
    const std::size_t begin = size - hours * hour;
    for (std::size_t slot = begin; slot < begin + hour; ++slot) {
      const auto move = static_cast<std::ptrdiff_t>(hour);
      last_week.add(values[slot] - values[slot - seasons.week]);
      as_it_was.add(values[slot] - weeks_before(values, slot, seasons.week, 0));
      earlier.add(values[slot] - weeks_before(values, slot, seasons.week, move));
      later.add(values[slot] - weeks_before(values, slot, seasons.week, -move));
      const std::size_t a_week_ago = slot - seasons.week;
      usual.add(values[a_week_ago] - weeks_before(values, a_week_ago, seasons.week, 0));
    }
    if (hours < hours_min) continue;
    const double error = std::min(as_it_was.about_mean(), last_week.about_mean());
    const double left = std::min(earlier.about_mean(), later.about_mean());
    if (as_it_was.count < known_min * static_cast<double>(hours * hour)) continue;
    if (!(left < error_share_max * error) || left > usual_max * usual.about_mean()) continue;
    if (error - left <= best_gain) continue;
    best_gain = error - left;
    best = ClockShift{begin, earlier.about_mean() < later.about_mean() ? -static_cast<int>(hour)
                                                                       : static_cast<int>(hour)};
  }
  return best;
}

void undo(const ClockShift& shift, std::vector<double>& values) {
  const std::vector<double> before(values.begin(),
                                   values.begin() + static_cast<std::ptrdiff_t>(shift.since));
  for (std::size_t i = 0; i < shift.since; ++i) {
    const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(i) - shift.steps;
    const bool there = from >= 0 && from < static_cast<std::ptrdiff_t>(shift.since);
    values[i] =
        there ? before[static_cast<std::size_t>(from)] : std::numeric_limits<double>::quiet_NaN();
  }
}

}  // namespace outrider::detectors::forecast
