// SPDX-License-Identifier: Apache-2.0
#pragma once

// What one replica of each service bears, and how many are wanted now and at the peak ahead. PURE,
// not thread-safe.
//
// The peak is that of the 95 % quantile of the load within the shortest horizon. Wanted ahead is
// never less than wanted now: a forecast is no reason to scale in. How many were wanted in truth,
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
#include "detectors/replica_capacity.h"

namespace outrider::forecast {

enum class Ahead : std::uint8_t { enough, too_few, spare };
inline constexpr std::array<std::string_view, 3> ahead_words = {"enough", "short", "spare"};

struct Advice {
  detectors::ReplicaCapacity capacity;
  double replicas = 0;  // Now.
  double load = 0;      // Now, requests a second.
  detectors::ReplicasWanted now;
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
    detectors::CapacityLearner learner;
    detectors::LoadSample newest;
    std::int64_t slot = -1;  // The step at hand.
    double peak = 0;         // Its highest load so far.
    std::deque<Said> said;
    std::array<std::uint64_t, 3> checks{};
  };

  static void check(const detectors::ReplicaCapacity& capacity, Service& service,
                    std::int64_t now_slot);
  Advice advise(const Key& key, const Service& service, Time now) const;

  const Rules& rules_;
  const ForecastBoard& forecasts_;
  std::map<Key, Service> services_;
  std::uint64_t turned_away_ = 0;
};

}  // namespace outrider::forecast
