// SPDX-License-Identifier: Apache-2.0
#include "agent/series/watched.h"

#include <algorithm>
#include <cmath>

namespace outrider::series {
namespace {

constexpr double quiet_samples = 5;
constexpr double ms_a_second = 1000;
constexpr std::int64_t ms_max = 9'000'000'000'000;  // The year 2255: what a Time can hold.

}  // namespace

// False while there is nothing to subtract from: the first sample, and the first after a reset, as
// how much was counted before and after it is not known.
bool Watched::to_rate(const Sample& sample, double& rate) {
  const double passed = static_cast<double>(sample.timestamp_ms) - static_cast<double>(before_ms_);
  const double increase = sample.value - before_;
  const bool known = before_ms_ != 0 && passed > 0 && increase >= 0;
  before_ = sample.value;
  before_ms_ = sample.timestamp_ms;
  if (known) rate = increase / (passed / ms_a_second);
  return known;
}

bool Watched::is_quiet(std::int64_t now_ms, Duration quiet) const {
  const double patience =
      std::max(to_seconds(quiet), quiet_samples * scorer_.usual_interval_seconds());
  return static_cast<double>(now_ms) - static_cast<double>(evidence_ms_) > patience * ms_a_second;
}

Observed Watched::observe(const Sample& sample, double threshold, Duration quiet) {
  Observed seen;
  last_ms_ = sample.timestamp_ms;
  if (!std::isfinite(sample.value)) return seen;
  seen.value = sample.value;
  if (as_ == As::counter && !to_rate(sample, seen.value)) return seen;
  seen.score = scorer_.add(sample.timestamp_ms, seen.value);
  const auto evidence = static_cast<float>(seen.score.evidence);
  if (in_episode() && evidence >= peak_ / 2) evidence_ms_ = sample.timestamp_ms;
  if (seen.score.score >= threshold) {
    seen.news = in_episode() ? News::grew : News::began;
    if (!in_episode()) episode_ms_ = sample.timestamp_ms;
    evidence_ms_ = sample.timestamp_ms;
    peak_ = std::max(peak_, evidence);
  } else if (end_if_quiet(sample.timestamp_ms, quiet)) {
    seen.news = News::ended;
  }
  return seen;
}

bool Watched::end_if_quiet(std::int64_t now_ms, Duration quiet) {
  if (!in_episode() || !is_quiet(now_ms, quiet)) return false;
  episode_ms_ = 0;
  peak_ = 0;
  return true;
}

void Watched::save(detectors::SnapshotWriter& out) const {
  out.u64(fingerprint_.low);
  out.u64(fingerprint_.high);
  out.u64(static_cast<std::uint64_t>(as_));
  out.f64(before_);
  out.i64(before_ms_);
  out.i64(last_ms_);
  out.i64(episode_ms_);
  out.i64(evidence_ms_);
  out.f64(peak_);
  scorer_.save(out);
}

Result<Watched> Watched::load(detectors::SnapshotReader& in) {
  Watched made;
  made.fingerprint_.low = in.u64();
  made.fingerprint_.high = in.u64();
  const std::uint64_t as = in.u64();
  made.before_ = in.f64();
  made.before_ms_ = in.i64();
  made.last_ms_ = in.i64();
  made.episode_ms_ = in.i64();
  made.evidence_ms_ = in.i64();
  const double peak = in.f64();
  made.peak_ = static_cast<float>(peak);
  auto scorer = detectors::SeriesScorer::load(in);
  if (!scorer) return fail(scorer);
  made.scorer_ = *scorer;
  const bool known =
      as == static_cast<std::uint64_t>(As::gauge) || as == static_cast<std::uint64_t>(As::counter);
  bool in_time = true;
  for (const std::int64_t ms :
       {made.before_ms_, made.last_ms_, made.episode_ms_, made.evidence_ms_}) {
    in_time = in_time && ms > -ms_max && ms < ms_max;
  }
  if (!known || !in_time || !std::isfinite(made.before_) || !(peak >= 0 && peak <= 10)) {
    return fail("snapshot_corrupt", "a watched series' state makes no sense");
  }
  made.as_ = static_cast<As>(as);
  return made;
}

}  // namespace outrider::series
