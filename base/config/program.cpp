// SPDX-License-Identifier: Apache-2.0
#include "base/config/program.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "base/config/log.h"
#include "base/core/text.h"
#include "base/core/version.h"

namespace outrider::config {
namespace {

bool is_group(const Command& command) {
  return command.name.find(' ') != std::string::npos;
}

bool is_default(const Command& command, const std::vector<Command>& commands) {
  return &command == &commands.front() && !is_group(command);
}

// Takes the name off the arguments where they begin with it.
bool take_name(const std::string& name, std::vector<std::string>& arguments) {
  const auto words = split(name, ' ');
  if (words.size() > arguments.size() ||
      !std::equal(words.begin(), words.end(), arguments.begin())) {
    return false;
  }
  arguments.erase(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(words.size()));
  return true;
}

void print_help(const std::string& program, const std::string& summary,
                const std::vector<Command>& commands, const Command* chosen) {
  std::cout << program << ": " << summary << "\n\n";
  if (!chosen) {
    std::cout << "Commands:\n";
    for (const Command& command : commands) {
      std::cout << "  " << command.name << (is_default(command, commands) ? " (default)" : "")
                << ": " << command.summary << "\n";
    }
    std::cout << "\n" << program << " COMMAND --help tells a command's options.\n";
    if (!is_default(commands.front(), commands)) return;
    if (commands.size() > 1) std::cout << "\nOptions of " << commands.front().name << ":\n";
    std::cout << commands.front().options->help();
    return;
  }
  std::cout << "Usage: " << program << " " << chosen->name
            << (chosen->positional.empty() ? "" : " " + chosen->positional) << " [options]\n  "
            << chosen->summary << "\n\n"
            << chosen->options->help();
}

// All commands at once, for docs/reference/configuration.md.
void print_markdown(const std::string& program, const std::string& summary,
                    const std::vector<Command>& commands) {
  std::cout << "## " << program << "\n\n"
            << summary
            << " Every command takes `--help`, `--version`,\n`--log.level "
               "debug|info|warn|error` and `--log.format logfmt|json` too.\n";
  const OptionTable* shown = nullptr;
  for (const Command& command : commands) {
    std::cout << "\n### " << program << " " << command.name
              << (command.positional.empty() ? "" : " " + command.positional) << "\n\n"
              << command.summary << (is_default(command, commands) ? " The default command." : "");
    if (command.options.get() == shown) {
      std::cout << " Its options are those of the command before.\n";
    } else {
      std::cout << "\n\n" << command.options->markdown();
    }
    shown = command.options.get();
  }
}

}  // namespace

int run_program(const std::string& name, const std::string& summary, std::vector<Command> commands,
                int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  Command* chosen = &commands.front();
  bool named = false;
  if (!arguments.empty() && !arguments.front().starts_with('-')) {
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
      return take_name(command.name, arguments);
    });
    named = found != commands.end();
    if (!named) {
      std::cerr << name << ": '" << arguments.front() << "' is no command; see " << name
                << " --help\n";
      return 2;
    }
    chosen = &*found;
  }

  LogOptions log;
  if (arguments == std::vector<std::string>{"--help=markdown"}) {
    print_markdown(name, summary, commands);
    return 0;
  }
  chosen->options->add("log.level", log.level, "What to log.")
      .one_of({"debug", "info", "warn", "error"});
  chosen->options->add("log.format", log.format, "How to log.").one_of({"logfmt", "json"});
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      print_help(name, summary, commands, named ? chosen : nullptr);
      return 0;
    }
    if (argument == "--version") {
      std::cout << version_line(name) << "\n";
      return 0;
    }
  }
  if (!named && is_group(*chosen)) {
    print_help(name, summary, commands, nullptr);
    return 2;
  }
  const auto positional =
      chosen->options->parse(arguments, [](const char* key) { return std::getenv(key); });
  if (!positional) {
    std::cerr << positional.error().message << "\n" << name << ": see --help for every option\n";
    return 2;
  }
  if (positional->size() > chosen->positional_max) {
    std::cerr << name << " " << chosen->name << ": unexpected argument '"
              << (*positional)[chosen->positional_max] << "'; see --help\n";
    return 2;
  }
  start_log(name, log);
  try {
    return chosen->run(*positional);
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
    return 1;
  }
}

}  // namespace outrider::config
