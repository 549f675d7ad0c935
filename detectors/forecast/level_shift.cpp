// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/level_shift.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

namespace outrider::detectors::forecast {
namespace {

constexpr double step_min = 5;       // Usual deviations.
constexpr double together_max = 2;   // What is left behind the step, in usual deviations.
constexpr double known_min = 0.7;    // Of a span's slots.
constexpr std::size_t days_min = 2;  // A single odd day is a holiday.
constexpr double to_deviation = 1.4826;

// Sorts a copy of what is known.
double median_of(std::span<const double> values) {
  std::vector<double> known;
  for (const double value : values) {
    if (std::isfinite(value)) known.push_back(value);
  }
  if (known.empty()) return std::nan("");
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::nth_element(known.begin(), middle, known.end());
  return *middle;
}

double deviation_of(std::span<const double> values, double middle) {
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::fabs(value - middle));
  return to_deviation * median_of(distances);
}

bool mostly_known(std::span<const double> values) {
  const auto known = std::count_if(values.begin(), values.end(),
                                   [](double value) { return std::isfinite(value); });
  return static_cast<double>(known) >= known_min * static_cast<double>(values.size());
}

// Sums up to a slot, so that the mean of any span costs nothing.
class Sums {
 public:
  explicit Sums(const std::vector<double>& values) : sums_(1), counts_(1) {
    for (const double value : values) {
      const bool known = std::isfinite(value);
      sums_.push_back(sums_.back() + (known ? value : 0));
      counts_.push_back(counts_.back() + (known ? 1 : 0));
    }
  }
  double mean(std::size_t begin, std::size_t end) const {
    const double count = counts_[end] - counts_[begin];
    return count > 0 ? (sums_[end] - sums_[begin]) / count : std::nan("");
  }

 private:
  std::vector<double> sums_, counts_;
};

std::vector<double> differences(const std::vector<double>& values, std::size_t season) {
  std::vector<double> result(values.size(), std::nan(""));
  for (std::size_t i = season; i < values.size(); ++i) result[i] = values[i] - values[i - season];
  return result;
}

struct Fit {
  LevelShift shift;
  double left = 0;  // The deviation that it leaves.
};

// The difference or the factor, whichever leaves less of the season behind the step.
Fit fit(const std::vector<double>& values, std::size_t since, std::size_t end, std::size_t season,
        double step) {
  double now = 0, before = 0;
  for (std::size_t i = since; i < end; ++i) {
    if (!std::isfinite(values[i]) || !std::isfinite(values[i - season])) continue;
    now += values[i];
    before += values[i - season];
  }
  const double factor = before > 0 && now > 0 ? now / before : 1;
  std::vector<double> by_difference, by_factor;
  for (std::size_t i = since; i < end; ++i) {
    by_difference.push_back(values[i] - values[i - season] - step);
    by_factor.push_back(values[i] - factor * values[i - season]);
  }
  const double left = deviation_of(by_difference, 0), left_by_factor = deviation_of(by_factor, 0);
  if (factor != 1 && left_by_factor < left) return {{since, 0, factor}, left_by_factor};
  return {{since, step, 1}, left};
}

std::optional<LevelShift> first_shift(const std::vector<double>& values, const Seasons& seasons,
                                      std::size_t from) {
  const std::size_t day = seasons.day;
  const std::size_t season = seasons.week > 0 ? seasons.week : day;
  const std::vector<double> r = differences(values, season);
  const std::span<const double> all = std::span(r).subspan(season);
  const double usual = deviation_of(all, median_of(all));
  if (!(usual > 0)) return std::nullopt;
  const Sums sums(r);
  std::optional<LevelShift> shift;
  std::size_t best = 0;
  double best_step = 0;
  for (std::size_t c = std::max(from, season + day); c + days_min * day <= values.size(); ++c) {
    const double step = sums.mean(c, c + day) - sums.mean(c - day, c);
    // The steepest slot of the first step; what comes a day later is another one.
    if (best > 0 && c >= best + day) break;
    if (!(std::fabs(step) > std::max(step_min * usual, std::fabs(best_step)))) continue;
    const std::size_t end = std::min(c + season, values.size());
    const std::span<const double> behind = std::span(r).subspan(c, end - c);
    const std::span<const double> ahead = std::span(r).subspan(c - day, day);
    const double level = median_of(behind);
    if (!mostly_known(behind) || !mostly_known(ahead)) continue;
    const double rise = std::fabs(level - median_of(ahead));
    if (!(std::min(rise, std::fabs(level)) > step_min * usual)) continue;
    const Fit found = fit(values, c, end, season, level);
    if (found.left > std::max(together_max * usual, std::fabs(level) / 4)) continue;
    best = c;
    best_step = step;
    shift = found.shift;
  }
  return shift;
}

}  // namespace

std::vector<LevelShift> undo_level_shifts(std::vector<double>& values, const Seasons& seasons) {
  std::vector<LevelShift> shifts;
  const std::size_t season = std::max(seasons.week, seasons.day);
  if (seasons.day < 2 || values.size() < 2 * season + seasons.day) return shifts;
  std::size_t from = 0;
  while (shifts.size() < shifts_max) {
    const auto shift = first_shift(values, seasons, from);
    if (!shift) break;
    for (std::size_t i = 0; i < shift->since; ++i)
      values[i] = shift->factor * values[i] + shift->difference;
    shifts.push_back(*shift);
    from = shift->since + seasons.day;
  }
  return shifts;
}

}  // namespace outrider::detectors::forecast
