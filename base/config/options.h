// SPDX-License-Identifier: Apache-2.0
#pragma once

// Options are data: name, meaning, example, default and bounds, bound to a variable. The table is
// what --help prints, what docs/ is generated from, and what parses command line, environment and
// YAML.
//
//   Settings settings;
//   OptionTable options;
//   options.add("web.listen-address", settings.listen_address, "Address of the admin API.")
//       .example("0.0.0.0:9501");
//   options.add("tap.max-bytes", settings.tap_bytes, "Ring and capture buffers together.")
//       .as_bytes().between(1 << 20, 1 << 30);
//
// A value comes from, in this order: the command line, the environment
// (OUTRIDER_WEB_LISTEN_ADDRESS), the YAML file named by --config.file (`web: {listen-address: …}`
// or `web.listen-address: …`), the default. Every mistake of all sources is reported, not only the
// first.
//
// An option is defined once, by the room whose setting it is: the room's Settings has the default
// beside the field, and `void add_to(config::OptionTable&)` with the name, the bounds and the text
// (ROOM/options.cpp). A program's table is what its rooms add to it.

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::config {

class Option {
 public:
  Option& example(std::string text);
  Option& value_name(std::string name);  // "HOST:PORT"; shown by --help.
  Option& required();                    // A mistake when no source names it.
  Option& secret();                      // Never printed.
  Option& short_name(char letter);       // "-f".
  Option& between(double low,
                  double high);        // Numbers, bytes (in bytes) and durations (in seconds).
  Option& at_most(std::size_t items);  // Of a list of numbers.
  Option& one_of(std::vector<std::string> choices);
  Option& as_bytes();  // An integer written "32MiB".
  Option& as_url();    // Must begin with http://, https:// (or unix:).
  Option&
  as_word();  // Visible ASCII without blanks, as goes into a line of a protocol; or nothing.

  std::string name;
  std::string description;
  std::string example_text;
  std::string default_text;  // "" when there is none.
  std::string value_text;    // What kind of value; empty for a switch.
  std::string bounds_text;   // "1 to 65535"; empty when unbounded.
  char letter = 0;
  bool is_switch = false;
  bool is_list = false;
  bool is_required = false;
  bool is_secret = false;

 private:
  friend class OptionTable;
  // Assigns the text; on a bad one, says what was expected and assigns nothing.
  using Assign = std::function<std::optional<std::string>(std::string_view)>;
  Assign assign_;
  std::function<void()> clear_list_ = [] {};
  double low_ = -std::numeric_limits<double>::infinity();
  double high_ = std::numeric_limits<double>::infinity();
  std::size_t items_max_ = std::numeric_limits<std::size_t>::max();
  std::vector<std::string> choices_;
  bool bytes_ = false;
  bool url_ = false;
  bool word_ = false;
  std::function<std::string()> print_default_ = [] { return std::string(); };
};

class OptionTable {
 public:
  OptionTable();

  // The variable's value when added is the default. The variable must outlive the table.
  Option& add(std::string name, std::string& target, std::string description);
  Option& add(std::string name, int& target, std::string description);
  Option& add(std::string name, std::int64_t& target, std::string description);
  Option& add(std::string name, std::uint64_t& target, std::string description);  // std::size_t too
  Option& add(std::string name, double& target, std::string description);
  Option& add(std::string name, bool& target,
              std::string description);  // A switch; --no-NAME undoes it.
  Option& add(std::string name, Duration& target, std::string description);
  Option& add(std::string name, std::vector<std::string>& target,
              std::string description);  // Repeatable.
  // Ascending numbers, "0.1,0.5,1"; in YAML a list, too. At least one.
  Option& add(std::string name, std::vector<double>& target, std::string description);

  using Environment = std::function<const char*(const char* name)>;

  // Assigns all options. Positional arguments come back; every mistake is in the error's message,
  // one a line ("option=value: expected …"), code "bad_options".
  Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments,
                                         const Environment& environment);

  std::string help() const;      // As Boost.Program_options prints it.
  std::string markdown() const;  // A table for docs/reference/configuration.md.
  const std::deque<Option>& options() const { return options_; }

 private:
  Option& add_option(std::string name, std::string description, Option::Assign assign,
                     std::function<std::string()> print_default);
  template <class Whole>
  Option& add_whole(std::string name, Whole& target, std::string description);
  Option* find(std::string_view name);

  // What one source says: option name -> values, with a word for where it was said.
  struct Said {
    std::vector<std::string> values;
    std::string where;
  };
  using Sayings = std::map<std::string, Said>;
  std::vector<std::string> take_switches(const std::vector<std::string>& arguments, Sayings& said);
  void read_command_line(const std::vector<std::string>& arguments, Sayings& said,
                         std::vector<std::string>& positional, std::vector<std::string>& mistakes);
  void read_file(const std::string& path, Sayings& said, std::vector<std::string>& mistakes);

  std::deque<Option> options_;  // A deque: references to options stay valid.
  std::string config_file_;
};

// The environment variable of an option: "web.listen-address" -> "OUTRIDER_WEB_LISTEN_ADDRESS".
std::string environment_name(std::string_view option);

}  // namespace outrider::config
