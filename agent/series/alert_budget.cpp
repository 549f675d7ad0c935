// SPDX-License-Identifier: Apache-2.0
#include "agent/series/alert_budget.h"

#include <algorithm>
#include <cmath>

namespace outrider::series {
namespace {

constexpr double seconds_a_week = 7 * 86400;
constexpr double half_life_weeks = 2;
constexpr double prior_weeks = 1;

// How many first scores of this step or above a series has a week, outside of the labelled windows
// of NAB's development half (scripts/bench nab --rates). The last three did not occur; they go on
// as the ones before do.
constexpr std::array<double, detectors::SeriesScorer::steps_max + 1> usual_rate = {
    4.7, 4.7, 3.3, 2.5, 2.0, 1.45, 1.05, .75, .48, .35, .23, .15, .051, .011, .004, .0012, .0004};

double weeks_between(Time from, Time to) {
  return std::max(0.0, to_seconds(to - from)) / seconds_a_week;
}

}  // namespace

AlertBudget::AlertBudget(double alerts_a_week)
    : alerts_a_week_(alerts_a_week), allowance_(alerts_a_week) {}

double AlertBudget::fade_to(Time now) const {
  return faded_at_ == Time{} ? 1 : std::exp2(-weeks_between(faded_at_, now) / half_life_weeks);
}

void AlertBudget::observe(double score, Time now, double times) {
  const auto step =
      static_cast<std::size_t>(std::clamp(score, 0.0, 1.0) * static_cast<double>(steps) + 1e-6);
  if (faded_at_ == Time{}) faded_at_ = now;
  const double passed = weeks_between(faded_at_, now);
  const double fade = fade_to(now);
  for (double& count : counts_) count *= fade;
  weeks_ = weeks_ * fade + passed;
  faded_at_ = std::max(faded_at_, now);
  if (step > 0) counts_[step] += times;
}

double AlertBudget::expected_a_week(double threshold, Time now) const {
  const auto first = static_cast<std::size_t>(
      std::clamp(std::ceil(threshold * static_cast<double>(steps)), 0.0, steps + 1.0));
  if (first > steps) return 0;
  double seen = 0;
  for (std::size_t i = first; i <= steps; ++i) seen += counts_[i];
  const double fade = fade_to(now);
  const double watched = weeks_ * fade + (faded_at_ == Time{} ? 0 : weeks_between(faded_at_, now));
  const double usual = usual_rate[first] * static_cast<double>(series_);
  return (seen * fade + usual * prior_weeks) / (watched + prior_weeks);
}

double AlertBudget::threshold(Time now) const {
  const auto below = [](std::size_t step) { return (static_cast<double>(step) - 0.5) / steps; };
  std::size_t step = steps;
  while (step > default_step && expected_a_week(below(step - 1), now) <= alerts_a_week_) --step;
  return below(step);
}

double AlertBudget::allowance(Time now) const {
  if (refilled_at_ == Time{}) return allowance_;
  return std::min(alerts_a_week_, allowance_ + alerts_a_week_ * weeks_between(refilled_at_, now));
}

// A whole alert must be there; a budget below one a week saves up for it.
bool AlertBudget::spend(Time now) {
  allowance_ = allowance(now);
  refilled_at_ = std::max(refilled_at_, now);
  if (!(alerts_a_week_ > 0) || allowance_ < std::min(1.0, alerts_a_week_)) return false;
  allowance_ -= 1;
  return true;
}

void AlertBudget::save(detectors::SnapshotWriter& out) const {
  for (const double count : counts_) out.f64(count);
  out.f64(weeks_);
  out.i64(to_unix_ms(faded_at_));
  out.f64(allowance_);
  out.i64(to_unix_ms(refilled_at_));
}

Result<void> AlertBudget::load(detectors::SnapshotReader& in) {
  AlertBudget read(alerts_a_week_);
  bool sound = true;
  const auto number = [&](double& into) {
    into = in.f64();
    sound = sound && std::isfinite(into) && into >= -1;
  };
  for (double& count : read.counts_) number(count);
  number(read.weeks_);
  const std::int64_t faded = in.i64();
  number(read.allowance_);
  const std::int64_t refilled = in.i64();
  constexpr std::int64_t ms_max = 9'000'000'000'000;
  for (const std::int64_t ms : {faded, refilled}) sound = sound && ms >= 0 && ms < ms_max;
  if (!sound) return fail("snapshot_corrupt", "the alert budget's state makes no sense");
  read.faded_at_ = from_unix_ms(faded);
  read.refilled_at_ = from_unix_ms(refilled);
  read.allowance_ = std::min(read.allowance_, alerts_a_week_);  // The setting may have changed.
  read.series_ = series_;
  *this = read;
  return {};
}

}  // namespace outrider::series
