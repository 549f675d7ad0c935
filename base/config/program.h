// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program with commands: `outrider-agent serve …`. The first command is the default. --help,
// --version and the logging options are the same everywhere; --help=markdown prints all commands
// and options for docs/reference/configuration.md. Exit status: 0 done, 1 failed, 2 wrongly called.
//
// A command of a group has two words as its name ("labels import"). Where the first command has,
// there is no default.
//
//   int main(int argc, char** argv) {
//     return config::run_program("outrider-agent", "Watches a fleet of models.",
//                                {serve_command(), backtest_command()}, argc, argv);
//   }

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/config/options.h"

namespace outrider::config {

using Positional = std::vector<std::string>;

struct Command {
  std::string name;
  std::string summary;
  std::string positional;  // How --help shows positional arguments: "list|show VERSION".
  std::shared_ptr<OptionTable> options;  // Bound to a settings object that `run` keeps alive.
  std::function<int(const Positional&)> run;
  std::size_t positional_max = 0;
};

// What `run` throws is printed and makes exit status 1.
int run_program(const std::string& name, const std::string& summary, std::vector<Command> commands,
                int argc, char** argv);

}  // namespace outrider::config
