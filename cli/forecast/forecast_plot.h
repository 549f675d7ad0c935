// SPDX-License-Identifier: Apache-2.0
#pragma once

// A forecast as a picture: the newest history, the forecast, and its intervals as bands. PURE.

#include <string>

#include "cli/forecast/forecast_table.h"

namespace outrider::cli {

// An SVG of one series, with axes; the history shown is three times the horizon, a week at least
// where there is one.
std::string forecast_svg(const std::string& title, const ForecastTable& table,
                         const detectors::forecast::Forecast& forecast);

}  // namespace outrider::cli
