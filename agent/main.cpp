// SPDX-License-Identifier: Apache-2.0
#include "agent/app.h"
#include "agent/commands.h"
#include "base/config/program.h"
#include "base/config/sibling_program.h"

int main(int argc, char** argv) {
  using namespace outrider;
  constexpr char name[] = "outrider-agent";
  if (config::moved_to_outrider({"backtest"}, argc, argv)) {
    return config::go_on_as_outrider(name, argv);
  }
  AgentSettings settings;
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, settings);
  const config::Command serve{
      .name = "serve",
      .summary = "Takes in alerts, files incidents, acts as the policy allows.",
      .positional = "",
      .options = options,
      .run = [&settings](const config::Positional&) { return run_agent(settings); }};
  return config::run_program(name, "Watches a fleet of models and asks for the right action.",
                             {serve, policy_test_command(), journal_export_command()}, argc, argv);
}
