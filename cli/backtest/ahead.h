// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider backtest --prometheus URL --from TIME`: what the agent would have forecast, alerted and
// scaled over a range that Prometheus still knows (agent/forecast/replay.h), beside what came.

#include <chrono>
#include <string>

#include "base/config/options.h"
#include "base/core/clock.h"
#include "cli/backtest/series.h"

namespace outrider::cli {

struct AheadBacktest {
  std::string rules;  // --forecast.rules; empty: what the agent forecasts by itself.
  Duration learn_from = std::chrono::days(3);
};

void add_ahead_options(config::OptionTable& options, AheadBacktest& wanted);

// Takes --prometheus, --start, --end, --output, --plot and --threshold of `series`. Exit status: 0;
// 2 wrongly called. Throws std::runtime_error for rules with mistakes, a Prometheus that does not
// answer or has nothing, and an output that cannot be written.
int backtest_ahead(const SeriesBacktest& series, const AheadBacktest& wanted, bool json);

}  // namespace outrider::cli
