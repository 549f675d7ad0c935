// SPDX-License-Identifier: Apache-2.0
#pragma once

// Seasons of a series: after how many steps its course comes again.
//
// Idea. Loads follow the day and the week, so these are taken where the step divides them and the
//   history holds two of each. Only a clearly stronger rhythm of another length takes their place:
//   the autocorrelation's peak that rises at least `prominence_min` above the deepest valley before
//   it, and `margin` above the day's. Of peaks of nearly that height the shortest is the season,
//   the others are its multiples. A series of daily or slower rows has a week (7) where it holds
//   two.
// A season that is not there costs little: the average (forecaster.h) weighs each method by its
// errors.
// Parameters. prominence_min 0.3 and margin 0.1: chosen on the development data, see
//   docs/measurements/forecast.md.
// Cost. O(recent x recent / 3) with recent = the newest 4 000 slots: a few milliseconds.
// Example. Hourly rows of four weeks: 24 and 168. 37 slots a round, whatever the step: 37 and none.
// Fails. Two rhythms neither of which is a day or a week: only the stronger is found. Seasons of
//   which the history holds fewer than three are not looked for, the week's two apart. A year is
//   none.
//
// PURE.

#include <cstddef>
#include <cstdint>
#include <span>

namespace outrider::detectors::forecast {

struct Seasons {
  std::size_t day = 0;   // In steps; the shorter one, whether it is a day or not. 0: none.
  std::size_t week = 0;  // In steps; a multiple of the day. 0: none.

  bool operator==(const Seasons&) const = default;
};

// NaN is a gap.
Seasons find_seasons(std::span<const double> values, std::int64_t step_ms);

// The correlation of values `lag` apart, over pairs without a gap; 0 where there are fewer than 8
// or nothing varies.
double autocorrelation(std::span<const double> values, std::size_t lag);

}  // namespace outrider::detectors::forecast
