// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/ahead.h"

#include <iostream>
#include <stdexcept>

#include "agent/forecast/load_samples.h"
#include "agent/forecast/replay.h"
#include "base/config/files.h"
#include "base/config/yaml.h"
#include "base/core/text.h"
#include "cli/backtest/ahead_plot.h"
#include "cli/backtest/ahead_report.h"
#include "cli/backtest/progress.h"
#include "cli/backtest/range.h"

namespace outrider::cli {
namespace {

constexpr std::size_t rules_bytes_max = 1 << 20;
constexpr Duration minute = std::chrono::minutes(1);

Time floor_to(Time time, Duration step) {
  return Time{time.time_since_epoch() / step * step};
}

forecast::Rules rules_of(const std::string& file) {
  if (file.empty()) return forecast::Rules::defaults();
  const auto text = config::read_file(file, rules_bytes_max);
  if (!text) throw std::runtime_error("forecast.rules=" + file + ": " + text.error().message);
  auto rules = forecast::parse_rules(file, *text);
  if (!rules) throw std::runtime_error(rules.error().message);
  return std::move(*rules);
}

std::vector<Series> nameless(std::vector<Series> all) {
  for (Series& series : all) series.labels = forecast::without_name(std::move(series.labels));
  return all;
}

// All that Prometheus is asked for, a question at a time.
class Collector {
 public:
  Collector(const std::string& prometheus, const forecast::Rules& rules, Time start, Time end,
            Duration learn_from)
      : reader_(prometheus),
        rules_(rules),
        from_(start - rules.history),
        learn_(floor_to(start - learn_from, minute)),
        end_(end) {}

  forecast::Recorded collect() {
    forecast::Recorded recorded;
    for (const forecast::SeriesRule& rule : rules_.series) {
      recorded.series.push_back(nameless(ask(rule.query, from_, rules_.step)));
      recorded.limits.push_back(rule.limit.empty() ? std::vector<Series>()
                                                   : nameless(ask(rule.limit, from_, rules_.step)));
    }
    for (const forecast::CapacityRule& rule : rules_.capacity) {
      forecast::LoadSamples services;
      using Sample = detectors::LoadSample;
      forecast::take_answer(services, ask(rule.load, learn_, minute), &Sample::load);
      forecast::take_answer(services, ask(rule.replicas, learn_, minute), &Sample::replicas);
      forecast::take_answer(services, ask(rule.latency, learn_, minute), &Sample::latency);
      forecast::take_answer(services, ask(rule.mean_latency, learn_, minute),
                            &Sample::mean_latency);
      auto& kept = recorded.capacity.emplace_back();
      for (const auto& [labels, minutes] : services) {
        for (const auto& [at, sample] : minutes) {
          if (sample.load > 0) kept[labels].push_back(sample);
        }
      }
    }
    return recorded;
  }

 private:
  std::vector<Series> ask(const std::string& promql, Time from, Duration step) {
    std::size_t all = rules_.series.size() + 4 * rules_.capacity.size();
    for (const forecast::SeriesRule& rule : rules_.series) all += rule.limit.empty() ? 0 : 1;
    progress_.show(++asked_, all);
    return reader_.read(promql, from, end_, step);
  }

  RangeReader reader_;
  const forecast::Rules& rules_;
  const Time from_, learn_, end_;
  std::size_t asked_ = 0;
  ProgressLine progress_{"questions to Prometheus", true};
};

bool is_empty(const forecast::Recorded& recorded) {
  for (const auto& one : recorded.series) {
    if (!one.empty()) return false;
  }
  return true;
}

void write_file(const std::string& option, const std::string& file, const std::string& text) {
  if (const auto written = config::put_file(file, text); !written)
    throw std::runtime_error(option + "=" + file + ": " + written.error().message);
}

forecast::Replayed replay(const forecast::Rules& rules, forecast::Recorded recorded,
                          const forecast::ReplaySettings& settings) {
  forecast::Replay replay(rules, std::move(recorded), settings);
  ProgressLine progress("steps replayed", true);
  while (replay.step()) progress.show(replay.done(), replay.steps());
  return replay.result();
}

}  // namespace

void add_ahead_options(config::OptionTable& options, AheadBacktest& wanted) {
  options
      .add("forecast.rules", wanted.rules,
           "Of Prometheus without --query: what is forecast and whose capacity is learned, as the "
           "agent's option has it. Without it, what the agent forecasts by itself.")
      .value_name("FILE");
  options
      .add("forecast.learn-from", wanted.learn_from,
           "How much before --start capacities learn from.")
      .between(60, 90.0 * 86'400);
}

int backtest_ahead(const SeriesBacktest& series, const AheadBacktest& wanted, bool json) {
  if (series.start.empty()) {
    std::cerr << "backtest: expected --prometheus and --from (or --start) together\n";
    return 2;
  }
  const forecast::Rules rules = rules_of(wanted.rules);
  const Time now = SystemClock().now();
  forecast::ReplaySettings settings;
  settings.start = floor_to(moment("start", series.start, now), rules.step);
  settings.end = floor_to(std::min(now, moment("end", series.end, now)), rules.step);
  settings.anomaly_threshold = series.threshold;
  if (settings.start >= settings.end) {
    throw std::runtime_error("start=" + series.start + ": expected at least a step of " +
                             format_duration(rules.step) + " before the end");
  }
  auto recorded =
      Collector(series.prometheus, rules, settings.start, settings.end, wanted.learn_from)
          .collect();
  if (is_empty(recorded)) {
    throw std::runtime_error("prometheus=" + series.prometheus + ": none of the " +
                             std::to_string(rules.series.size()) +
                             " queries has a series in that range; try them in its own page, or "
                             "name others by --forecast.rules");
  }
  const forecast::Replayed told = replay(rules, std::move(recorded), settings);
  if (told.left_out > 0) {
    std::cerr << told.left_out << " series and services are left out: " << settings.series_max
              << " are replayed at most\n";
  }
  const std::string whole = ahead_json(told, rules, settings);
  if (!series.output.empty()) write_file("output", series.output, whole + "\n");
  if (!series.plot.empty()) write_file("plot", series.plot, ahead_svg(told, rules, settings));
  std::cout << (json ? whole + "\n" : ahead_table(told, rules, settings));
  return 0;
}

}  // namespace outrider::cli
