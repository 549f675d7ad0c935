// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/replay.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::forecast {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
constexpr Duration day = std::chrono::days(1);

// A value is about the step that ends at its time.
std::int64_t slot_of(std::int64_t timestamp_ms, Duration step) {
  return from_unix_ms(timestamp_ms - 1).time_since_epoch() / step;
}

std::optional<double> found(const std::map<std::int64_t, double>& values, std::int64_t slot) {
  const auto place = values.find(slot);
  return place == values.end() ? std::nullopt : std::optional(place->second);
}

const Series* with_labels(const std::vector<Series>& all, const Labels& labels) {
  for (const Series& series : all) {
    if (series.labels == labels) return &series;
  }
  return nullptr;
}

}  // namespace

bool Replay::Condition::update(bool holds, Time now, Duration needed) {
  if (!holds) {
    if (firing) alerts.back().ended = now;
    firing = false;
    since.reset();
    return false;
  }
  if (!since) since = now;
  if (firing || now - *since < needed) return false;
  firing = true;
  alerts.push_back({.fired = now, .ended = {}, .came = {}});
  return true;
}

Replay::Replay(const Rules& rules, Recorded recorded, const ReplaySettings& settings)
    : rules_(rules),
      recorded_(std::move(recorded)),
      settings_(settings),
      forecasts_(rules_, {.series_max = settings.series_max}),
      capacities_(rules_, forecasts_) {
  for (std::size_t rule = 0; rule < recorded_.series.size(); ++rule) {
    for (const Series& series : recorded_.series[rule]) {
      if (series_.size() < settings_.series_max)
        begin_series(rule, series, with_labels(recorded_.limits[rule], series.labels));
      else
        ++left_out_;
    }
  }
  for (std::size_t rule = 0; rule < recorded_.capacity.size(); ++rule) {
    for (const auto& [labels, minutes] : recorded_.capacity[rule]) {
      if (services_.size() >= CapacityBoard::services_max) {
        ++left_out_;
        continue;
      }
      Service& service = services_[{rule, labels}];
      service.recorded = &minutes;
      service.told.rule = rule;
      service.told.labels = labels;
    }
  }
}

void Replay::begin_series(std::size_t rule, const Series& recorded, const Series* limits) {
  Tracked& tracked = series_[{rule, recorded.labels}];
  tracked.recorded = &recorded;
  tracked.limits = limits;
  tracked.errors.resize(rules_.series[rule].horizons.size());
  tracked.told.rule = rule;
  tracked.told.labels = recorded.labels;
  for (const Sample& sample : recorded.samples) {
    if (std::isfinite(sample.value))
      tracked.truth[slot_of(sample.timestamp_ms, rules_.step)] = sample.value;
  }
  double sum = 0;
  std::uint64_t count = 0;
  const std::int64_t start = settings_.start.time_since_epoch() / rules_.step;
  for (const auto& [slot, value] : tracked.truth) {
    if (slot >= start) break;
    const auto before = found(tracked.truth, slot - day / rules_.step);
    if (!before) continue;
    sum += std::fabs(value - *before);
    ++count;
  }
  tracked.day_changes = count > 0 ? sum / static_cast<double>(count) : 0;
}

std::size_t Replay::steps() const {
  return static_cast<std::size_t>((settings_.end - settings_.start) / rules_.step) + 1;
}

void Replay::feed_series(Tracked& tracked, Time now) {
  const std::size_t rule = tracked.told.rule;
  const auto& samples = tracked.recorded->samples;
  const std::int64_t now_ms = to_unix_ms(now), start_ms = to_unix_ms(settings_.start);
  for (; tracked.next < samples.size() && samples[tracked.next].timestamp_ms <= now_ms;
       ++tracked.next) {
    const Sample& sample = samples[tracked.next];
    forecasts_.put(rule, tracked.told.labels, from_unix_ms(sample.timestamp_ms - 1), sample.value);
    const auto score = tracked.scorer.add(sample.timestamp_ms, sample.value);
    if (sample.timestamp_ms >= start_ms && score.score >= settings_.anomaly_threshold)
      tracked.told.anomalies.push_back(from_unix_ms(sample.timestamp_ms));
  }
  if (tracked.limits == nullptr) return;
  const auto& limits = tracked.limits->samples;
  for (; tracked.next_limit < limits.size() && limits[tracked.next_limit].timestamp_ms <= now_ms;
       ++tracked.next_limit) {
    tracked.limit = limits[tracked.next_limit].value;
    forecasts_.put_limit(rule, tracked.told.labels, tracked.limit);
  }
}

