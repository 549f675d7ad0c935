// SPDX-License-Identifier: Apache-2.0
// `outrider backtest`: what would have been said of a recorded file, by the detectors that serve.
// Its options tell what is judged: drift, the errors of a model, or series.
#include <iostream>
#include <memory>

#include "cli/backtest/drift.h"
#include "cli/backtest/errors.h"
#include "cli/backtest/series.h"
#include "cli/commands.h"

namespace outrider::cli {
namespace {

struct Backtest {
  DriftBacktest drift;
  ErrorBacktest errors;
  SeriesBacktest series;
  bool json = false;
  config::OptionTable options;
};

int run(const Backtest& wanted) {
  const bool drift = !wanted.drift.reference.empty() || !wanted.drift.data.empty();
  const bool errors = !wanted.errors.errors.empty();
  const bool series = wanted.series.is_wanted();
  if (drift + errors + series != 1) {
    std::cerr << "backtest: expected one of --reference and --data (drift), --errors (the accuracy "
                 "alarm), --input, or "
                 "--prometheus and --query (series); see --help\n";
    return 2;
  }
  if (errors) return backtest_errors(wanted.errors, wanted.json);
  if (series) return backtest_series(wanted.series);
  return print_drift_backtest(wanted.drift, wanted.json);
}

}  // namespace

config::Command backtest_command() {
  const auto wanted = std::make_shared<Backtest>();
  add_drift_options(wanted->options, wanted->drift);
  add_error_options(wanted->options, wanted->errors);
  wanted->options.add("json", wanted->json,
                      "Drift and errors: print one JSON object instead of a table.");
  add_series_options(wanted->options, wanted->series);
  return {
      "backtest",
      "Runs the detectors that serve over recorded rows, errors or series: what would have fired?",
      "", std::shared_ptr<config::OptionTable>(wanted, &wanted->options),
      [wanted](const config::Positional&) { return run(*wanted); }};
}

}  // namespace outrider::cli
