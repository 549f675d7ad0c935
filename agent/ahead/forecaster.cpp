// SPDX-License-Identifier: Apache-2.0
#include "agent/ahead/forecaster.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

namespace outrider::ahead {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t answer_values = 200'000;
constexpr std::int64_t evaluations_max = 10'000;  // Prometheus refuses more than 11 000.
constexpr Duration timeout = 10s;
constexpr Duration minute = 1min;
constexpr int pieces_a_round = 500;
const std::string queries_name = "outrider_forecast_queries_total";
const std::string queries_help = "Questions to Prometheus about what is forecast, by result.";

Time floor_to(Time time, Duration step) {
  return Time{time.time_since_epoch() / step * step};
}

// How many steps the next question covers.
std::int64_t piece(std::size_t series) {
  const auto fits = static_cast<std::int64_t>(answer_values / std::max<std::size_t>(series, 1));
  return std::clamp<std::int64_t>(fits, 1, evaluations_max);
}

Labels without_name(Labels labels) {
  labels.set("__name__", "");
  return labels;
}

}  // namespace

Forecaster::Forecaster(forecast::Rules rules, const Settings& settings, const Clock& clock)
    : rules_(std::move(rules)),
      settings_(settings),
      clock_(clock),
      prometheus_(settings.prometheus_url, settings.prepare, timeout),
      board_(rules_, {.series_max = settings.series_max}),
      capacities_(rules_, board_),
      series_progress_(rules_.series.size()),
      capacity_progress_(rules_.capacity.size()),
      answers_(registry_.counter(queries_name, queries_help, {{"result", "answered"}})),
      failures_(registry_.counter(queries_name, queries_help, {{"result", "failed"}})),
      said_(std::make_shared<forecast::Said>()) {}

void Forecaster::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Forecaster::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Forecaster::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    round(clock_.now());
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, stop, settings_.every, [] { return false; });
  }
}

Forecaster::Answer Forecaster::ask(const std::string& promql, Time from, Time to, Duration step) {
  auto answer = prometheus_.query_range(promql, from, to, step);
  (answer ? answers_ : failures_).Increment();
  if (answer) {
    if (!answered_) spdlog::info("forecasts: Prometheus answers again");
  } else if (answered_) {
    spdlog::warn("forecasts: {}: {}", promql, answer.error().message);
  }
  answered_ = answer.has_value();
  return answer;
}

// What a query gives at a time is about the step that ends there.
bool Forecaster::catch_up(std::size_t rule, Time now) {
  Progress& progress = series_progress_[rule];
  const Time newest = floor_to(now, rules_.step);
  if (progress.next == Time{}) progress.next = floor_to(now - rules_.history, rules_.step);
  for (int i = 0; i < pieces_a_round && progress.next <= newest; ++i) {
    const Time to = std::min(newest, progress.next + (piece(progress.series) - 1) * rules_.step);
    const Answer answer = ask(rules_.series[rule].query, progress.next, to, rules_.step);
    if (!answer) return false;
    progress.series = answer->size();
    for (const Series& series : *answer) {
      const Labels labels = without_name(series.labels);
      for (const Sample& sample : series.samples)
        board_.put(rule, labels, from_unix_ms(sample.timestamp_ms - 1), sample.value);
    }
    progress.next = to + rules_.step;
  }
  return true;
}

void Forecaster::ask_limit(std::size_t rule) {
  const std::string& limit = rules_.series[rule].limit;
  if (limit.empty()) return;
  const auto values = prometheus_.query(limit);
  (values ? answers_ : failures_).Increment();
  if (!values) return;
  for (const query::InstantValue& value : *values)
    board_.put_limit(rule, without_name(value.labels), value.value);
}

// A service's four questions, put together by labels and time.
bool Forecaster::learn(std::size_t rule, Time now) {
  const forecast::CapacityRule& asked = rules_.capacity[rule];
  Progress& progress = capacity_progress_[rule];
  const Time newest = floor_to(now, minute);
  if (progress.next == Time{}) progress.next = floor_to(now - settings_.learn_from, minute);
  for (int i = 0; i < pieces_a_round && progress.next <= newest; ++i) {
    const Time to = std::min(newest, progress.next + (piece(progress.series) - 1) * minute);
    std::map<Labels, std::map<std::int64_t, detectors::LoadSample>> services;
    const auto take = [&](const std::string& promql, double detectors::LoadSample::*member) {
      const Answer answer = ask(promql, progress.next, to, minute);
      if (!answer) return false;
      progress.series = answer->size();
      for (const Series& series : *answer) {
        auto& minutes = services[without_name(series.labels)];
        for (const Sample& sample : series.samples) {
          detectors::LoadSample& made = minutes[sample.timestamp_ms];
          made.at = from_unix_ms(sample.timestamp_ms - 1);
          made.*member = sample.value;
        }
      }
      return true;
    };
    if (!take(asked.load, &detectors::LoadSample::load) ||
        !take(asked.replicas, &detectors::LoadSample::replicas) ||
        !take(asked.latency, &detectors::LoadSample::latency) ||
        !take(asked.mean_latency, &detectors::LoadSample::mean_latency)) {
      return false;
    }
    for (const auto& [labels, minutes] : services) {
      for (const auto& [at, sample] : minutes) {
        if (sample.load > 0) capacities_.put(rule, labels, sample);
      }
    }
    progress.next = to + minute;
  }
  return true;
}

void Forecaster::round(Time now) {
  bool answered = true;
  for (std::size_t rule = 0; answered && rule < rules_.series.size(); ++rule) {
    const bool is_new = series_progress_[rule].next <= floor_to(now, rules_.step);
    answered = catch_up(rule, now);
    if (answered && is_new) ask_limit(rule);
  }
  for (std::size_t rule = 0; answered && rule < rules_.capacity.size(); ++rule)
    answered = learn(rule, now);
  board_.advance(now);
  capacities_.advance(now);
  publish(now);
}

void Forecaster::publish(Time now) {
  auto said = std::make_shared<forecast::Said>(
      forecast::Said{.at = now,
                     .series = board_.entries(now),
                     .capacity = capacities_.advice(now),
                     .turned_away = board_.turned_away() + capacities_.turned_away()});
  std::lock_guard lock(mutex_);
  said_ = std::move(said);
}

std::shared_ptr<const forecast::Said> Forecaster::said() const {
  std::lock_guard lock(mutex_);
  return said_;
}

void Forecaster::collect(wire::MetricSink& sink) {
  registry_.collect(sink);
  forecast::collect(*said(), rules_, sink);
}

std::string Forecaster::report() const {
  return forecast::to_json(*said(), rules_);
}

}  // namespace outrider::ahead
