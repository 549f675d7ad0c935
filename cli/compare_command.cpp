// SPDX-License-Identifier: Apache-2.0
#include "cli/compare_command.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>

#include "base/core/in_quotes.h"
#include "base/core/text.h"
#include "base/wire/csv.h"
#include "base/wire/json.h"
#include "detectors/unit_comparison.h"
#include "detectors/value_reader.h"

namespace outrider::cli {
namespace {

using detectors::UnitComparison;
using detectors::UnitSamples;
using wire::Json;

constexpr std::size_t piece_bytes = 1 << 18;

struct Settings {
  std::string before, after, control_before, control_after;
  std::string unit, value, worse = "higher", margin = "3%";
  bool json = false;
};

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error(what);
}

// The rows of one file, as they come: the header first.
class RowReader {
 public:
  RowReader(const std::string& file, const Settings& settings) : file_(file), settings_(settings) {}

  void take(const wire::CsvRow& row) {
    if (unit_ == none) return take_header(row);
    if (row.fields.size() != columns_)
      refuse(place(row) + wire::ragged_row(row.fields.size(), columns_));
    const std::string unit(trim(row.fields[unit_]));
    if (unit.empty()) refuse(place(row) + settings_.unit + " is empty: a value without a unit");
    const std::string_view text = trim(row.fields[value_]);
    if (detectors::says_missing(text)) return samples_.add_missing();
    const auto number = parse_double(text);
    if (!number) {
      refuse(place(row) + settings_.value + "=" + in_quotes(text) +
             ": expected a number, or nothing where it is missing");
    }
    samples_.add(unit, *number);
  }
  UnitSamples samples() const {
    if (unit_ == none) refuse(file_ + ": expected a header line, got an empty file");
    return samples_;
  }

 private:
  static constexpr std::size_t none = SIZE_MAX;

  void take_header(const wire::CsvRow& row) {
    if (const auto mistake = wire::header_mistake(row.fields))
      refuse(place(row) + mistake->message);
    columns_ = row.fields.size();
    unit_ = column(row, "unit", settings_.unit);
    value_ = column(row, "value", settings_.value);
  }
  std::size_t column(const wire::CsvRow& row, const std::string& option,
                     const std::string& name) const {
    std::string names;
    for (std::size_t i = 0; i < row.fields.size(); ++i) {
      if (trim(row.fields[i]) == name) return i;
      names += (i ? ", " : "") + std::string(trim(row.fields[i]));
    }
    refuse(option + "=" + name + ": " + file_ + " has no such column; it has " + names);
  }
  std::string place(const wire::CsvRow& row) const {
    return file_ + ":" + std::to_string(row.line) + ": ";
  }

  const std::string& file_;
  const Settings& settings_;
  std::size_t unit_ = none, value_ = none, columns_ = 0;
  UnitSamples samples_;
};

UnitSamples read(const std::string& option, const std::string& file, const Settings& settings) {
  if (file.empty()) return {};
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse(option + "=" + file + ": " + std::strerror(errno) + "; expected a CSV file");
  RowReader rows(file, settings);
  wire::CsvReader reader;
  const auto on_row = [&rows](const wire::CsvRow& row) { rows.take(row); };
  std::string piece(piece_bytes, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
    const auto fed = reader.feed({piece.data(), static_cast<std::size_t>(in.gcount())}, on_row);
    if (!fed) refuse(file + ": " + fed.error().message);
  }
  if (in.bad()) refuse(option + "=" + file + ": reading failed before its end");
  if (const auto end = reader.finish(on_row); !end) refuse(file + ": " + end.error().message);
  return rows.samples();
}

double share_of(const std::string& text) {
  const bool percent = text.ends_with('%');
  const auto number = parse_double(trim(percent ? text.substr(0, text.size() - 1) : text));
  const double share = number ? *number / (percent ? 100 : 1) : -1;
  if (!(share >= 0 && share <= 1)) {
    refuse("margin=" + text + ": expected a share of the mean before, such as 3% or 0.03");
  }
  return share;
}

Json to_json(const UnitComparison& result) {
  const auto if_known = [&result](double value) {
    return result.has_difference ? Json(value) : Json();
  };
  return {{"verdict", to_string(result.verdict)},
          {"difference", if_known(result.difference)},
          {"interval", result.has_difference ? Json{result.low, result.high} : Json()},
          {"p", if_known(result.p)},
          {"before", if_known(result.mean_before)},
          {"after", if_known(result.mean_after)},
          {"units",
           {{"before", result.units_before},
            {"after", result.units_after},
            {"control", result.units_control}}},
          {"reason", result.reason}};
}

int run(const Settings& settings) {
  if (settings.control_before.empty() != settings.control_after.empty()) {
    refuse("control-before and control-after: give both, or neither");
  }
  detectors::UnitComparisonRule rule;
  rule.higher_is_worse = settings.worse == "higher";
  rule.margin = share_of(settings.margin);
  const UnitComparison result = detectors::compare_units(
      read("before", settings.before, settings), read("after", settings.after, settings),
      read("control-before", settings.control_before, settings),
      read("control-after", settings.control_after, settings), rule);
  if (settings.json) {
    std::cout << to_json(result).dump() << "\n";
  } else {
    std::cout << to_string(result.verdict) << ": " << result.reason << "\n";
  }
  return 0;
}

void add_options(config::OptionTable& options, Settings& settings) {
  options.add("before", settings.before, "CSV with a header: the values before the change.")
      .required()
      .value_name("FILE");
  options.add("after", settings.after, "The values since the change.")
      .required()
      .value_name("FILE");
  options
      .add("control-before", settings.control_before,
           "Of units that did not change, before: what changed for everybody is taken out.")
      .value_name("FILE");
  options.add("control-after", settings.control_after, "Of the same, since the change.")
      .value_name("FILE");
  options
      .add("unit", settings.unit,
           "The column of the pod, or machine: values of one unit hang together, so units are "
           "compared, not values.")
      .required()
      .value_name("COLUMN")
      .example("pod");
  options.add("value", settings.value, "The column of the value; 0 and 1 are requests.")
      .required()
      .value_name("COLUMN")
      .example("latency_seconds");
  options.add("worse", settings.worse, "Which direction is worse.").one_of({"higher", "lower"});
  options
      .add("margin", settings.margin,
           "The least difference that matters, as a share of the mean before.")
      .value_name("SHARE")
      .example("5%");
  options.add("json", settings.json, "One JSON object instead of a line.");
}

}  // namespace

config::Command compare_command() {
  const auto settings = std::make_shared<Settings>();
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {.name = "compare",
          .summary =
              "Is it worse since the change? Compares pods before and after, by permutation, and "
              "says so where they are too few.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
