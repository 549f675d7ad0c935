// SPDX-License-Identifier: Apache-2.0
// outrider-sidecar: passes prediction traffic through unchanged, and keeps the monitor beside it alive.

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "base/config/program.h"
#include "sidecar/app.h"
#include "sidecar/monitor_program.h"

namespace {

using namespace outrider;

// Every other command is outrider-monitor's, and so is --help, which tells of all of them.
bool is_elsewhere(const std::vector<std::string>& words) {
  if (!words.empty() && !words.front().starts_with('-') && words.front() != "serve") return true;
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word == "-h" || word == "--help" || word == "--help=markdown";
  });
}

// What serve was called with: the monitor process is started with the same.
std::vector<std::string> options_of(std::vector<std::string> words) {
  if (!words.empty() && words.front() == "serve") words.erase(words.begin());
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (is_elsewhere(words)) {
    const std::string why_not = sidecar::become_monitor_program(argv);
    std::cerr << sidecar::program_name << ": " << why_not << "\n";
    return 1;
  }
  sidecar::Settings settings;
  const auto serve = [&](const config::Positional&) {
    return sidecar::serve(settings, options_of(words));
  };
  return config::run_program(sidecar::program_name, sidecar::program_summary,
                             {sidecar::serve_command(settings, serve)}, argc, argv);
}
