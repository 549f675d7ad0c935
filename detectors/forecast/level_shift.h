// SPDX-License-Identifier: Apache-2.0
#pragma once

// Did the level change for good? A week in which all is 200 higher than the week before is not the
// seasons' work.
//
// Idea. A change of level at c is a step in r(t) = y(t) - y(t - season), which lasts a season, or
//   to the history's end; the season is the week where there is one. Such a step of at least
//   `step_min` usual deviations of r (1.48 x the median distance from the median), whose values
//   stay together, is a change. What came before is moved to the new level: by a difference, or by
//   a factor where that leaves less. So one change neither blurs what autoregressions learn nor
//   counts as an error of the methods that follow it.
// Parameters. step_min 5, two days at least behind it, as one odd day is a holiday:
//   docs/measurements/forecast.md.
// Cost. O(slots) a change, shifts_max changes at most.
// Example. Days of 100 +- 50 that are 300 +- 50 for three days: the five weeks before are moved up
//   by 200.
// Fails. In the first two days after a change. A level that is back within a season is none, and
//   stays as it is.
//
// PURE.

#include <cstddef>
#include <vector>

#include "detectors/forecast/season.h"

namespace outrider::detectors::forecast {

inline constexpr std::size_t shifts_max = 5;

struct LevelShift {
  std::size_t since = 0;  // The first slot of the new level.
  double difference = 0;  // What came before moves by x -> factor x + difference.
  double factor = 1;
};

// Undoes them in `values`; oldest first.
std::vector<LevelShift> undo_level_shifts(std::vector<double>& values, const Seasons& seasons);

}  // namespace outrider::detectors::forecast
