// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/outliers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::detectors::forecast {
namespace {

constexpr double far = 12;
constexpr std::size_t days_around = 7;
constexpr std::size_t others_min = 4;
constexpr double to_deviation = 1.4826;

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// From what the same phase has on other days; NaN where too little is known.
std::vector<double> distances(const std::vector<double>& values, std::size_t day) {
  std::vector<double> result(values.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<double> others;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    others.clear();
    for (std::size_t k = 1; k <= days_around; ++k) {
      if (i >= k * day && std::isfinite(values[i - k * day])) others.push_back(values[i - k * day]);
      if (i + k * day < values.size() && std::isfinite(values[i + k * day]))
        others.push_back(values[i + k * day]);
    }
    if (others.size() >= others_min) result[i] = std::fabs(values[i] - median(others));
  }
  return result;
}

}  // namespace

std::size_t drop_outliers(std::vector<double>& values, const Seasons& seasons) {
  if (seasons.day < 2) return 0;
  const std::vector<double> off = distances(values, seasons.day);
  std::vector<double> known;
  for (const double distance : off) {
    if (std::isfinite(distance)) known.push_back(distance);
  }
  if (known.size() < seasons.day) return 0;
  const double bound = far * to_deviation * median(known);
  if (!(bound > 0)) return 0;
  const std::size_t longest = std::max<std::size_t>(1, seasons.day / 24);
  std::size_t dropped = 0;
  for (std::size_t i = 0; i < values.size();) {
    std::size_t end = i;
    while (end < values.size() && off[end] > bound) ++end;
    if (end > i && end - i <= longest) {
      std::fill(values.begin() + static_cast<std::ptrdiff_t>(i),
                values.begin() + static_cast<std::ptrdiff_t>(end),
                std::numeric_limits<double>::quiet_NaN());
      dropped += end - i;
    }
    i = std::max(end, i + 1);
  }
  return dropped;
}

}  // namespace outrider::detectors::forecast
