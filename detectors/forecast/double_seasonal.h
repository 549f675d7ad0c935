// SPDX-License-Identifier: Apache-2.0
#pragma once

// Double seasonal exponential smoothing: a level, a shape of the day and a shape of the week, each
// of which follows the errors of the forecasts of the next slot, and what is left of the last
// error.
//
// Idea. With u = y - (level + day[p] + week[q]) and e = u - carry x u of the slot before:
//   level += a e, day[p] += d e, week[q] += w e; h slots ahead: level + day + week + carry^h u.
//   Autoregressions tell the next hours best and let the shape fade; this one keeps the shape, so
//   the average of both errs less.
// Parameters. Of sixteen settings of (a, d, w, carry), low and high of each, the one whose
//   forecasts of the next slot were best, with a half-life of fourteen days. Finer and wider grids
//   are no better on the development data: docs/measurements/forecast.md.
// It begins with the means of the first two weeks, or of what there is; without a week's season it
// has no week's shape. A gap changes nothing but that less is left of the last error.
// Cost. learn: 16 settings, some ten operations a slot, once; ahead: O(day + week + horizon).
//   Memory 16 x (day + week) numbers.
// Example. Hours of 100 +- 50 by day: the same, after two days. Source. Taylor 2003, "Short-term
//   electricity demand forecasting using double seasonal exponential smoothing".
// Fails. A trend is followed late: it has none of its own. A level that moves in the first two
//   weeks is taken for the shape of the week at first. Needs a season.
//
// PURE.

#include "detectors/forecast/method.h"

namespace outrider::detectors::forecast {

class DoubleSeasonal : public Method {
 public:
  DoubleSeasonal(const Filled& series, const Seasons& seasons);  // With a day at least.

  std::string_view name() const override { return "smoothing of level, day and week"; }
  void learn(std::size_t end) override;
  std::vector<double> ahead(std::size_t at, std::size_t horizon) const override;

 private:
  struct Gains {
    double level = 0, carry = 0, day = 0, week = 0;
  };
  struct State {
    Gains gains;
    double level = 0;
    double left = 0;  // u of the last slot.
    double error = 0;
    std::vector<double> day, week;  // By slot modulo their size; week is never empty.
  };
  void begin(std::size_t end);
  void take(State& state, std::size_t slot) const;
  static double shape(const State& state, std::size_t slot);

  const Filled& series_;
  Seasons seasons_;
  std::vector<State> states_;
  std::size_t learned_ = 0;
};

}  // namespace outrider::detectors::forecast
