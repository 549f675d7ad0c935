// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/method.h"

#include <cmath>

namespace outrider::detectors::forecast {

Filled fill(const std::vector<double>& values, const Seasons& seasons) {
  Filled filled{values, std::vector<char>(values.size(), 1)};
  double latest = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      latest = value;  // Before the first known value there is nothing to fill from.
      break;
    }
  }
  double moved = 0;  // Of the latest known value against a season before it.
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t season = seasons.week > 0 && i >= seasons.week ? seasons.week : seasons.day;
    const bool seasonal = season > 0 && i >= season;
    if (std::isfinite(values[i])) {
      latest = values[i];
      moved = seasonal ? latest - filled.values[i - season] : 0;
      continue;
    }
    filled.known[i] = 0;
    filled.values[i] = seasonal ? filled.values[i - season] + moved : latest;
  }
  return filled;
}

}  // namespace outrider::detectors::forecast
