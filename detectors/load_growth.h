// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far a load grows within the time that a new replica takes, learned from how far it grew;
// and how many replicas are worth having for that. PURE, not thread-safe.
//
// Idea. Each minute's load is compared with the highest of the minutes that follow within `ahead`.
//   The ratios make a distribution, and it is the forecast: of the newest load, for the time in
//   which nothing that is asked for now can help yet. A replica is worth having where the minutes
//   above the objective that it is expected to save cost more than it does. An hour above costs as
//   much as `miss_cost` hours of the whole fleet, whose size is that of its usual load.
// Why no quantile. One quantile for all times pays most where the load is high and jumps, and
//   there each further replica saves least. docs/measurements/scaling.md has both.
// Parameters. Constants in load_growth.cpp; miss_cost's default is from the development loads.
// Cost. add O(minutes of `ahead`). worth_having O(bins x miss_cost x usual replicas), at one shared
//   queue that times the replicas. Memory 2 KiB, and 16 bytes for each minute of `ahead`.
// Fails. A growth that was never seen is not expected. The time of day is not looked at: a cold
//   start of an hour needs the forecast (agent/forecast) as well.
// Source. The newsvendor's rule: Arrow, Harris & Marschak, "Optimal Inventory Policy", 1951.

#include <array>
#include <cstdint>
#include <deque>
#include <utility>

#include "base/core/clock.h"
#include "detectors/replica_capacity.h"

namespace outrider::detectors {

class LoadGrowth {
 public:
  static constexpr std::uint64_t windows_min = 120;
  static constexpr std::size_t bins = 200;

  // `ahead` is rounded up to minutes; one minute at least, a day at most.
  explicit LoadGrowth(Duration ahead);

  // One minute's load, in the order of time; what is older than the newest, or no number from 0 on,
  // is left out. A window that lacks a minute, or has one without load, teaches nothing.
  void add(Time at, double load);
  // The load of this moment, newer than the newest minute: what growth begins from. It teaches
  // nothing; what is no number from 0 on is left out.
  void begin_from(double load);

  std::uint64_t windows() const { return windows_; }  // That were learned from, in all.
  bool ready() const { return windows_ >= windows_min; }
  double newest() const { return newest_; }
  double usual() const;  // The mean load, the last days' above all.

  // The chance that the load is above `load` within `ahead`, from the newest on. 0 to 1; 1 while
  // nothing was learned, and for what is below the newest. From 0 on no growth is expected.
  double chance_above(double load) const;

 private:
  using Minute = std::pair<std::int64_t, double>;

  const std::int64_t minutes_;
  std::deque<Minute> recent_;  // The newest minutes_ + 1.
  double newest_ = 0;
  std::array<double, bins> counts_{};  // By the logarithm of the ratio; the first: no growth.
  double all_ = 0, weight_ = 1, load_sum_ = 0, load_weight_ = 0;
  std::uint64_t windows_ = 0;
};

struct WorthHaving {
  ReplicasWanted replicas;  // Never fewer than wanted now.
  double chance_short = 0;  // That the load outgrows them within the time.
};

// `now` are the replicas that the newest load needs; where these are unknown, so is the answer.
// `miss_cost` as above, positive.
WorthHaving worth_having(const LoadGrowth& growth, const ReplicaCapacity& capacity,
                         const ReplicasWanted& now, double miss_cost);

}  // namespace outrider::detectors
