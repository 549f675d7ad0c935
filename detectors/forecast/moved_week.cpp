// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/moved_week.h"

#include <algorithm>

namespace outrider::detectors::forecast {

std::vector<double> MovedWeek::ahead(std::size_t at, std::size_t horizon) const {
  const std::size_t season = std::min(season_, at);
  const std::size_t recent = std::min(recent_, at - season);
  double moved = 0;
  for (std::size_t i = 1; i <= recent; ++i) {
    moved +=
        (series_.values[at - i] - series_.values[at - season - i]) / static_cast<double>(recent);
  }
  std::vector<double> values(horizon);
  for (std::size_t h = 0; h < horizon; ++h) {
    values[h] = series_.values[at - season + h % season] + moved;
  }
  return values;
}

}  // namespace outrider::detectors::forecast
