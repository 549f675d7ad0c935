// SPDX-License-Identifier: Apache-2.0
#pragma once

// Single values that tell nothing of what comes: a spike of an hour at most, far from anything its
// time of day has seen.
//
// Idea. A value's distance from the median of the same phase in the seven days before and the seven
//   behind, in usual deviations (1.48 x the median of all such distances). Runs of at most a 24th
//   of a day beyond `far` are taken for gaps by the methods; intervals are still measured on all
//   values.
// Parameters. far 12. Cost. O(14 slots).
// Example. 100 000 among values of 100 +- 50: a gap; a job's peak that comes each day: none.
// Fails. Without a season nothing is an outlier. A burst longer than an hour is none.
//
// PURE.

#include <vector>

#include "detectors/forecast/season.h"

namespace outrider::detectors::forecast {

// Sets them to NaN; how many there were.
std::size_t drop_outliers(std::vector<double>& values, const Seasons& seasons);

}  // namespace outrider::detectors::forecast
