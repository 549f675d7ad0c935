// SPDX-License-Identifier: Apache-2.0
#include "agent/app.h"
#include "agent/backtest/command.h"
#include "base/config/program.h"

int main(int argc, char** argv) {
  using namespace outrider;
  AgentSettings settings;
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, settings);
  const config::Command serve{
      .name = "serve",
      .summary = "Takes in alerts, files incidents, acts as the policy allows.",
      .positional = "",
      .options = options,
      .run = [&settings](const config::Positional&) { return run_agent(settings); }};
  return config::run_program("outrider-agent",
                             "Watches a fleet of models and asks for the right action.",
                             {serve, backtest::command()}, argc, argv);
}
