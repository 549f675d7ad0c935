// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider backtest --errors FILE …`: what the accuracy alarm would have said to a stream of
// errors that somebody recorded. It runs the e-detector that serves (detectors/e_detector.h).
//
// FILE is a CSV with a column `error`: 0 for a right prediction, 1 for a wrong one, in the order in
// which the labels came. p0 = reference error rate + slack; rows count from 0; one row an alarm;
// the detector starts anew after it. The whole file is never in memory.

#include <cstdint>
#include <istream>
#include <limits>
#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/result.h"
#include "detectors/e_detector.h"

namespace outrider::cli {

struct ErrorBacktest {
  std::string errors;                                                      // The file.
  double reference_error_rate = std::numeric_limits<double>::quiet_NaN();  // Required.
  double alarm_run_length = 1e6;
  double slack = 0.01;
};

struct ErrorAlarm {
  std::uint64_t row = 0;
  detectors::ChangeEstimate change;  // Its `first` is a row.
};

struct ErrorAlarms {
  std::uint64_t rows = 0;
  std::vector<ErrorAlarm> alarms;
};

// Errors: csv_* (with the line), "no_error_column", "bad_error" (a cell that is no 0 or 1, an empty
// line), "no_rows", and those of EDetector::make.
Result<ErrorAlarms> find_error_alarms(std::istream& file, const ErrorBacktest& settings);

// --errors, --reference-error-rate, --alarm-run-length, --slack.
void add_error_options(config::OptionTable& options, ErrorBacktest& settings);

// Prints {"alarms": [row, …]} or a table. Exit status: 0, or 1 with the reason on standard error; 2
// without --reference-error-rate.
int backtest_errors(const ErrorBacktest& settings, bool json);

}  // namespace outrider::cli
