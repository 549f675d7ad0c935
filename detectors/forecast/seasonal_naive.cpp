// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/seasonal_naive.h"

#include <algorithm>

namespace outrider::detectors::forecast {

std::vector<double> SeasonalNaive::ahead(std::size_t at, std::size_t horizon) const {
  const std::size_t season = std::min(season_, at);
  std::vector<double> values(horizon);
  for (std::size_t h = 0; h < horizon; ++h) values[h] = series_.values[at - season + h % season];
  return values;
}

}  // namespace outrider::detectors::forecast
