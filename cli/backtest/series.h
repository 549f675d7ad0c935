// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider backtest --input FILE …`, or `--prometheus URL --query PROMQL …`: what the series score
// that the agent runs (detectors/series_score.h) would have said of recorded series.

#include <chrono>
#include <string>

#include "agent/series/alert_budget.h"
#include "base/config/options.h"
#include "base/core/clock.h"

namespace outrider::cli {

struct SeriesBacktest {
  std::string input;  // A CSV file, or a folder of such files.
  std::string output;
  std::string prometheus;  // A URL, instead of files.
  std::string query;
  std::string start;
  std::string end = "now";
  Duration step = std::chrono::minutes(1);
  double threshold = series::default_threshold;
  double budget = 0;  // Anomalies a week; 0: `threshold` holds.
  std::string plot;
  bool show = false;

  // True where an option of series was given that says what to read.
  bool is_wanted() const { return !input.empty() || !prometheus.empty() || !query.empty(); }
};

void add_series_options(config::OptionTable& options, SeriesBacktest& wanted);

// Exit status: 0; 1 where a file could not be judged, with the reason on standard error; 2 wrongly
// called. Throws std::runtime_error for what stops all of it: an output that cannot be written, a
// Prometheus that does not answer.
int backtest_series(const SeriesBacktest& wanted);

}  // namespace outrider::cli
