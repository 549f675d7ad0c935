// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the boards would have said over a recorded range: forecast, alerted, and how many replicas
// they would have asked for, each beside what came. PURE, not thread-safe.
//
// Idea. The agent's own boards are fed step by step with what was there by then, and asked; the
//   truth of each answer is looked up in what was recorded later. No answer sees it.
// Errors of forecasts are those of the median, as a multiple of the mean change from day to day in
//   the history before the start (MASE), beside the same of the naive forecast: the value of the
//   last day at that time that was known.
// Alerts: ModelCapacityAhead and DiskFullAhead by their rules (a condition that holds for a while),
//   and whether what they warned of came; and each sample that the series score finds unusual.
// Cost. That of the boards, once a step: about 3 ms a series and hour. Memory: what was recorded.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/forecast/capacity_board.h"
#include "agent/forecast/forecast_board.h"
#include "agent/forecast/rules.h"
#include "base/core/series.h"
#include "detectors/series_score.h"

namespace outrider::forecast {

// By rule, what its queries had at the end of each step (of a capacity: of each minute), the
// history before the start included. Labels without __name__.
struct Recorded {
  std::vector<std::vector<Series>> series, limits;  // As many as Rules::series.
  std::vector<std::map<Labels, std::vector<detectors::LoadSample>>> capacity;
};

struct ReplaySettings {
  Time start{}, end{};  // Multiples of the step.
  std::size_t series_max = 2'000;
  double anomaly_threshold = 0.53;
  // Of the alerts, as alerts/parameters.yaml has them.
  Duration capacity_for = std::chrono::minutes(5);
  Duration limit_within = std::chrono::days(3);
  Duration limit_for = std::chrono::minutes(30);
};

struct ReplayedAlert {
  Time fired{};
  std::optional<Time> ended;  // Nothing: it still fired at the end.
  std::optional<Time> came;   // What it warned of; nothing: not within the range.
};

struct ReplayedHorizon {
  Duration horizon{};
  std::uint64_t checked = 0, inside = 0;  // 90 % intervals whose truth was recorded.
  std::optional<double> mase, naive_mase;
};

struct ReplayedPoint {
  Time at{};  // The end of the step.
  double value = 0, low = 0, middle = 0,
         high = 0;  // As said one shortest horizon before; NaN: none.
};

struct ReplayedSeries {
  std::size_t rule = 0;
  Labels labels;
  std::vector<ReplayedHorizon> horizons;
  std::vector<ReplayedAlert> full;  // Of its limit.
  std::vector<Time> anomalies;
  std::vector<ReplayedPoint> points;
  std::string trouble;  // Why it was never forecast.
};

struct ReplayedStep {
  Time at{};
  double load = 0, replicas = 0;
  // Wanted; nothing: unknown. `soon` are those worth having until a new one serves.
  std::optional<std::uint64_t> now, soon, ahead;
};

// What an autoscaler follows, beside what the load did until a new replica would have served.
struct ReplayedSoon {
  double hours = 0;
  std::uint64_t checked = 0, outgrown = 0;  // Outgrown: within that time the load needed more.
  double expected = 0;                      // How many of the checked ones were said to be.
};

struct ReplayedCapacity {
  std::size_t rule = 0;
  Labels labels;
  detectors::ReplicaCapacity capacity;  // As learned by the end.
  std::vector<ReplayedStep> steps;
  std::vector<ReplayedAlert> alerts;
  std::array<std::uint64_t, 3> checks{};  // By Ahead.
  // Replica-hours over the steps at which both were known.
  double had_hours = 0, wanted_hours = 0;
  ReplayedSoon soon;
  std::uint64_t known_steps = 0, short_steps = 0;  // Short: the load needed more than there were.
};

struct Replayed {
  std::vector<ReplayedSeries> series;
  std::vector<ReplayedCapacity> capacity;
  std::uint64_t left_out = 0;  // Series and services past the limits.
};

class Replay {
 public:
  // `rules` must outlive it.
  Replay(const Rules& rules, Recorded recorded, const ReplaySettings& settings);

  std::size_t steps() const;  // In all.
  std::size_t done() const { return done_; }
  bool step();  // False: there was none left.
  Replayed result() const;

 private:
  // A condition that has to hold for a while.
  struct Condition {
    std::optional<Time> since;
    std::vector<ReplayedAlert> alerts;
    bool firing = false;

    bool update(bool holds, Time now, Duration needed);  // True: it fires from now on.
  };
  struct Errors {
    std::uint64_t checked = 0, inside = 0, compared = 0;
    double ours = 0, naive = 0;
  };
  struct Tracked {
    const Series* recorded = nullptr;
    const Series* limits = nullptr;
    std::size_t next = 0, next_limit = 0;
    double limit = 0;
    detectors::SeriesScorer scorer;
    Condition full;
    std::vector<Errors> errors;
    ReplayedSeries told;
    std::map<std::int64_t, double> truth;          // By slot.
    std::map<std::int64_t, HorizonForecast> said;  // By slot, one shortest horizon before.
    double day_changes = 0;  // Mean change from day to day before the start; 0: none.
  };
  struct Service {
    const std::vector<detectors::LoadSample>* recorded = nullptr;
    std::size_t next = 0;
    Condition ahead;
    double replicas_at_alert = 0;
    ReplayedCapacity told;
  };

  void begin_series(std::size_t rule, const Series& recorded, const Series* limits);
  void feed(Time now);
  void feed_series(Tracked& tracked, Time now);
  void judge_series(Time now);
  void compare(Tracked& tracked, const HorizonForecast& said, std::size_t horizon,
               std::int64_t slot);
  void judge_limit(Tracked& tracked, const ForecastBoard::Entry& entry, Time now);
  void judge_services(Time now);
  void judge_soon(Service& service, const Advice& advice, Time now) const;
  std::vector<ReplayedPoint> points(const Tracked& tracked) const;

  const Rules& rules_;
  const Recorded recorded_;
  const ReplaySettings settings_;
  ForecastBoard forecasts_;
  CapacityBoard capacities_;
  std::map<ForecastBoard::Key, Tracked> series_;
  std::map<CapacityBoard::Key, Service> services_;
  std::size_t done_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace outrider::forecast
