// SPDX-License-Identifier: Apache-2.0
#include "detectors/load_growth.h"

#include <algorithm>
#include <cmath>

namespace outrider::detectors {
namespace {

using namespace std::chrono_literals;

constexpr double bin_width = 0.02;  // Of the logarithm.
// The weight of a window halves in one and a half days, so that weekends do not drown Mondays.
const double newer = std::exp2(1.0 / (1.5 * 24 * 60));
constexpr double weight_max = 1e100;
// Costs that differ by less are the same: of such counts the smaller one is taken.
constexpr double same_cost = 1e-9;

}  // namespace

LoadGrowth::LoadGrowth(Duration ahead)
    : minutes_(std::clamp<std::int64_t>((ahead + 1min - 1ns) / 1min, 1, 24 * 60)) {}

void LoadGrowth::add(Time at, double load) {
  const std::int64_t minute = at.time_since_epoch() / 1min;
  if (!std::isfinite(load) || load < 0) return;
  if (!recent_.empty() && minute <= recent_.back().first) return;
  newest_ = load;
  if (load == 0) return recent_.clear();  // Nothing grows from 0 by a ratio.
  weight_ *= newer;
  load_sum_ += weight_ * load;
  load_weight_ += weight_;
  recent_.emplace_back(minute, load);
  while (recent_.front().first < minute - minutes_) recent_.pop_front();
  if (weight_ > weight_max) {
    for (double* sum : {&all_, &load_sum_, &load_weight_}) *sum /= weight_;
    for (double& count : counts_) count /= weight_;
    weight_ = 1;
  }
  if (static_cast<std::int64_t>(recent_.size()) <= minutes_) return;
  double highest = 0;
  for (auto later = std::next(recent_.begin()); later != recent_.end(); ++later)
    highest = std::max(highest, later->second);
  const double grown = std::ceil(std::log(highest / recent_.front().second) / bin_width);
  counts_[static_cast<std::size_t>(std::clamp(grown, 0.0, double(bins - 1)))] += weight_;
  all_ += weight_;
  ++windows_;
}

void LoadGrowth::begin_from(double load) {
  if (std::isfinite(load) && load >= 0) newest_ = load;
}

double LoadGrowth::usual() const {
  return load_weight_ > 0 ? load_sum_ / load_weight_ : 0;
}

double LoadGrowth::chance_above(double load) const {
  if (all_ <= 0 || load < newest_) return 1;
  // A bin counts as its upper end; a hair keeps what is exactly there on its right side.
  const double covered = std::floor(std::log(load / newest_) / bin_width + 1e-9);
  double above = 0;
  for (std::size_t i = bins; i-- > 0 && static_cast<double>(i) > covered;) above += counts_[i];
  return above / all_;
}

WorthHaving worth_having(const LoadGrowth& growth, const ReplicaCapacity& capacity,
                         const ReplicasWanted& now, double miss_cost) {
  WorthHaving result{.replicas = now};
  if (!now.known) return result;
  if (!growth.ready()) {
    result.replicas.known = false;
    result.replicas.wanted = 0;
    result.replicas.reason = std::to_string(growth.windows()) +
                             " minutes of load and what followed were seen, " +
                             std::to_string(LoadGrowth::windows_min) + " are needed";
    return result;
  }
  const double usual = std::max(growth.usual() / capacity.load, 1.0);
  const auto chance = [&](std::uint64_t replicas) {
    return growth.chance_above(std::max(load_borne(replicas, capacity), growth.newest()));
  };
  result.chance_short = chance(now.wanted);
  std::uint64_t best = now.wanted;
  double least = miss_cost * result.chance_short;
  // Further replicas cannot save more than what is left.
  for (std::uint64_t more = 1; static_cast<double>(more) / usual < least; ++more) {
    const double short_of = chance(now.wanted + more);
    const double cost = static_cast<double>(more) / usual + miss_cost * short_of;
    if (cost >= least - same_cost) continue;
    least = cost;
    best = now.wanted + more;
    result.chance_short = short_of;
  }
  if (best == now.wanted) return result;
  result.replicas = replicas_for(load_borne(best, capacity), capacity);
  if (result.replicas.known) result.replicas.wanted = best;
  return result;
}

}  // namespace outrider::detectors