void Replay::feed(Time now) {
  for (auto& [key, tracked] : series_) feed_series(tracked, now);
  for (auto& [key, service] : services_) {
    const auto& minutes = *service.recorded;
    for (; service.next < minutes.size() && minutes[service.next].at < now; ++service.next)
      capacities_.put(key.first, key.second, minutes[service.next]);
  }
}

void Replay::compare(Tracked& tracked, const HorizonForecast& said, std::size_t horizon,
                     std::int64_t slot) {
  const auto truth = found(tracked.truth, slot);
  if (!truth) return;
  Errors& errors = tracked.errors[horizon];
  ++errors.checked;
  errors.inside += *truth >= said.low && *truth <= said.high ? 1 : 0;
  const std::int64_t a_day = day / rules_.step;
  const std::int64_t ahead = said.horizon / rules_.step;
  if (a_day <= 0) return;
  // The slot at hand is not over: of a forecast a day ahead the naive value is of two days before.
  const auto naive = found(tracked.truth, slot - a_day * (ahead / a_day + 1));
  if (!naive) return;
  ++errors.compared;
  errors.ours += std::fabs(*truth - said.middle);
  errors.naive += std::fabs(*truth - *naive);
}

void Replay::judge_limit(Tracked& tracked, const ForecastBoard::Entry& entry, Time now) {
  if (!entry.to_limit) return;
  const auto expected = entry.to_limit->expected;
  const bool holds = expected && *expected < settings_.limit_within;
  if (!tracked.full.update(holds, now, settings_.limit_for)) return;
  const std::int64_t since = now.time_since_epoch() / rules_.step;
  for (auto later = tracked.truth.lower_bound(since); later != tracked.truth.end(); ++later) {
    if (later->second < tracked.limit) continue;
    tracked.full.alerts.back().came = Time{(later->first + 1) * rules_.step};
    return;
  }
}

void Replay::judge_series(Time now) {
  const std::int64_t now_slot = now.time_since_epoch() / rules_.step;
  const std::int64_t end_slot = settings_.end.time_since_epoch() / rules_.step;
  for (const auto& [key, entry] : forecasts_.entries(now)) {
    Tracked& tracked = series_.at(key);
    tracked.told.trouble = entry.trouble;
    const auto& horizons = rules_.series[key.first].horizons;
    for (const HorizonForecast& said : entry.horizons) {
      const std::int64_t slot = now_slot + said.horizon / rules_.step;
      const auto place = std::find(horizons.begin(), horizons.end(), said.horizon);
      if (slot >= end_slot) continue;
      compare(tracked, said, static_cast<std::size_t>(place - horizons.begin()), slot);
      if (said.horizon == horizons.front()) tracked.said.emplace(slot, said);
    }
    judge_limit(tracked, entry, now);
  }
}

// A band is drawn at the time that it is about.
std::vector<ReplayedPoint> Replay::points(const Tracked& tracked) const {
  std::vector<ReplayedPoint> points;
  const std::int64_t end = settings_.end.time_since_epoch() / rules_.step;
  for (std::int64_t slot = settings_.start.time_since_epoch() / rules_.step; slot < end; ++slot) {
    ReplayedPoint point{.at = Time{(slot + 1) * rules_.step},
                        .value = found(tracked.truth, slot).value_or(unknown),
                        .low = unknown,
                        .middle = unknown,
                        .high = unknown};
    if (const auto said = tracked.said.find(slot); said != tracked.said.end()) {
      point.low = said->second.low;
      point.middle = said->second.middle;
      point.high = said->second.high;
    }
    points.push_back(point);
  }
  return points;
}

