// SPDX-License-Identifier: Apache-2.0
// outrider-sidecar: passes prediction traffic through unchanged, and keeps the monitor beside it
// alive.

#include <algorithm>
#include <string>
#include <vector>

#include "base/config/program.h"
#include "base/config/sibling_program.h"
#include "sidecar/proxy/app.h"

namespace {

using namespace outrider;

// What serve was called with: the monitor process is started with the same.
std::vector<std::string> options_of(std::vector<std::string> words) {
  if (!words.empty() && words.front() == "serve") words.erase(words.begin());
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  if (config::moved_to_outrider({"profile", "inspect", "backtest", "inject"}, argc, argv)) {
    return config::go_on_as_outrider(sidecar::program_name, argv);
  }
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  sidecar::Settings settings;
  const auto serve = [&](const config::Positional&) {
    return sidecar::serve(settings, options_of(words));
  };
  return config::run_program(sidecar::program_name, sidecar::program_summary,
                             {sidecar::serve_command(settings, serve)}, argc, argv);
}
