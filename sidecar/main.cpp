// SPDX-License-Identifier: Apache-2.0
// outrider-sidecar: passes prediction traffic through unchanged and tells how the model is doing.

#include <string>
#include <vector>

#include "base/config/program.h"
#include "sidecar/app.h"
#include "sidecar/commands/commands.h"

namespace {

using namespace outrider;

// What serve was called with: the monitor process is started with the same.
std::vector<std::string> options_of(int argc, char** argv) {
  const int first = argc > 1 && argv[1][0] != '-' ? 2 : 1;
  return {argv + std::min(first, argc), argv + argc};
}

}  // namespace

int main(int argc, char** argv) {
  sidecar::Settings settings;
  const auto options = sidecar::option_table(settings);
  const config::Command serve{
      "serve", "Proxies to the model server and monitors it.", "", options,
      [&](const config::Positional&) { return sidecar::serve(settings, options_of(argc, argv)); }};
  const config::Command monitor{
      "monitor", "The monitoring half, which serve starts itself.", "", options,
      [&](const config::Positional&) { return sidecar::monitor(settings); }};
  return config::run_program(
      "outrider-sidecar", "Rides beside a live model and watches it.",
      {serve, monitor, sidecar::profile_command(), sidecar::inspect_command(),
       sidecar::backtest_command(), sidecar::inject_command()},
      argc, argv);
}
