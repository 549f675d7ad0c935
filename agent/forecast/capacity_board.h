// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one replica of each service bears, and how many are wanted now and at the peak ahead. PURE,
// not thread-safe.
//
// The peak is that of the 95 % quantile of the load within the shortest horizon: what a person
// plans with. An autoscaler follows those that are worth having until what it asks for now serves
// (detectors/load_growth), which costs less on a load that jumps. Wanted ahead or soon is never
// less than wanted now: a forecast is no reason to scale in. How many were wanted in truth ahead,
// once that time has come, is counted beside what was said ("enough", "short", "spare").
// Bounded: services_max services; past it new ones are turned away and counted.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/forecast/forecast_board.h"
#include "agent/forecast/rules.h"
#include "base/core/series.h"
#include "detectors/load_growth.h"
#include "detectors/replica_capacity.h"

namespace outrider::forecast {

// Until a new load has been seen and asked for: rates of two minutes.
inline constexpr Duration reaction = std::chrono::minutes(2);

enum class Ahead : std::uint8_t { enough, too_few, spare };
inline constexpr std::array<std::string_view, 3> ahead_words = {"enough", "short", "spare"};

struct Advice {
  detectors::ReplicaCapacity capacity;
  double replicas = 0;  // Now.
  double load = 0;      // Now, requests a second.
  detectors::ReplicasWanted now;
  // The highest load that the replicas there are surely bear, or need no more than they are for;
  // nothing where that is not known. Never an extrapolation (replicas_for).
  std::optional<double> bears;
  detectors::WorthHaving soon;  // Within `reaction` and the cold start.
  struct Peak {
    detectors::ReplicasWanted wanted;
    double load = 0;      // The 95 % quantile at the peak.
    double expected = 0;  // The median there.
    Time at{};
    Time by{};  // When to ask for replicas, so that they serve when they are first needed.
  };
  std::optional<Peak> ahead;
  std::array<std::uint64_t, 3> checks{};  // By Ahead.
  std::string sentence;                   // For a person.
};

class CapacityBoard {
 public:
  static constexpr std::size_t services_max = 1'000;
  using Key = ForecastBoard::Key;  // The capacity rule's index, and the labels.

  CapacityBoard(const Rules& rules, const ForecastBoard& forecasts)
      : rules_(rules), forecasts_(forecasts) {}

  // One minute of a service; as CapacityLearner::add. Minutes before the newest only teach.
  bool put(std::size_t rule, const Labels& labels, const detectors::LoadSample& sample);

  // Load and replicas of this moment, between two minutes: what is wanted follows them, and nothing
  // is learned. Of a service without a minute yet, of the past, or without load: left out.
  void put_now(std::size_t rule, const Labels& labels, Time at, double load, double replicas);

  // Checks what was said for the steps that are over, writes down what is said now, forgets
  // services that were silent for two days.
  void advance(Time now);

  std::map<Key, Advice> advice(Time now) const;

  std::uint64_t turned_away() const { return turned_away_; }

 private:
  struct Said {
    std::int64_t slot = 0;
    std::uint64_t wanted = 0;
  };
  struct Service {
    explicit Service(const CapacityRule& rule) : growth(rule.cold_start + reaction) {}

    detectors::CapacityLearner learner;
    mutable std::optional<detectors::ReplicaCapacity> capacity;  // As of the newest minute.
    detectors::LoadGrowth growth;
    detectors::LoadSample newest;
    std::int64_t slot = -1;  // The step at hand.
    double peak = 0;         // Its highest load so far.
    std::deque<Said> said;
    std::array<std::uint64_t, 3> checks{};
  };

  static void check(const detectors::ReplicaCapacity& capacity, Service& service,
                    std::int64_t now_slot);
  const detectors::ReplicaCapacity& capacity_of(const Key& key, const Service& service) const;
  Advice advise(const Key& key, const Service& service, Time now) const;

  const Rules& rules_;
  const ForecastBoard& forecasts_;
  std::map<Key, Service> services_;
  std::uint64_t turned_away_ = 0;
};

}  // namespace outrider::forecast