// Looks at minutes that nothing was told of yet; only what is told of the answer rests on them.
void Replay::judge_soon(Service& service, const Advice& advice, Time now) const {
  if (!advice.soon.replicas.known) return;
  ReplayedSoon& told = service.told.soon;
  told.hours += static_cast<double>(advice.soon.replicas.wanted) * to_seconds(rules_.step) / 3600;
  const Time until = now + rules_.capacity[service.told.rule].cold_start + reaction;
  if (until > settings_.end) return;
  double highest = advice.load;
  const auto& minutes = *service.recorded;
  for (std::size_t i = service.next; i < minutes.size() && minutes[i].at <= until; ++i)
    highest = std::max(highest, minutes[i].load);
  const auto needed = detectors::replicas_for(highest, advice.capacity);
  if (!needed.known) return;
  ++told.checked;
  told.outgrown += needed.wanted > advice.soon.replicas.wanted ? 1 : 0;
  told.expected += advice.soon.chance_short;
}

void Replay::judge_services(Time now) {
  for (const auto& [key, advice] : capacities_.advice(now)) {
    Service& service = services_.at(key);
    ReplayedCapacity& told = service.told;
    told.capacity = advice.capacity;
    told.checks = advice.checks;
    ReplayedStep step{.at = now,
                      .load = advice.load,
                      .replicas = advice.replicas,
                      .now = {},
                      .soon = {},
                      .ahead = {}};
    if (advice.now.known) step.now = advice.now.wanted;
    if (advice.soon.replicas.known) step.soon = advice.soon.replicas.wanted;
    judge_soon(service, advice, now);
    if (advice.ahead && advice.ahead->wanted.known) step.ahead = advice.ahead->wanted.wanted;
    told.steps.push_back(step);
    if (step.now) {
      ++told.known_steps;
      told.short_steps += static_cast<double>(*step.now) > step.replicas ? 1 : 0;
    }
    if (step.ahead) {
      told.had_hours += step.replicas * to_seconds(rules_.step) / 3600;
      told.wanted_hours += static_cast<double>(*step.ahead) * to_seconds(rules_.step) / 3600;
    }
    const bool holds = step.ahead && static_cast<double>(*step.ahead) > step.replicas;
    if (service.ahead.update(holds, now, settings_.capacity_for))
      service.replicas_at_alert = step.replicas;
    if (service.ahead.alerts.empty()) continue;
    ReplayedAlert& alert = service.ahead.alerts.back();
    // The step at the horizon is over one step later.
    const Duration within = rules_.series[key.first].horizons.front() + rules_.step;
    if (!alert.came && now - alert.fired <= within && step.now &&
        static_cast<double>(*step.now) > service.replicas_at_alert)
      alert.came = now;
  }
}

bool Replay::step() {
  if (done_ >= steps()) return false;
  const Time now = settings_.start + static_cast<std::int64_t>(done_) * rules_.step;
  feed(now);
  forecasts_.advance(now);
  capacities_.advance(now);
  judge_series(now);
  judge_services(now);
  ++done_;
  return true;
}

Replayed Replay::result() const {
  Replayed all;
  for (const auto& [key, tracked] : series_) {
    ReplayedSeries told = tracked.told;
    told.full = tracked.full.alerts;
    told.points = points(tracked);
    for (std::size_t i = 0; i < tracked.errors.size(); ++i) {
      const Errors& errors = tracked.errors[i];
      ReplayedHorizon horizon{.horizon = rules_.series[key.first].horizons[i],
                              .checked = errors.checked,
                              .inside = errors.inside,
                              .mase = {},
                              .naive_mase = {}};
      if (errors.compared > 0 && tracked.day_changes > 0) {
        const double scale = static_cast<double>(errors.compared) * tracked.day_changes;
        horizon.mase = errors.ours / scale;
        horizon.naive_mase = errors.naive / scale;
      }
      told.horizons.push_back(horizon);
    }
    all.series.push_back(std::move(told));
  }
  for (const auto& [key, service] : services_) {
    ReplayedCapacity told = service.told;
    told.alerts = service.ahead.alerts;
    all.capacity.push_back(std::move(told));
  }
  all.left_out = left_out_;
  return all;
}

}  // namespace outrider::forecast
