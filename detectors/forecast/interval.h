// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far a forecast may be off: from how far off it was.
//
// Idea. The absolute errors of forecasts from rolling origins, scaled by how far ahead they were
//   and by their phase of the day, have one distribution, whose quantile at the level, times the
//   scales of the slot, is half the interval's width. So intervals are symmetric, wide at the hours
//   that are hard to tell, and assume no distribution.
//     scale(h, p) = ahead(h) x (1/2 + 1/2 phase(p))
//   ahead: the mean error at that distance, smoothed over a sixth of the horizon either way; phase:
//   the mean of what is left at that phase of the day, smoothed over an hour (a 24th) either way.
//   Both have the mean 1, and are 1 where nothing was tried. Beyond the distance that was tried the scale grows as the square root of
//   the distance, as a random walk's does.
// Parameters. `widening` 1.1, because the weights were chosen on the same origins, halves and
//   widths: development data, docs/measurements/forecast.md.
// Cost. O(origins x horizon log). Source. Conformal prediction with normalised scores: Papadopoulos
//   et al. 2008; Lei et al. 2018.
// Fails. It knows the errors of the last weeks: what never happened in them is not in it. Few
//   origins make few quantiles; with fewer than 20 errors the widest is taken, widened by 1.5.
//
// PURE.

#include <cstddef>
#include <vector>

namespace outrider::detectors::forecast {

// One origin's absolute errors, from its first slot on; NaN where nothing is known.
struct Errors {
  std::size_t slot = 0;
  std::vector<double> sizes;
};

class IntervalWidths {
 public:
  // All of one size. `day` is the season of the phases, 0: none; `slot` is where the forecast
  // begins.
  IntervalWidths(const std::vector<Errors>& errors, std::size_t day, std::size_t slot,
                 std::size_t horizon);

  // Half widths by distance, at a level in (0, 1). 0 where every error was 0.
  std::vector<double> at(double level) const;
  // Errors that it knows.
  std::size_t known() const { return normed_.size(); }

 private:
  std::vector<double> normed_;  // Ascending.
  std::vector<double> scales_;  // By distance ahead of the end.
};

}  // namespace outrider::detectors::forecast
