// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>

#include "sidecar/commands/backtest_errors.h"
#include "sidecar/commands/commands.h"

namespace outrider::sidecar {
namespace {

struct Backtest {
  ErrorBacktest errors;
  bool json = false;
  config::OptionTable options;
};

}  // namespace

config::Command backtest_command() {
  const auto backtest = std::make_shared<Backtest>();
  add_error_options(backtest->options, backtest->errors);
  backtest->options.add("json", backtest->json, "Print one JSON object instead of a table.");
  const auto run = [backtest](const config::Positional&) {
    if (backtest->errors.errors.empty()) {
      std::cerr << "errors: required; see --help\n";
      return 2;
    }
    return backtest_errors(backtest->errors, backtest->json);
  };
  return {"backtest", "Runs the detectors that serve over a recorded file.", "",
          std::shared_ptr<config::OptionTable>(backtest, &backtest->options), run};
}

}  // namespace outrider::sidecar
