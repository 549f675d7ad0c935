// SPDX-License-Identifier: Apache-2.0
#pragma once

// The average of methods, weighted by what their forecasts from rolling origins were worth.
//
// Idea. Each method forecasts from up to origins_max earlier points ("origins"), a season apart,
//   with what was known there; its weight is 1 / (mean absolute error)^power. Methods err
//   differently, so the average errs less than the best one that could have been picked beforehand.
//   Of less than a day ahead the newest origin is a whole day back where five such fit, so that the
//   errors are those of the hours that are forecast.
// Parameters. origins_max 21, power 2: plateaus on the development data (4, as published elsewhere,
//   follows chance more).
// Cost. origins x the methods'. Source. Bates & Granger 1969; M4's results (Makridakis et al.
//   2020).
//
// PURE.

#include <memory>

#include "detectors/forecast/method.h"

namespace outrider::detectors::forecast {

using Methods = std::vector<std::unique_ptr<Method>>;

// Seasonal naive, double seasonal smoothing, and as many of the five ridge autoregressions as a
// history of `rows` at the first origin can tell. `series` must outlive them.
Methods methods_for(const Filled& series, const Seasons& seasons, std::size_t rows);

// Where it was tried: slots, ascending, each with `horizon` slots behind it.
struct Origins {
  std::vector<std::size_t> at;
  std::size_t horizon = 0;
};
Origins origins_for(std::size_t slots, std::size_t horizon, const Seasons& seasons);

struct Averaged {
  std::vector<std::vector<double>> tried;  // By origin; `reach` values each.
  std::vector<double> ahead;               // From the series' end.
  std::vector<double> weights;             // By method; their sum is 1.
};
// `reach` (at least origins.horizon) is how far each forecast goes from an origin, `horizon` how
// far from the end.
Averaged average(const Filled& series, Methods& methods, const Origins& origins, std::size_t reach,
                 std::size_t horizon);

}  // namespace outrider::detectors::forecast
