// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the boards say, as JSON for GET /api/v1/forecasts. PURE.

#include <string>

#include "agent/forecast/capacity_board.h"
#include "agent/forecast/forecast_board.h"

namespace outrider::forecast {

struct Said {
  Time at;
  std::map<ForecastBoard::Key, ForecastBoard::Entry> series;
  std::map<CapacityBoard::Key, Advice> capacity;
  std::uint64_t turned_away = 0;
};

// {"at", "series": [{"forecast", "labels", "horizons": [{"horizon_seconds", "low", "expected",
// "high", "checked", "inside"}], "to_limit_seconds": {…}, "notes", "trouble"}], "capacity": [{…}]}.
std::string to_json(const Said& said, const Rules& rules);

}  // namespace outrider::forecast
