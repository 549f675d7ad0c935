// SPDX-License-Identifier: Apache-2.0
#include "agent/ahead/forecaster.h"

#include <algorithm>

#include "agent/forecast/load_samples.h"

namespace outrider::ahead {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t answer_values = 200'000;
constexpr std::int64_t evaluations_max = 10'000;  // Prometheus refuses more than 11 000.
constexpr Duration minute = 1min;
constexpr int pieces_a_round = 500;

Time floor_to(Time time, Duration step) {
  return Time{time.time_since_epoch() / step * step};
}

// How many steps the next question covers.
std::int64_t piece(std::size_t series) {
  const auto fits = static_cast<std::int64_t>(answer_values / std::max<std::size_t>(series, 1));
  return std::clamp<std::int64_t>(fits, 1, evaluations_max);
}

}  // namespace

Forecaster::Forecaster(forecast::Rules rules, const Settings& settings, const Clock& clock)
    : rules_(std::move(rules)),
      settings_(settings),
      clock_(clock),
      questions_(settings.prometheus_url, settings.prepare),
      board_(rules_, {.series_max = settings.series_max}),
      capacities_(rules_, board_),
      series_progress_(rules_.series.size()),
      capacity_progress_(rules_.capacity.size()),
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

// At this moment; nothing where Prometheus does not answer.
std::map<Labels, double> Forecaster::ask_now(const std::string& promql) {
  std::map<Labels, double> found;
  const auto values = questions_.ask(promql);
  if (!values) return found;
  for (const query::InstantValue& value : *values)
    found.emplace(forecast::without_name(value.labels), value.value);
  return found;
}

// What a query gives at a time is about the step that ends there.
bool Forecaster::catch_up(std::size_t rule, Time now) {
  Progress& progress = series_progress_[rule];
  const Time newest = floor_to(now, rules_.step);
  if (progress.next == Time{}) progress.next = floor_to(now - rules_.history, rules_.step);
  const bool is_new = progress.next <= newest;
  for (int i = 0; i < pieces_a_round && progress.next <= newest; ++i) {
    const Time to = std::min(newest, progress.next + (piece(progress.series) - 1) * rules_.step);
    const auto answer =
        questions_.ask_range(rules_.series[rule].query, progress.next, to, rules_.step);
    if (!answer) return false;
    progress.series = answer->size();
    for (const Series& series : *answer) {
      const Labels labels = forecast::without_name(series.labels);
      for (const Sample& sample : series.samples)
        board_.put(rule, labels, from_unix_ms(sample.timestamp_ms - 1), sample.value);
    }
    progress.next = to + rules_.step;
  }
  const std::string& limit = rules_.series[rule].limit;
  if (!is_new || limit.empty()) return true;
  for (const auto& [labels, value] : ask_now(limit)) board_.put_limit(rule, labels, value);
  return true;
}

// A service's four questions, put together by labels and time; between two minutes its load and
// replicas of this moment.
bool Forecaster::learn(std::size_t rule, Time now) {
  const forecast::CapacityRule& asked = rules_.capacity[rule];
  Progress& progress = capacity_progress_[rule];
  const Time newest = floor_to(now, minute);
  if (progress.next == Time{}) progress.next = floor_to(now - settings_.learn_from, minute);
  if (progress.next > newest) {
    const auto replicas = ask_now(asked.replicas);
    for (const auto& [labels, load] : ask_now(asked.load)) {
      const auto count = replicas.find(labels);
      if (count != replicas.end()) capacities_.put_now(rule, labels, now, load, count->second);
    }
    return true;
  }
  for (int i = 0; i < pieces_a_round && progress.next <= newest; ++i) {
    const Time to = std::min(newest, progress.next + (piece(progress.series) - 1) * minute);
    forecast::LoadSamples services;
    const auto take = [&](const std::string& promql, double detectors::LoadSample::*member) {
      const auto answer = questions_.ask_range(promql, progress.next, to, minute);
      if (!answer) return false;
      progress.series = answer->size();
      forecast::take_answer(services, *answer, member);
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
  for (std::size_t rule = 0; answered && rule < rules_.series.size(); ++rule)
    answered = catch_up(rule, now);
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
  for (const auto& [key, entry] : said->series) {
    if (!forecast::is_shown(key, rules_)) continue;
    if (auto course = forecast::shown(board_, key, rules_, now))
      said->shown.emplace(key, std::move(*course));
  }
  std::lock_guard lock(mutex_);
  said_ = std::move(said);
}

std::shared_ptr<const forecast::Said> Forecaster::said() const {
  std::lock_guard lock(mutex_);
  return said_;
}

void Forecaster::collect(wire::MetricSink& sink) {
  questions_.collect(sink);
  forecast::collect(*said(), rules_, sink);
}

std::string Forecaster::report() const {
  return forecast::to_json(*said(), rules_);
}

std::string Forecaster::report(const forecast::Wanted& wanted) const {
  return forecast::to_json(*said(), rules_, wanted);
}

}  // namespace outrider::ahead
