// SPDX-License-Identifier: Apache-2.0
#include "cli/forecast_command.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/config/files.h"
#include "base/core/text.h"
#include "cli/forecast/forecast_plot.h"
#include "cli/forecast/forecast_table.h"

namespace outrider::cli {
namespace {

namespace fs = std::filesystem;
using detectors::forecast::Forecast;

constexpr std::uintmax_t file_bytes_max = 256u << 20;
constexpr std::size_t levels_max = 20;

struct Options {
  std::string input, output, plot, season = "auto";
  std::int64_t horizon = 0;
  std::vector<double> levels = {50, 90, 95};
};

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error(what);
}

std::string read_whole(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse("input=" + file.string() + ": " + std::strerror(errno) + "; expected a CSV file");
  std::error_code unknown;
  const std::uintmax_t size = fs::file_size(file, unknown);
  if (!unknown && size > file_bytes_max) {
    refuse(file.string() + ": " + format_bytes(size) + ", more than the " +
           format_bytes(file_bytes_max) + " that are read; leave the oldest rows out");
  }
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) refuse("input=" + file.string() + ": reading failed before its end");
  return text;
}

// Steps, or a duration that is a whole number of them.
std::size_t season_steps(std::string_view text, const detectors::forecast::History& history) {
  const std::string expected =
      ": expected auto, none, a number of steps of at least 2 or a duration, or two of them "
      "('1d,1w')";
  if (const auto steps = parse_uint(text); steps && *steps >= 2 && *steps < 1'000'000)
    return *steps;
  const auto duration = parse_duration(text);
  if (!duration) refuse("season=" + std::string(text) + expected);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*duration).count();
  if (ms % history.step_ms != 0 || ms / history.step_ms < 2) {
    refuse("season=" + std::string(text) + ": is no multiple of the history's step of " +
           format_double(static_cast<double>(history.step_ms) / 1000) + " s");
  }
  return static_cast<std::size_t>(ms / history.step_ms);
}

detectors::forecast::Settings settings_for(const Options& options,
                                           const detectors::forecast::History& history) {
  detectors::forecast::Settings settings;
  settings.horizon = static_cast<std::size_t>(options.horizon);
  settings.levels.clear();
  for (const double level : options.levels) settings.levels.push_back(level / 100);
  settings.find_seasons = options.season == "auto";
  if (settings.find_seasons || options.season == "none") return settings;
  const auto parts = split(options.season, ',');
  if (parts.size() > 2) refuse("season=" + options.season + ": expected two seasons at most");
  settings.seasons.day = season_steps(trim(parts[0]), history);
  if (parts.size() > 1) settings.seasons.week = season_steps(trim(parts[1]), history);
  const auto& seasons = settings.seasons;
  if (seasons.week > 0 && (seasons.week <= seasons.day || seasons.week % seasons.day != 0)) {
    refuse("season=" + options.season + ": the second has to be a multiple of the first");
  }
  const std::size_t longest = std::max(seasons.day, seasons.week);
  if (2 * longest > history.values.size()) {
    refuse("season=" + options.season + ": the history of " +
           std::to_string(history.values.size()) + " steps does not hold two of " +
           std::to_string(longest));
  }
  return settings;
}

void write(const std::string& option, const fs::path& file, const std::string& text) {
  if (file == "-") {
    std::cout << text << std::flush;
    if (!std::cout) refuse(option + "=-: cannot write");
    return;
  }
  if (const auto written = config::put_file(file, text); !written)
    refuse(option + "=" + file.string() + ": " + written.error().message);
}

