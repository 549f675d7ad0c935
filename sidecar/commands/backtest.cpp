// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>

#include "sidecar/commands/backtest_drift.h"
#include "sidecar/commands/backtest_errors.h"
#include "sidecar/commands/commands.h"

namespace outrider::sidecar {
namespace {

struct Backtest {
  DriftBacktest drift;
  ErrorBacktest errors;
  bool json = false;
  config::OptionTable options;
};

int run(const Backtest& backtest) {
  const bool drift = !backtest.drift.reference.empty() || !backtest.drift.data.empty();
  if (drift && !backtest.errors.errors.empty()) {
    std::cerr << "errors: expected either --errors, or --reference and --data; see --help\n";
    return 2;
  }
  if (!backtest.errors.errors.empty()) return backtest_errors(backtest.errors, backtest.json);
  return print_drift_backtest(backtest.drift, backtest.json);
}

}  // namespace

config::Command backtest_command() {
  const auto backtest = std::make_shared<Backtest>();
  add_drift_options(backtest->options, backtest->drift);
  add_error_options(backtest->options, backtest->errors);
  backtest->options.add("json", backtest->json, "Print one JSON object instead of a table.");
  return {"backtest", "Runs the detectors that serve over a recorded file.", "",
          std::shared_ptr<config::OptionTable>(backtest, &backtest->options),
          [backtest](const config::Positional&) { return run(*backtest); }};
}

}  // namespace outrider::sidecar
