// SPDX-License-Identifier: Apache-2.0
#pragma once

// Did clocks change lately? People live by local time; in UTC their day then comes an hour earlier
// or later.
//
// Idea. Since each hour of the last week, but the last day, the series is compared with the mean of
//   the same times one to three weeks before: as they were, an hour later, and an hour earlier.
//   Levels do not count, means are taken off. Where a move leaves less than `error_share_max` of
//   the squared error, and no more than `usual_max` times what such weeks differ by anyhow, the
//   best moment and move are the answer. What came before is moved likewise, so that a week ago is
//   again the same time of day.
// Parameters. 0.2 and 2: of 1 000 forecasts of the development data, whose clocks do not change,
//   none moves.
// Cost. O(7 x 24 x week). Example. Berlin, 2021-03-31 in UTC: since 2021-03-28 01:00 all comes an
//   hour early.
// Fails. In the first day after a change; where an hour is no whole number of steps; without a
//   week's season.
//
// PURE.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "detectors/forecast/season.h"

namespace outrider::detectors::forecast {

struct ClockShift {
  std::size_t since = 0;  // The first slot of the new time.
  int steps = 0;  // By how much what came before has to move: -1 hour: it comes earlier now.
};

std::optional<ClockShift> find_clock_shift(const std::vector<double>& values,
                                           const Seasons& seasons, std::int64_t step_ms);

// The history before it, moved; slots that nothing moves into are gaps.
void undo(const ClockShift& shift, std::vector<double>& values);

}  // namespace outrider::detectors::forecast