void forecast_file(const Options& options, const fs::path& input, const fs::path& output,
                   const fs::path& plot) {
  const auto table = parse_forecast_table(input.string(), read_whole(input));
  if (!table) refuse(table.error().message);
  const double end_ms =
      static_cast<double>(table->history.end_ms()) +
      static_cast<double>(options.horizon) * static_cast<double>(table->history.step_ms);
  if (end_ms > static_cast<double>(time_ms_max))
    refuse(input.string() +
           ": the forecast would end after the year 2255; ask for a shorter horizon");
  const Forecast forecast =
      detectors::forecast::forecast(table->history, settings_for(options, table->history));
  if (table->history.left_out > 0) {
    std::cerr << input.string() << ": the oldest " << table->history.left_out
              << " rows are left out: " << detectors::forecast::slots_max << " steps are kept\n";
  }
  for (const std::string& note : forecast.notes)
    std::cerr << input.string() << ": " << note << "\n";
  write("output", output, forecast_csv(*table, forecast));
  if (!plot.empty()) write("plot", plot, forecast_svg(input.filename().string(), *table, forecast));
}

std::vector<fs::path> tables_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".csv" && !entry.is_directory()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// One failure is told and loses no other file.
int forecast_folder(const Options& options) {
  const fs::path input = options.input, output = options.output;
  std::error_code failed;
  fs::create_directories(output, failed);
  if (!failed && !options.plot.empty()) fs::create_directories(options.plot, failed);
  if (failed || !fs::is_directory(output)) {
    refuse("output=" + options.output + ": expected a folder, as input is one" +
           (failed ? "; " + failed.message() : ""));
  }
  if (fs::equivalent(input, output))
    refuse("output=" + options.output + ": is the input; its files would be replaced");
  const std::vector<fs::path> files = tables_in(input);
  if (files.empty()) refuse("input=" + options.input + ": no file *.csv in it");
  std::size_t failures = 0;
  for (const fs::path& file : files) {
    const fs::path plot = options.plot.empty()
                              ? fs::path()
                              : fs::path(options.plot) / file.filename().replace_extension(".svg");
    try {
      forecast_file(options, file, output / file.filename(), plot);
    } catch (const std::exception& error) {
      std::cerr << error.what() << "\n";
      ++failures;
    }
  }
  std::cerr << files.size() - failures << " of " << files.size() << " files forecast\n";
  return failures > 0 ? 1 : 0;
}

int run(const Options& options) {
  for (const double level : options.levels) {
    if (!(level >= 1 && level <= 99.9)) refuse("levels: expected percentages from 1 to 99.9");
  }
  if (fs::is_directory(options.input)) return forecast_folder(options);
  fs::path output = options.output;
  if (fs::is_directory(output)) output /= fs::path(options.input).filename();
  std::error_code unknown;
  if (fs::equivalent(options.input, output, unknown) && !unknown)
    refuse("output=" + output.string() + ": is the input; it would be replaced");
  forecast_file(options, options.input, output, options.plot);
  return 0;
}

void add_options(config::OptionTable& table, Options& options) {
  table
      .add("input", options.input,
           "CSV with a header and the columns timestamp and value, or a folder of such files.")
      .required()
      .value_name("FILE|DIR");
  table
      .add("output", options.output,
           "Where the forecast goes, as CSV; '-' is standard output. A folder where input is one: "
           "names are kept.")
      .required()
      .value_name("FILE|DIR");
  table.add("horizon", options.horizon, "How many rows to forecast.")
      .required()
      .value_name("ROWS")
      .between(1, static_cast<double>(detectors::forecast::horizon_max))
      .example("48");
  table
      .add("levels", options.levels,
           "Of the intervals, in percent: so often the truth is to be within.")
      .value_name("PERCENT,…")
      .at_most(levels_max);
  table
      .add(
          "season", options.season,
          "auto finds it; none; or what is known: steps or durations, the second a multiple of the "
          "first.")
      .value_name("auto|none|1d,1w")
      .example("24,168");
  table
      .add("plot", options.plot,
           "Draws the history's end, the forecast and its intervals. A folder where input is one.")
      .value_name("FILE.svg");
}

}  // namespace

config::Command forecast_command() {
  const auto settings = std::make_shared<Options>();
  auto options = std::make_shared<config::OptionTable>();
  add_options(*options, *settings);
  return {.name = "forecast",
          .summary =
              "What comes next? Forecasts a series from its history, with intervals, file by "
              "file.",
          .positional = "",
          .options = options,
          .run = [settings](const config::Positional&) { return run(*settings); }};
}

}  // namespace outrider::cli
