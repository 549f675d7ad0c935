// SPDX-License-Identifier: Apache-2.0
#pragma once

// "At most N alerts a week" is the setting; the threshold on scores follows from it. PURE, not
// thread-safe, O(1).
//
// Two halves, because an estimate alone keeps no promise:
//   - The threshold is at least default_threshold: a budget is a limit, not a wish. Above that it
//     is the lowest step of score at which the fleet is expected to raise no more than N a week.
//     What is expected is a mean of what this fleet was seen to do, fading with a half-life of two
//     weeks, and of what series do by themselves (measured on NAB's development half), which counts
//     as one week of seeing.
//   - An allowance of N, refilled evenly over the week, is what alerts are paid from. Once it is
//     spent, what would have fired is held back, counted by the caller and shown on the page, but
//     wakes nobody.
//
//   AlertBudget budget(20);
//   budget.set_series(12'000);
//   for each score > 0: budget.observe(score, now);
//   if (score >= budget.threshold(now) && budget.spend(now)) raise(...);

#include <array>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/series_score.h"
#include "detectors/snapshot.h"

namespace outrider::series {

// Where one threshold has to stand without any budget: half a step below the ninth, the best on
// NAB.
inline constexpr std::size_t default_step = 9;
inline constexpr double default_threshold =
    (static_cast<double>(default_step) - 0.5) / detectors::SeriesScorer::steps_max;

class AlertBudget {
 public:
  explicit AlertBudget(double alerts_a_week);

  void set_series(std::size_t watched) { series_ = watched; }
  // An episode's first score, or that to which it grew; `times` of them. Scores below a step are
  // ignored.
  void observe(double score, Time now, double times = 1);

  // From default_threshold to below 1: half a step below the lowest that fits; the highest step
  // when none does, and then it is the allowance that holds.
  double threshold(Time now) const;
  // False when the allowance is spent; always with a budget of 0.
  bool spend(Time now);
  double allowance(Time now) const;

  // How many a week are expected at a threshold.
  double expected_a_week(double threshold, Time now) const;

  void save(detectors::SnapshotWriter& out) const;
  Result<void> load(detectors::SnapshotReader& in);

 private:
  static constexpr std::size_t steps = detectors::SeriesScorer::steps_max;

  double fade_to(Time now) const;

  double alerts_a_week_;
  std::size_t series_ = 0;
  std::array<double, steps + 1> counts_{};  // Scores seen by step, faded.
  double weeks_ = 0;                        // How long was watched, faded alike.
  Time faded_at_{};
  double allowance_;
  Time refilled_at_{};
};

}  // namespace outrider::series
