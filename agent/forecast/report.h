// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the boards say, as JSON for GET /api/v1/forecasts. PURE.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/forecast/capacity_board.h"
#include "agent/forecast/forecast_board.h"

namespace outrider::forecast {

// A series as it was, up to the step at hand, and as it is forecast from the next one on.
struct Shown {
  static constexpr std::size_t points_max = 96;  // Of each; longer forecasts are thinned.
  Time past_from;
  Duration past_step{};
  std::vector<double> past;  // NaN: none.
  Course ahead;
};

struct Said {
  Time at;
  std::map<ForecastBoard::Key, ForecastBoard::Entry> series;
  std::map<ForecastBoard::Key, Shown> shown = {};  // Of those that is_shown().
  std::map<CapacityBoard::Key, Advice> capacity;
  std::uint64_t turned_away = 0;
};

// {"at", "series": [{"forecast", "labels", "horizons": [{"horizon_seconds", "low", "expected",
// "high", "checked", "inside"}], "to_limit_seconds": {…}, "notes", "trouble"}], "capacity": [{…}]}.
std::string to_json(const Said& said, const Rules& rules);
// Of the series and services whose labels are `wanted` alone, each with its "course": {"from",
// "step_seconds", "expected", "low", "high", "past_from", "past_step_seconds", "past"}, null
// where there was nothing.
using Wanted = std::function<bool(const Labels&)>;
std::string to_json(const Said& said, const Rules& rules, const Wanted& wanted);

// Whose course is kept for pictures: what names a model, a service's load, and what has a limit.
bool is_shown(const ForecastBoard::Key& key, const Rules& rules);
// Nothing where it is not forecast.
std::optional<Shown> shown(const ForecastBoard& board, const ForecastBoard::Key& key,
                           const Rules& rules, Time now);

}  // namespace outrider::forecast
