// SPDX-License-Identifier: Apache-2.0
// `outrider inspect reference.json`: a reference as text histograms.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/config/yaml.h"
#include "cli/commands.h"
#include "reference/histogram_text.h"
#include "reference/reference_json.h"

namespace outrider::cli {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
  return std::clamp<std::size_t>(size.ws_col, 60, 160);
}

int inspect(const config::Positional& files) {
  if (files.empty()) {
    std::cerr << "inspect: expected a file: outrider inspect reference.json\n";
    return 2;
  }
  const auto text = config::read_file(files.front(), reference::bytes_max);
  if (!text) {
    std::cerr << text.error().message << "\n";
    return 1;
  }
  const auto parsed = reference::parse(*text);
  if (!parsed) {
    std::cerr << files.front() << ": " << parsed.error().message << "\n";
    return 1;
  }
  std::cout << reference::describe(*parsed, terminal_width());
  return 0;
}

}  // namespace

config::Command inspect_command() {
  return {"inspect", "Shows a reference.json as text histograms.",
          "FILE",    std::make_shared<config::OptionTable>(),
          inspect,   1};
}

}  // namespace outrider::cli
