// SPDX-License-Identifier: Apache-2.0
#pragma once

// A replay in words and as JSON. PURE.

#include <string>

#include "agent/forecast/replay.h"

namespace outrider::cli {

inline constexpr std::size_t ahead_courses_max = 200;  // Of series, in the JSON.

// What a series or service of a rule is called: rule{label="value"}.
std::string replayed_name(const std::string& rule, const Labels& labels);

// For people: forecasts by rule and horizon, each alert, each service's replicas.
std::string ahead_table(const forecast::Replayed& told, const forecast::Rules& rules,
                        const forecast::ReplaySettings& settings);

// {"from", "to", "series": [{"forecast", "labels", "horizons": [{"horizon_seconds", "checked",
// "inside", "mase", "naive_mase"}], "anomalies": [time], "full": [alert], "trouble", "course":
// [{"at", "value", "low", "expected", "high"}]}], "capacity": [{"capacity", "labels", "replica",
// "alerts", "checks", "replica_hours": {"had", "wanted"}, "steps": {"known", "short"},
// "cold_start": {"replica_hours", "checked", "outgrown", "expected"}, "course": [{"at", "load",
// "replicas", "now", "cold_start", "ahead"}]}]}; an alert is {"fired", "ended", "came"}, null where
// that was not within the range. Series have a course as those of the picture have a band,
// ahead_courses_max of them.
std::string ahead_json(const forecast::Replayed& told, const forecast::Rules& rules,
                       const forecast::ReplaySettings& settings);

}  // namespace outrider::cli
