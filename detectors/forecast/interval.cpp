// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/interval.h"

#include <algorithm>
#include <cmath>

namespace outrider::detectors::forecast {
namespace {

constexpr double widening = 1.1;
constexpr double few_widening = 1.5;
constexpr std::size_t few = 20;
constexpr double phase_share = 0.5;
constexpr double scale_floor =
    0.1;  // Of the mean: no distance and no phase is without error for sure.

// Twice the 95th of a hundred: one wild error says nothing of its phase of the day.
double cap_of(const std::vector<Errors>& errors) {
  std::vector<double> known;
  for (const Errors& one : errors) {
    for (const double size : one.sizes) {
      if (std::isfinite(size)) known.push_back(size);
    }
  }
  if (known.empty()) return 0;
  const auto place =
      known.begin() + static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(known.size() - 1));
  std::nth_element(known.begin(), place, known.end());
  return *place > 0 ? 2 * *place : *std::max_element(known.begin(), known.end());
}

struct Mean {
  double sum = 0;
  double count = 0;
  void add(double value) { sum += value, count += 1; }
};

constexpr double untried = -1;

// The means of neighbours up to `reach` away; `around`: the first follows the last.
std::vector<double> smooth(const std::vector<Mean>& means, std::size_t reach, bool around) {
  const auto size = static_cast<std::ptrdiff_t>(means.size());
  const auto wide = std::min(static_cast<std::ptrdiff_t>(reach), size / 2);
  std::vector<double> result(means.size(), untried);
  for (std::ptrdiff_t i = 0; i < size; ++i) {
    Mean near;
    for (std::ptrdiff_t j = i - wide; j <= i + wide; ++j) {
      if (!around && (j < 0 || j >= size)) continue;
      const Mean& mean = means[static_cast<std::size_t>((j + size) % size)];
      near.sum += mean.sum, near.count += mean.count;
    }
    result[static_cast<std::size_t>(i)] = near.count > 0 ? near.sum / near.count : untried;
  }
  return result;
}

// To the mean 1, and away from 0. What was never tried counts as the mean of what was: a forecast
// of a few hours was tried at few phases of the day.
void norm(std::vector<double>& scales) {
  Mean tried;
  for (const double scale : scales) {
    if (scale >= 0) tried.add(scale);
  }
  const double mean = tried.count > 0 ? tried.sum / tried.count : 0;
  for (double& scale : scales) {
    scale = mean > 0 && scale >= 0 ? (scale / mean + scale_floor) / (1 + scale_floor) : 1;
  }
}

}  // namespace

IntervalWidths::IntervalWidths(const std::vector<Errors>& errors, std::size_t day, std::size_t slot,
                               std::size_t horizon) {
  const std::size_t tried = errors.empty() ? 0 : errors.front().sizes.size();
  const std::size_t phases = std::max<std::size_t>(1, day);
  const double cap = cap_of(errors);
  std::vector<Mean> by_distance(tried);
  for (const Errors& one : errors) {
    for (std::size_t h = 0; h < tried; ++h) {
      if (std::isfinite(one.sizes[h])) by_distance[h].add(std::min(one.sizes[h], cap));
    }
  }
  std::vector<double> ahead = smooth(by_distance, std::max<std::size_t>(1, tried / 6), false);
  norm(ahead);
  std::vector<Mean> by_phase(phases);
  for (const Errors& one : errors) {
    for (std::size_t h = 0; h < tried; ++h) {
      if (std::isfinite(one.sizes[h]))
        by_phase[(one.slot + h) % phases].add(std::min(one.sizes[h], cap) / ahead[h]);
    }
  }
  std::vector<double> phase = smooth(by_phase, std::max<std::size_t>(1, phases / 24), true);
  norm(phase);
  const auto scale = [&](std::size_t from, std::size_t h) {
    double far = 1;
    if (tried > 0) {
      far = h < tried
                ? ahead[h]
                : ahead.back() * std::sqrt(static_cast<double>(h + 1) / static_cast<double>(tried));
    }
    return far * (1 - phase_share + phase_share * phase[(from + h) % phases]);
  };
  for (const Errors& one : errors) {
    for (std::size_t h = 0; h < tried; ++h) {
      if (std::isfinite(one.sizes[h])) normed_.push_back(one.sizes[h] / scale(one.slot, h));
    }
  }
  std::sort(normed_.begin(), normed_.end());
  for (std::size_t h = 0; h < horizon; ++h) scales_.push_back(scale(slot, h));
}

std::vector<double> IntervalWidths::at(double level) const {
  std::vector<double> widths(scales_.size(), 0);
  if (normed_.empty()) return widths;
  double quantile = normed_.back() * few_widening;
  if (normed_.size() >= few) {
    const double place = level * static_cast<double>(normed_.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, normed_.size() - 1);
    const double part = place - static_cast<double>(below);
    quantile = widening * (normed_[below] + part * (normed_[above] - normed_[below]));
  }
  for (std::size_t h = 0; h < widths.size(); ++h) widths[h] = quantile * scales_[h];
  return widths;
}

}  // namespace outrider::detectors::forecast
