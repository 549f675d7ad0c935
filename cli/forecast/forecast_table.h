// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of `outrider forecast`: rows of time and value in, the rows that go on from them out.
// PURE.
//
// In:  a header line with the columns `timestamp` and `value`; others are ignored. A timestamp is Unix seconds or
//      milliseconds, RFC 3339, "YYYY-MM-DD HH:MM:SS" (UTC) or another form of
//      detectors/timestamp.h, one form a column. An empty value, NaN and an infinity are gaps.
// Out: timestamp,forecast,lower_50,upper_50,… a row a step, timestamps in the form in which they
// came, those with
//      an offset in UTC.

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "detectors/forecast/forecaster.h"

namespace outrider::cli {

// The year 2255: beyond it a Time cannot hold it.
inline constexpr std::int64_t time_ms_max = 9'000'000'000'000;

enum class TimeStyle : std::uint8_t { seconds, milliseconds, blank, letter_t, rfc3339 };

struct ForecastTable {
  detectors::forecast::History history;
  TimeStyle style = TimeStyle::blank;
};

// Errors name the file and, where there is one, the line, and say what to change: those of
// parse_csv, "no_column", "bad_time", "bad_value", "unordered", "duplicate", and those of on_grid.
Result<ForecastTable> parse_forecast_table(const std::string& file, std::string_view text);

std::string format_time(std::int64_t time_ms, TimeStyle style);

std::string forecast_csv(const ForecastTable& table, const detectors::forecast::Forecast& forecast);

// "50", "97.5": a level as columns name it.
std::string level_name(double level);

}  // namespace outrider::cli
