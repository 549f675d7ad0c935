// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/capacity_board.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"

namespace outrider::forecast {
namespace {

constexpr Duration silent_max = std::chrono::days(2);

std::string rounded(double value) {
  const double unit = std::fabs(value) >= 10 ? 1 : 100;
  return format_double(std::round(value * unit) / unit);
}

std::string clock_time(Time time) {
  return format_rfc3339(time).substr(11, 5) + " UTC";
}

std::string sentence_of(const Advice& advice, double objective, bool has_course) {
  const auto replicas = static_cast<std::uint64_t>(std::llround(advice.replicas));
  const std::string bears = "one replica bears " + rounded(advice.capacity.load) +
                            " requests a second within " + rounded(objective) + " s";
  if (!advice.now.known) return "replicas wanted: unknown; " + advice.now.reason;
  if (advice.now.wanted > replicas) {
    return "scale from " + std::to_string(replicas) + " to " + std::to_string(advice.now.wanted) +
           " now: the load is " + rounded(advice.load) + " requests a second, and " + bears;
  }
  const bool more_ahead = advice.ahead && advice.ahead->wanted.wanted > replicas;
  if (!more_ahead && advice.soon.replicas.wanted > replicas) {
    return "scale from " + std::to_string(replicas) + " to " +
           std::to_string(advice.soon.replicas.wanted) +
           " now: before a replica serves the load may grow beyond what is there; with as many the "
           "chance of that is " +
           rounded(100 * advice.soon.chance_short) + " %; " + bears;
  }
  if (!advice.ahead) {
    return std::to_string(replicas) + (replicas == 1 ? " replica suffices" : " replicas suffice") +
           " now; ahead: unknown" + (has_course ? "" : ", the load is not forecast yet");
  }
  const Advice::Peak& peak = *advice.ahead;
  if (!peak.wanted.known)
    return "replicas wanted at the peak ahead: unknown; " + peak.wanted.reason;
  if (peak.wanted.wanted > replicas) {
    return "scale from " + std::to_string(replicas) + " to " + std::to_string(peak.wanted.wanted) +
           " by " + clock_time(peak.by) + ": " + rounded(peak.expected) +
           " requests a second are expected at " + clock_time(peak.at) + ", and no more than " +
           rounded(peak.load) + " in 19 of 20 cases; " + bears;
  }
  return std::to_string(replicas) + (replicas == 1 ? " replica suffices" : " replicas suffice") +
         " now and at the peak ahead, " + rounded(peak.load) + " requests a second at " +
         clock_time(peak.at) + "; " + bears;
}

// By bisection: what a load needs grows with it.
std::optional<double> borne_by(double replicas, const detectors::ReplicaCapacity& capacity) {
  const auto suffices = [&](double load) {
    const auto needed = detectors::replicas_for(load, capacity);
    const std::uint64_t count = needed.known ? needed.wanted : needed.at_most;
    return count > 0 && static_cast<double>(count) <= replicas;
  };
  double low = 0, high = 10 * capacity.load * std::max(replicas, 1.0);
  if (!(replicas >= 1) || !std::isfinite(high) || !suffices(1e-6 * high) || suffices(high))
    return std::nullopt;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (suffices(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

bool CapacityBoard::put(std::size_t rule, const Labels& labels,
                        const detectors::LoadSample& sample) {
  auto place = services_.find({rule, labels});
  if (place == services_.end()) {
    if (services_.size() >= services_max) {
      ++turned_away_;
      return false;
    }
    place = services_.emplace(Key{rule, labels}, Service(rules_.capacity[rule])).first;
  }
  Service& service = place->second;
  if (sample.at >= service.newest.at) {
    service.newest = sample;
    service.peak = std::max(service.peak, sample.load);
  }
  service.growth.add(sample.at, sample.load);
  service.capacity.reset();
  return service.learner.add(sample);
}

void CapacityBoard::put_now(std::size_t rule, const Labels& labels, Time at, double load,
                            double replicas) {
  const auto place = services_.find({rule, labels});
  const bool sound = std::isfinite(load) && load > 0 && std::isfinite(replicas) && replicas > 0;
  if (!sound || place == services_.end() || at <= place->second.newest.at) return;
  Service& service = place->second;
  service.newest.at = at;
  service.newest.load = load;
  service.newest.replicas = replicas;
  service.growth.begin_from(load);
}

// Asked at each look, and new with each minute only.
const detectors::ReplicaCapacity& CapacityBoard::capacity_of(const Key& key,
                                                             const Service& service) const {
  if (!service.capacity) {
    const double objective = to_seconds(rules_.capacity[key.first].objective);
    service.capacity = service.learner.estimate(objective);
  }
  return *service.capacity;
}

void CapacityBoard::check(const detectors::ReplicaCapacity& capacity, Service& service,
                          std::int64_t now_slot) {
  const auto truth = detectors::replicas_for(service.peak, capacity);
  while (!service.said.empty() && service.said.front().slot < now_slot) {
    const Said said = service.said.front();
    service.said.pop_front();
    if (said.slot != service.slot || !truth.known) continue;
    const Ahead ahead = said.wanted < truth.wanted       ? Ahead::too_few
                        : said.wanted > truth.wanted + 1 ? Ahead::spare
                                                         : Ahead::enough;
    ++service.checks[static_cast<std::size_t>(ahead)];
  }
}

void CapacityBoard::advance(Time now) {
  std::erase_if(services_,
                [&](const auto& service) { return service.second.newest.at + silent_max < now; });
  const std::int64_t now_slot = now.time_since_epoch() / rules_.step;
  for (auto& [key, service] : services_) {
    if (service.slot == now_slot) continue;
    const detectors::ReplicaCapacity& capacity = capacity_of(key, service);
    check(capacity, service, now_slot);
    service.slot = now_slot;
    service.peak = 0;
    const auto course = forecasts_.course(key.first, key.second, now);
    const auto ahead =
        static_cast<std::size_t>(rules_.series[key.first].horizons.front() / rules_.step);
    if (!course || course->high.size() < ahead) continue;
    const auto wanted = detectors::replicas_for(course->high[ahead - 1], capacity);
    if (wanted.known)
      service.said.push_back({now_slot + static_cast<std::int64_t>(ahead), wanted.wanted});
  }
}

Advice CapacityBoard::advise(const Key& key, const Service& service, Time now) const {
  const CapacityRule& rule = rules_.capacity[key.first];
  const double objective = to_seconds(rule.objective);
  Advice advice;
  advice.capacity = capacity_of(key, service);
  advice.replicas = service.newest.replicas;
  advice.load = service.newest.load;
  advice.now = detectors::replicas_for(advice.load, advice.capacity);
  advice.bears = borne_by(std::round(advice.replicas), advice.capacity);
  advice.soon =
      detectors::worth_having(service.growth, advice.capacity, advice.now, rule.miss_cost);
  advice.checks = service.checks;
  const auto course = forecasts_.course(key.first, key.second, now);
  const auto window =
      static_cast<std::size_t>(rules_.series[key.first].horizons.front() / rules_.step);
  if (course && advice.now.known) {
    const auto past =
        course->high.begin() + static_cast<std::ptrdiff_t>(std::min(window, course->high.size()));
    const auto highest = std::max_element(course->high.begin(), past);
    const auto at = static_cast<std::size_t>(highest - course->high.begin());
    const auto time_of = [&](std::size_t i) {
      return course->first + static_cast<std::int64_t>(i) * course->step;
    };
    Advice::Peak peak{.wanted = detectors::replicas_for(*highest, advice.capacity),
                      .load = *highest,
                      .expected = course->middle[at],
                      .at = time_of(at)};
    peak.wanted.wanted = peak.wanted.known ? std::max(peak.wanted.wanted, advice.now.wanted) : 0;
    std::size_t first = 0;
    while (first < at && detectors::replicas_for(course->high[first], advice.capacity).wanted <=
                             static_cast<std::uint64_t>(std::llround(advice.replicas)))
      ++first;
    peak.by = std::max(now, time_of(first) - rule.cold_start);
    advice.ahead = peak;
  }
  advice.sentence = sentence_of(advice, objective, course.has_value());
  return advice;
}

std::map<CapacityBoard::Key, Advice> CapacityBoard::advice(Time now) const {
  std::map<Key, Advice> result;
  for (const auto& [key, service] : services_) result.emplace(key, advise(key, service, now));
  return result;
}

}  // namespace outrider::forecast
