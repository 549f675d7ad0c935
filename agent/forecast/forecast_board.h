// SPDX-License-Identifier: Apache-2.0
#pragma once

// The series that are forecast: their history, their forecasts, and what these were worth. PURE,
// not thread-safe.
//
// Idea. Each series keeps its history on a grid of one step. It is forecast anew each refit_every
//   (detectors/forecast); in between the same forecast is read further on. Every step, for every
//   horizon, the 90 % interval is written down; when its time has come and the truth lay outside,
//   the horizon's intervals become wider, else a little narrower: the width is multiplied by
//   exp(rate (outside - 0.1)), so that in the long run one in ten lies outside whatever the series
//   does (adaptive conformal inference, Gibbs & Candès 2021, on the logarithm of the width).
// Bounded. series_max series; past it new ones are turned away and counted. A series takes 4 bytes
//   a slot of its history, 12 a slot ahead and 12 for each interval that waits for its truth: about
//   12 KiB with the usual settings.
// Cost. advance(): about 3 ms for each series that is due; see docs/measurements/forecast.md.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/forecast/rules.h"
#include "base/core/series.h"

namespace outrider::forecast {

inline constexpr double interval_level = 0.9;

// At one horizon: the values of the quantiles 0.05, 0.5 and 0.95.
struct HorizonForecast {
  Duration horizon{};
  double low = 0, middle = 0, high = 0;
  std::uint64_t checked = 0, inside = 0;  // Intervals whose truth came.
};

// When the limit will be reached: at the earliest (95 of 100 are later), as expected, at the
// latest. Nothing: not within what is forecast.
struct TimeToLimit {
  std::optional<Duration> earliest = {}, expected = {}, latest = {};
  double limit = 0;
};

// From `first` on, one value a step.
struct Course {
  Time first;
  Duration step{};
  std::vector<double> low = {}, middle = {}, high = {};
};

class ForecastBoard {
 public:
  struct Settings {
    std::size_t series_max = 10'000;
    Duration refit_every = std::chrono::hours(1);
    Duration idle_after = std::chrono::days(2);
  };
  using Key = std::pair<std::size_t, Labels>;  // The rule's index, and the labels.

  ForecastBoard(const Rules& rules, const Settings& settings)
      : rules_(rules), settings_(settings) {}

  // A value of the step that `at` lies in; the last one of a step counts. False: turned away, or
  // older than what is kept.
  bool put(std::size_t rule, const Labels& labels, Time at, double value);
  void put_limit(std::size_t rule, const Labels& labels, double limit);

  // Checks what was forecast for the steps that are over, forgets idle series, forecasts those that
  // are due, and writes down what is said now.
  void advance(Time now);

  struct Entry {
    std::vector<HorizonForecast> horizons;
    std::optional<TimeToLimit> to_limit;
    std::vector<std::string> notes;  // Of the forecast.
    std::string trouble;             // Why there is none.
  };
  std::map<Key, Entry> entries(Time now) const;
  std::optional<Course> course(std::size_t rule, const Labels& labels, Time now) const;
  // The newest `slots` values, the step at hand the last of them; NaN: none.
  std::vector<double> past(std::size_t rule, const Labels& labels, Time now,
                           std::size_t slots) const;

  std::size_t size() const { return series_.size(); }
  std::uint64_t turned_away() const { return turned_away_; }

 private:
  struct Issued {
    std::int64_t slot = 0;
    float low = 0, high = 0;
  };
  struct Horizon {
    std::deque<Issued> issued;
    double width = 1;  // What the intervals are multiplied by.
    std::uint64_t checked = 0, inside = 0;
  };
  struct Tracked {
    std::int64_t first_slot = 0;
    std::vector<float> values;  // NaN: none.
    float lowest = 0;
    std::optional<double> limit;
    std::int64_t fitted_slot = -1;  // The last slot that the forecast knew; -1: none yet.
    std::int64_t tried_slot = -1;   // When that was last tried: once a slot is enough.
    std::vector<float> middle, below, above;
    std::vector<Horizon> horizons;
    std::vector<std::string> notes;
    std::string trouble;

    std::int64_t past_slot() const { return first_slot + static_cast<std::int64_t>(values.size()); }
  };

  std::int64_t slot_of(Time at) const;
  std::size_t slots_ahead(const SeriesRule& rule) const;
  void settle(Tracked& tracked, std::int64_t now_slot) const;
  void refit(const SeriesRule& rule, Tracked& tracked, std::int64_t now_slot) const;
  void issue(const SeriesRule& rule, Tracked& tracked, std::int64_t now_slot) const;
  // At `slots` behind the newest slot. Nothing: not forecast so far.
  std::optional<HorizonForecast> at(const Tracked& tracked, std::int64_t slot, double width) const;
  double width_at(const SeriesRule& rule, const Tracked& tracked, std::int64_t slots) const;

  const Rules& rules_;
  const Settings settings_;
  std::map<Key, Tracked> series_;
  std::uint64_t turned_away_ = 0;
};

}  // namespace outrider::forecast
