// SPDX-License-Identifier: Apache-2.0
#include "base/config/options.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <map>
#include <sstream>
#include <utility>

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::config {
namespace po = boost::program_options;
namespace {

std::string mistake(std::string_view name, std::string_view value, std::string_view expected,
                    std::string_view where) {
  return std::string(name) + "=" + std::string(value) + ": " + std::string(expected) +
         (where.empty() ? "" : " (" + std::string(where) + ")");
}

po::options_description describe(const std::deque<Option>& options) {
  po::options_description description("Options");
  auto add = description.add_options();
  for (const Option& option : options) {
    std::string names = option.name;
    if (option.letter) names += std::string(",") + option.letter;
    std::string text = option.description;
    if (!option.bounds_text.empty()) text += " (" + option.bounds_text + ")";
    if (!option.example_text.empty()) text += " Example: " + option.example_text;
    if (option.is_switch) {
      add(names.c_str(), text.c_str());
    } else {
      auto* value = po::value<std::vector<std::string>>()->value_name(
          option.value_text + (option.default_text.empty() || option.is_secret
                                   ? ""
                                   : " (=" + option.default_text + ")"));
      add(names.c_str(), value, text.c_str());
    }
  }
  return description;
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on" || text == "1" || text.empty()) return true;
  if (text == "false" || text == "no" || text == "off" || text == "0") return false;
  return std::nullopt;
}

}  // namespace

Option& Option::example(std::string text) {
  example_text = std::move(text);
  return *this;
}
Option& Option::value_name(std::string text) {
  value_text = std::move(text);
  return *this;
}
Option& Option::required() {
  is_required = true;
  default_text.clear();
  return *this;
}
Option& Option::secret() {
  is_secret = true;
  return *this;
}
Option& Option::short_name(char c) {
  letter = c;
  return *this;
}
Option& Option::between(double low, double high) {
  low_ = low;
  high_ = high;
  const auto show = [this](double value) {
    if (bytes_) return format_bytes(static_cast<std::uint64_t>(value));
    if (value_text == "DURATION") return format_duration(from_seconds(value));
    return format_double(value);
  };
  bounds_text = show(low) + " to " + show(high);
  return *this;
}
Option& Option::at_most(std::size_t items) {
  items_max_ = items;
  bounds_text += (bounds_text.empty() ? "" : ", ") + ("at most " + std::to_string(items));
  return *this;
}
Option& Option::one_of(std::vector<std::string> choices) {
  choices_ = std::move(choices);
  bounds_text = "one of";
  for (const std::string& choice : choices_) bounds_text += " " + choice;
  return *this;
}
Option& Option::as_bytes() {
  bytes_ = true;
  value_text = "BYTES";
  default_text = print_default_();
  return *this;
}
Option& Option::as_url() {
  url_ = true;
  value_text = "URL";
  return *this;
}
Option& Option::as_word() {
  word_ = true;
  return *this;
}

OptionTable::OptionTable() {
  add("config.file", config_file_, "YAML file with any of these options.").value_name("FILE");
}

Option& OptionTable::add_option(std::string name, std::string description, Option::Assign assign,
                                std::function<std::string()> print_default) {
  Option& option = options_.emplace_back();
  option.name = std::move(name);
  option.description = std::move(description);
  option.assign_ = std::move(assign);
  option.print_default_ = std::move(print_default);
  option.value_text = "TEXT";
  option.default_text = option.print_default_();
  return option;
}

Option& OptionTable::add(std::string name, std::string& target, std::string description) {
  const auto index = options_.size();
  return add_option(
      std::move(name), std::move(description),
      [this, index, &target](std::string_view text) -> std::optional<std::string> {
        const Option& option = options_[index];
        if (!option.choices_.empty() && std::find(option.choices_.begin(), option.choices_.end(),
                                                  text) == option.choices_.end()) {
          return "expected " + option.bounds_text;
        }
        if (option.url_ && !text.starts_with("http://") && !text.starts_with("https://") &&
            !text.starts_with("unix:")) {
          return "expected http://HOST[:PORT][/PATH], https://… or unix:PATH";
        }
        const auto is_visible = [](char c) { return c > ' ' && c <= '~'; };
        if (option.word_ && !std::all_of(text.begin(), text.end(), is_visible))
          return "expected one word of visible ASCII characters";
        target = text;
        return std::nullopt;
      },
      [&target] { return target; });
}

template <class Whole>
Option& OptionTable::add_whole(std::string name, Whole& target, std::string description) {
  const auto index = options_.size();
  Option& added = add_option(
      std::move(name), std::move(description),
      [this, index, &target](std::string_view text) -> std::optional<std::string> {
        const Option& option = options_[index];
        std::optional<std::int64_t> value = parse_int(text);
        if (option.bytes_) {
          const auto bytes = parse_bytes(text);
          value =
              bytes ? std::optional<std::int64_t>(static_cast<std::int64_t>(*bytes)) : std::nullopt;
        }
        const auto number = static_cast<double>(value.value_or(0));
        if (!value || !std::in_range<Whole>(*value) || number < option.low_ ||
            number > option.high_) {
          return (option.bytes_ ? "expected a size such as 32MiB" : "expected a whole number") +
                 (option.bounds_text.empty() ? "" : ", " + option.bounds_text);
        }
        target = static_cast<Whole>(*value);
        return std::nullopt;
      },
      [this, index, &target] {
        return index < options_.size() && options_[index].bytes_
                   ? format_bytes(static_cast<std::uint64_t>(target))
                   : std::to_string(target);
      });
  added.value_text = "NUMBER";
  return added;
}

Option& OptionTable::add(std::string name, int& target, std::string description) {
  return add_whole(std::move(name), target, std::move(description));
}
Option& OptionTable::add(std::string name, std::int64_t& target, std::string description) {
  return add_whole(std::move(name), target, std::move(description));
}
Option& OptionTable::add(std::string name, std::uint64_t& target, std::string description) {
  return add_whole(std::move(name), target, std::move(description));
}

Option& OptionTable::add(std::string name, double& target, std::string description) {
  const auto index = options_.size();
  Option& added = add_option(
      std::move(name), std::move(description),
      [this, index, &target](std::string_view text) -> std::optional<std::string> {
        const Option& option = options_[index];
        const auto value = parse_double(text);
        if (!value || !(*value >= option.low_ && *value <= option.high_)) {
          return "expected a number" +
                 (option.bounds_text.empty() ? "" : ", " + option.bounds_text);
        }
        target = *value;
        return std::nullopt;
      },
      [&target] { return format_double(target); });
  added.value_text = "NUMBER";
  return added;
}

Option& OptionTable::add(std::string name, bool& target, std::string description) {
  Option& added = add_option(
      std::move(name), std::move(description),
      [&target](std::string_view text) -> std::optional<std::string> {
        const auto value = parse_switch(text);
        if (!value) return "expected true or false";
        target = *value;
        return std::nullopt;
      },
      [&target] { return target ? "true" : "false"; });
  added.is_switch = true;
  added.value_text.clear();
  return added;
}

Option& OptionTable::add(std::string name, Duration& target, std::string description) {
  const auto index = options_.size();
  Option& added = add_option(
      std::move(name), std::move(description),
      [this, index, &target](std::string_view text) -> std::optional<std::string> {
        const Option& option = options_[index];
        const auto value = parse_duration(text);
        const double seconds = value ? to_seconds(*value) : 0;
        if (!value || seconds < option.low_ || seconds > option.high_) {
          return "expected a duration such as 30s, 5m or 24h" +
                 (option.bounds_text.empty() ? "" : ", " + option.bounds_text);
        }
        target = *value;
        return std::nullopt;
      },
      [&target] { return format_duration(target); });
  added.value_text = "DURATION";
  return added;
}

Option& OptionTable::add(std::string name, std::vector<std::string>& target,
                         std::string description) {
  Option& added = add_option(
      std::move(name), std::move(description),
      [&target](std::string_view text) -> std::optional<std::string> {
        target.emplace_back(text);
        return std::nullopt;
      },
      [&target] {
        std::string all;
        for (const std::string& item : target) all += (all.empty() ? "" : " ") + item;
        return all;
      });
  added.is_list = true;
  added.clear_list_ = [&target] { target.clear(); };
  return added;
}

Option& OptionTable::add(std::string name, std::vector<double>& target, std::string description) {
  const auto index = options_.size();
  Option& added = add_option(
      std::move(name), std::move(description),
      [this, index, &target](std::string_view text) -> std::optional<std::string> {
        const Option& option = options_[index];
        std::vector<double> all = target;  // What an earlier item of a YAML list said.
        for (const std::string_view item : split(text, ',')) {
          const auto value = parse_double(trim(item));
          if (!value || !(*value >= option.low_ && *value <= option.high_) ||
              (!all.empty() && !(*value > all.back())) || all.size() == option.items_max_) {
            return "expected ascending numbers such as 0.1,0.5,1" +
                   (option.bounds_text.empty() ? "" : ", " + option.bounds_text);
          }
          all.push_back(*value);
        }
        target = std::move(all);
        return std::nullopt;
      },
      [&target] {
        std::string all;
        for (const double item : target) {
          char text[32];
          std::snprintf(text, sizeof text, "%.9g", item);  // "0.0005", not "5e-04".
          all.append(all.empty() ? "" : ",").append(text);
        }
        return all;
      });
  added.value_text = "NUMBER,…";
  added.clear_list_ = [&target] { target.clear(); };
  return added;
}

Option* OptionTable::find(std::string_view name) {
  for (Option& option : options_) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::string OptionTable::help() const {
  std::ostringstream text;
  text << describe(options_);
  return text.str();
}

std::string OptionTable::markdown() const {
  // A bar would end the cell, also between backquotes.
  const auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
      text.insert(at, "\\");
    return text;
  };
  std::string text = "| option | default | meaning |\n|---|---|---|\n";
  for (const Option& option : options_) {
    text += "| `--" + option.name + cell(option.is_switch ? "" : " " + option.value_text) + "`";
    text += option.is_list ? ", repeatable" : "";
    text += " | ";
    if (option.is_required) {
      text += "required";
    } else if (option.is_switch) {
      text += option.default_text == "true" ? "on" : "off";
    } else if (!option.default_text.empty() && !option.is_secret) {
      text += "`" + cell(option.default_text) + "`";
    }
    text += " | " + cell(option.description);
    if (!option.bounds_text.empty()) text += " (" + cell(option.bounds_text) + ")";
    if (!option.example_text.empty()) text += " Example: `" + cell(option.example_text) + "`";
    text += " |\n";
  }
  return text;
}

// Takes the switches off, so that "--dry-run", "--dry-run=false" and "--no-dry-run" all work; what
// is left.
std::vector<std::string> OptionTable::take_switches(const std::vector<std::string>& arguments,
                                                    Sayings& said) {
  std::vector<std::string> rest;
  for (const std::string& argument : arguments) {
    const std::size_t equals = std::min(argument.find('='), argument.size());
    std::string name = argument.starts_with("--") ? argument.substr(2, equals - 2) : "";
    std::string value = equals < argument.size() ? argument.substr(equals + 1) : "true";
    if (name.starts_with("no-") && find(name.substr(3)) && find(name.substr(3))->is_switch) {
      name = name.substr(3);
      value = "false";
    }
    if (const Option* option = find(name); option && option->is_switch) {
      said[name] = {{value}, ""};
    } else {
      rest.push_back(argument);
    }
  }
  return rest;
}

void OptionTable::read_command_line(const std::vector<std::string>& arguments, Sayings& said,
                                    std::vector<std::string>& positional,
                                    std::vector<std::string>& mistakes) {
  const std::vector<std::string> rest = take_switches(arguments, said);
  try {
    const po::options_description description = describe(options_);
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const po::parsed_options parsed =
        po::command_line_parser(rest).options(description).style(style).allow_unregistered().run();
    for (const auto& piece : parsed.options) {
      if (piece.unregistered) {
        mistakes.push_back(piece.original_tokens.front() + ": no such option; see --help");
      } else if (piece.position_key >= 0) {
        positional.insert(positional.end(), piece.value.begin(), piece.value.end());
      } else {
        Said& values = said[piece.string_key];
        values.values.insert(values.values.end(), piece.value.begin(), piece.value.end());
      }
    }
  } catch (const po::error& error) {
    mistakes.push_back(error.what());
  }
}

void OptionTable::read_file(const std::string& path, Sayings& said,
                            std::vector<std::string>& mistakes) {
  auto flat = read_flat_yaml(path);
  if (!flat) {
    mistakes.push_back(flat.error().message);
    return;
  }
  for (FlatEntry& entry : *flat) {
    const std::string where = path + ", line " + std::to_string(entry.line);
    if (find(entry.name)) {
      said[entry.name] = {std::move(entry.values), where};
    } else {
      mistakes.push_back(entry.name + ": no such option (" + where + ")");
    }
  }
}

Result<std::vector<std::string>> OptionTable::parse(const std::vector<std::string>& arguments,
                                                    const Environment& environment) {
  std::vector<std::string> mistakes, positional;
  Sayings command_line, variables, file;
  read_command_line(arguments, command_line, positional, mistakes);
  for (const Option& option : options_) {
    const std::string variable = environment_name(option.name);
    if (const char* value = environment(variable.c_str()))
      variables[option.name] = {{value}, variable};
  }
  for (const Sayings* source : {&command_line, &variables}) {
    const auto said = source->find("config.file");
    if (said == source->end()) continue;
    read_file(said->second.values.back(), file, mistakes);
    break;
  }
  for (Option& option : options_) {
    const Said* said = nullptr;
    for (const Sayings* source : {&command_line, &variables, &file}) {
      const auto found = source->find(option.name);
      if (!said && found != source->end()) said = &found->second;
    }
    if (!said) {
      if (option.is_required) mistakes.push_back(option.name + ": required; see --help");
      continue;
    }
    option.clear_list_();
    for (const std::string& value : said->values) {
      if (const auto expected = option.assign_(value)) {
        const std::string shown = option.is_secret ? "<secret>" : value;
        mistakes.push_back(mistake(option.name, shown, *expected, said->where));
      }
    }
  }

  if (mistakes.empty()) return positional;
  std::string all;
  for (const std::string& one : mistakes) all += (all.empty() ? "" : "\n") + one;
  return fail("bad_options", all);
}

std::string environment_name(std::string_view option) {
  std::string name = "OUTRIDER_";
  for (const char c : option) {
    const bool letter = c >= 'a' && c <= 'z';
    name += letter ? static_cast<char>(c - 'a' + 'A') : (c >= '0' && c <= '9') ? c : '_';
  }
  return name;
}

}  // namespace outrider::config
