// SPDX-License-Identifier: Apache-2.0
#pragma once

// The forecast of a series: its next values, each with intervals, and in words what it rests on.
//
// Idea. An average of cheap methods (average.h) on a grid of at most 48 slots a season; finer
//   series are averaged over neighbouring slots first, and spread again with the shape that finer
//   phases of the day had. Intervals come from what the very same forecast was worth at earlier
//   origins (interval.h). Forecasts and intervals never fall below 0 where the history never did.
// Counters. A history that only rises, but for resets, is forecast by its increases: the forecast
//   goes on from the last value, and its intervals are those of the sum.
// Short histories fall back: without two weeks there is no week, without two days no day, and
// `notes` says so. A clock change moves the day by an hour against UTC: where the last days fit the
// weeks before better with such a move, the
//   history before it is moved too (clock_shift.h).
// Cost. 207 series of 700 to 960 hourly rows, 48 ahead: see docs/measurements/forecast.md. Memory:
//   about 15 numbers a slot of the coarse grid, 10 000 slots of which are kept at most.
// Fails. What the past does not show: launches, holidays. Series that are random walks have no
//   better forecast than their last value, and this one is a little worse.
//
// PURE, no state: the same history has the same forecast.

#include <string>

#include "detectors/forecast/history.h"
#include "detectors/forecast/season.h"

namespace outrider::detectors::forecast {

inline constexpr std::size_t horizon_max = 20'000;
inline constexpr std::size_t coarse_slots_max = 10'000;

struct Settings {
  std::size_t horizon = 1;                        // 1 to horizon_max.
  std::vector<double> levels = {0.5, 0.9, 0.95};  // Each in (0, 1).
  bool find_seasons = true;
  Seasons seasons;  // Where they are not to be found.
};

struct Band {
  double level = 0;
  std::vector<double> lower, upper;
};

struct Part {
  std::string name;
  double weight = 0;
};

struct Forecast {
  std::vector<double> values;
  std::vector<Band> bands;
  Seasons seasons;
  std::size_t origins = 0;  // At which it was tried.
  std::vector<Part> parts;
  std::vector<std::string>
      notes;  // What the reader should know: short history, a counter, a gap at the end.
};

Forecast forecast(const History& history, const Settings& settings);

}  // namespace outrider::detectors::forecast
