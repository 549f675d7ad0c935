// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider backtest --reference FILE --data FILE …`: recorded rows through the very code that
// serves (detectors/version_watch.h, detectors/e_detector.h).
//
// Without a time column all rows are one pane, and its judgement is final; an alarm's row is then
// the last one. With one, rows go through five-minute panes, early looks and the 2-of-3 rule, and
// an alarm's row is the last before the judgement that raised it. Values that fail a check raise
// alarms of their own, as live (backtest_quality.h). Rows count from 0. Given predictions and
// truths, the accuracy alarm runs over them too (subject "accuracy").
//
// The file is read twice: its columns decide how their numbers and times are written
// (detectors/column_numbers.h, timestamp.h).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/result.h"
#include "cli/backtest/quality.h"
#include "detectors/version_watch.h"
#include "reference/model_reference.h"

namespace outrider::cli {

struct DriftBacktest {
  std::string reference;  // Files.
  std::string data;
  std::string prediction;  // Columns; "" for none.
  std::string target;
  std::string score;
  std::string time;
};

struct DriftAlarm {
  std::uint64_t row = 0;
  std::string subject;
};

struct DriftReport {
  std::uint64_t rows = 0;
  std::vector<detectors::Verdict> subjects;
  std::vector<DriftAlarm> alarms;
  std::vector<QualityAlarm> quality_alarms;
  std::vector<std::pair<std::string, detectors::Quality>> quality;  // By feature.
  std::uint64_t scored_rows = 0;
  std::uint64_t unusual_rows = 0;            // Conformal p <= 0.001.
  std::optional<double> accuracy;            // Of rows with a truth.
  std::optional<double> accuracy_estimated;  // From scores alone.
  std::optional<double> accuracy_reference;
  std::vector<std::string> absent;  // Features that the data has no column for.
};

// Errors: "cannot_read", those of reference::parse and of TableReader, "unknown_column", "no_rows",
// "bad_time", "ambiguous_numbers".
Result<DriftReport> backtest_drift(const DriftBacktest& wanted);

// --reference, --data, --prediction, --target, --score, --time.
void add_drift_options(config::OptionTable& options, DriftBacktest& wanted);

// Prints one JSON object or a table. Exit status: 0; 1 with the reason on standard error; 2 wrongly
// called.
int print_drift_backtest(const DriftBacktest& wanted, bool json);

}  // namespace outrider::cli
