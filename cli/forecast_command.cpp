// SPDX-License-Identifier: Apache-2.0
#include "cli/forecast_command.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>

#include "agent/query/prometheus.h"
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
constexpr Duration query_timeout = std::chrono::seconds(60);
constexpr std::int64_t steps_asked_max = 10'000;  // Prometheus refuses more than 11 000.

struct Options {
  std::string input, output, plot, season = "auto";
  std::string prometheus, query;
  Duration history = std::chrono::days(21), step = std::chrono::minutes(15);
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

// `name` is what messages and the picture call it.
void forecast_table(const Options& options, const std::string& name, const ForecastTable& table,
                    const fs::path& output, const fs::path& plot) {
  const double end_ms =
      static_cast<double>(table.history.end_ms()) +
      static_cast<double>(options.horizon) * static_cast<double>(table.history.step_ms);
  if (end_ms > static_cast<double>(time_ms_max))
    refuse(name + ": the forecast would end after the year 2255; ask for a shorter horizon");
  const Forecast forecast =
      detectors::forecast::forecast(table.history, settings_for(options, table.history));
  if (table.history.left_out > 0) {
    std::cerr << name << ": the oldest " << table.history.left_out
              << " rows are left out: " << detectors::forecast::slots_max << " steps are kept\n";
  }
  for (const std::string& note : forecast.notes) std::cerr << name << ": " << note << "\n";
  write("output", output, forecast_csv(table, forecast));
  if (!plot.empty())
    write("plot", plot, forecast_svg(fs::path(name).filename().string(), table, forecast));
}

void forecast_file(const Options& options, const fs::path& input, const fs::path& output,
                   const fs::path& plot) {
  const auto table = parse_forecast_table(input.string(), read_whole(input));
  if (!table) refuse(table.error().message);
  forecast_table(options, input.string(), *table, output, plot);
}

// Of several forecasts. `why` a folder is expected.
void make_folders(const Options& options, const std::string& why) {
  std::error_code failed;
  fs::create_directories(options.output, failed);
  if (!failed && !options.plot.empty()) fs::create_directories(options.plot, failed);
  if (failed || !fs::is_directory(options.output)) {
    refuse("output=" + options.output + ": expected a folder, " + why +
           (failed ? "; " + failed.message() : ""));
  }
}

// One failure is told, and loses no other forecast.
std::size_t fails(const std::function<void()>& forecast) {
  try {
    forecast();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

std::string name_of(const Labels& labels) {
  std::string name;
  for (const Label& label : labels) {
    if (!name.empty()) name += ',';
    name += label.name + "=" + label.value;
  }
  return name.empty() ? "query" : name;
}

// What a file system and a shell take for one word; those that would be alike get a number.
fs::path file_of(const std::string& name, std::map<std::string, int>& taken) {
  std::string word = name.substr(0, 120);
  for (char& c : word) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._=,-").find(c) != std::string_view::npos;
    if (!plain) c = '_';
  }
  if (word.front() == '.' || word.front() == '-') word.front() = '_';
  const int before = taken[word]++;
  return before == 0 ? word : word + "-" + std::to_string(before + 1);
}

// The newest whole steps of each series of a query.
std::vector<Series> ask(const Options& options) {
  query::Prometheus prometheus(options.prometheus, query_timeout);
  const Time now = SystemClock().now();
  const Time end{now.time_since_epoch() / options.step * options.step};
  const auto answer =
      prometheus.query_range(options.query, end - options.history, end, options.step);
  if (!answer) refuse("prometheus=" + options.prometheus + ": " + answer.error().message);
  if (answer->empty())
    refuse("query=" + options.query + ": has no series in the last " +
           format_duration(options.history));
  return *answer;
}

ForecastTable table_of(const Series& series) {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  for (const Sample& sample : series.samples) {
    times.push_back(sample.timestamp_ms);
    values.push_back(sample.value);
  }
  auto history = detectors::forecast::on_grid(times, values);
  if (!history) refuse(name_of(series.labels) + ": " + history.error().message);
  return {.history = std::move(*history), .style = TimeStyle::rfc3339};
}

// One series to a file or folder; several to a folder, a file each.
int forecast_query(const Options& options) {
  const std::vector<Series> all = ask(options);
  const fs::path output = options.output;
  if (all.size() == 1 && !fs::is_directory(output)) {
    forecast_table(options, name_of(all.front().labels), table_of(all.front()), output,
                   options.plot);
    return 0;
  }
  make_folders(options, "as the query has " + std::to_string(all.size()) + " series");
  std::map<std::string, int> taken;
  std::size_t failures = 0;
  for (const Series& series : all) {
    const std::string name = name_of(series.labels);
    const fs::path file = file_of(name, taken);
    const auto with = [&](const char* extension) { return fs::path(file.string() + extension); };
    failures += fails([&] {
      forecast_table(options, name, table_of(series), output / with(".csv"),
                     options.plot.empty() ? fs::path() : fs::path(options.plot) / with(".svg"));
    });
  }
  std::cerr << all.size() - failures << " of " << all.size() << " series forecast\n";
  return failures > 0 ? 1 : 0;
}

std::vector<fs::path> tables_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".csv" && !entry.is_directory()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int forecast_folder(const Options& options) {
  const fs::path input = options.input, output = options.output;
  make_folders(options, "as input is one");
  if (fs::equivalent(input, output))
    refuse("output=" + options.output + ": is the input; its files would be replaced");
  const std::vector<fs::path> files = tables_in(input);
  if (files.empty()) refuse("input=" + options.input + ": no file *.csv in it");
  std::size_t failures = 0;
  for (const fs::path& file : files) {
    const fs::path plot = options.plot.empty()
                              ? fs::path()
                              : fs::path(options.plot) / file.filename().replace_extension(".svg");
    failures += fails([&] { forecast_file(options, file, output / file.filename(), plot); });
  }
  std::cerr << files.size() - failures << " of " << files.size() << " files forecast\n";
  return failures > 0 ? 1 : 0;
}

int run(const Options& options) {
  for (const double level : options.levels) {
    if (!(level >= 1 && level <= 99.9)) refuse("levels: expected percentages from 1 to 99.9");
  }
  if (options.input.empty() == options.prometheus.empty())
    refuse("expected --input, or --prometheus with --query");
  if (options.query.empty() != options.prometheus.empty())
    refuse("expected --prometheus and --query together");
  if (!options.prometheus.empty()) {
    if (options.history / options.step > steps_asked_max)
      refuse("history=" + format_duration(options.history) + ": is more than 10000 steps of " +
             format_duration(options.step) + "; ask for less, or a longer --step");
    return forecast_query(options);
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
      .value_name("FILE|DIR");
  table
      .add("prometheus", options.prometheus,
           "Instead of --input: a Prometheus, which is asked for --query.")
      .as_url()
      .example("http://127.0.0.1:9090");
  table.add("query", options.query, "PromQL: each series of its answer is forecast.")
      .value_name("PROMQL")
      .example("sum(rate(http_requests_total[15m]))");
  table.add("history", options.history, "How much of the past Prometheus is asked for.")
      .between(60, 3650.0 * 86'400);
  table.add("step", options.step, "Of that history and of the forecast.").between(1, 7 * 86'400);
  table
      .add("output", options.output,
           "Where the forecast goes, as CSV; '-' is standard output. A folder where input is one, "
           "with its names, or where a query has several series, with their labels for names.")
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
