// SPDX-License-Identifier: Apache-2.0
// `outrider backtest`: what would have been said of a recorded file, by the detectors that serve.
// Its options tell what is judged: drift, the errors of a model, series, or what looks ahead.
#include <iostream>
#include <memory>

#include "cli/backtest/ahead.h"
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
  AheadBacktest ahead;
  bool json = false;
  config::OptionTable options;
};

int run(const Backtest& wanted) {
  const bool drift = !wanted.drift.reference.empty() || !wanted.drift.data.empty();
  const bool errors = !wanted.errors.errors.empty();
  const bool ahead = !wanted.series.prometheus.empty() && wanted.series.query.empty();
  const bool series = !ahead && wanted.series.is_wanted();
  if (drift + errors + series + ahead != 1) {
    std::cerr << "backtest: expected one of --reference and --data (drift), --errors (the accuracy "
                 "alarm), --input, or "
                 "--prometheus and --query (series), or --prometheus and --from (what the agent "
                 "would have "
                 "forecast, alerted and scaled); see --help\n";
    return 2;
  }
  if (errors) return backtest_errors(wanted.errors, wanted.json);
  if (series) return backtest_series(wanted.series);
  if (ahead) return backtest_ahead(wanted.series, wanted.ahead, wanted.json);
  return print_drift_backtest(wanted.drift, wanted.json);
}

}  // namespace

config::Command backtest_command() {
  const auto wanted = std::make_shared<Backtest>();
  add_drift_options(wanted->options, wanted->drift);
  add_error_options(wanted->options, wanted->errors);
  wanted->options.add("json", wanted->json,
                      "Print one JSON object instead of a table; not of series.");
  add_series_options(wanted->options, wanted->series);
  add_ahead_options(wanted->options, wanted->ahead);
  return {
      "backtest",
      "Runs the detectors that serve over what was recorded: what would have fired, been forecast, "
      "scaled?",
      "", std::shared_ptr<config::OptionTable>(wanted, &wanted->options),
      [wanted](const config::Positional&) { return run(*wanted); }};
}

}  // namespace outrider::cli
