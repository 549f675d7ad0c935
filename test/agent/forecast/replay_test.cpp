// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/replay.h"

#include <cmath>
#include <random>

#include "test/agent/forecast/shop.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::forecast;
using namespace std::chrono_literals;

namespace {

const Time start = monday + 10 * 24h, end = start + 2 * 24h;

Series samples(const std::function<double(Time)>& value) {
  Series series{shop, {}};
  for (Time at = monday; at <= end; at += 15min)
    series.samples.push_back({to_unix_ms(at), value(at)});
  return series;
}

Rules rules_of(std::string limit) {
  Rules rules;
  rules.step = 15min;
  rules.history = std::chrono::days(10);
  rules.series = {{"shop", "a", std::move(limit), {1h, 24h}}};
  return rules;
}

Replayed replayed(const Rules& rules, Recorded recorded) {
  Replay replay(rules, std::move(recorded), {.start = start, .end = end});
  std::size_t steps = 0;
  while (replay.step()) ++steps;
  REQUIRE(steps == 193);
  return replay.result();
}

}  // namespace

TEST_CASE(
    "a load that swings by day is forecast better than the day before, within its intervals") {
  const Rules rules = rules_of("");
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 1);
  const auto told =
      replayed(rules, {.series = {{samples([&](Time at) { return by_day(at) + noise(random); })}},
                       .limits = {{}},
                       .capacity = {}});
  REQUIRE(told.series.size() == 1);
  const ReplayedSeries& one = told.series.front();
  REQUIRE(one.horizons.size() == 2);
  for (const ReplayedHorizon& at : one.horizons) {
    REQUIRE(at.checked > 90);
    CHECK(static_cast<double>(at.inside) / static_cast<double>(at.checked) > 0.8);
    REQUIRE(at.mase);
    REQUIRE(at.naive_mase);
    CHECK(*at.mase < 0.85 * *at.naive_mase);
    CHECK(*at.naive_mase == Approx(1).margin(0.2));
  }
  CHECK(one.points.size() == 192);
  CHECK(one.full.empty());
}

TEST_CASE("no answer of a replay rests on what came later") {
  const Rules rules = rules_of("");
  const auto until_noon = [&](double later) {
    return replayed(rules, {.series = {{samples(
                                [&](Time at) { return at > start + 36h ? later : by_day(at); })}},
                            .limits = {{}},
                            .capacity = {}})
        .series.front();
  };
  const auto calm = until_noon(25), wild = until_noon(900);
  for (std::size_t i = 0; i < calm.points.size(); ++i) {
    if (calm.points[i].at > start + 37h) break;  // Said an hour before the change or earlier.
    if (!std::isfinite(calm.points[i].middle)) continue;
    CHECK(calm.points[i].middle == wild.points[i].middle);
    CHECK(calm.points[i].high == wild.points[i].high);
  }
  CHECK_FALSE(wild.anomalies.empty());
}

TEST_CASE("a disk that fills is told days ahead, and the replay says when it was full") {
  const Rules rules = rules_of("size");
  const auto disk = samples([](Time at) { return to_seconds(at - monday) / 86'400; });
  const auto size = samples([](Time) { return 11.5; });
  Rules week = rules;
  week.series.front().horizons = {24h, 4 * 24h};
  const auto told = replayed(week, {.series = {{disk}}, .limits = {{size}}, .capacity = {}});
  REQUIRE(told.series.front().full.size() == 1);
  const ReplayedAlert& alert = told.series.front().full.front();
  CHECK(alert.fired == start + 30min);  // It has to hold for half an hour.
  REQUIRE(alert.came);
  CHECK(to_seconds(*alert.came - monday) / 86'400 == Approx(11.5).margin(0.02));
}

TEST_CASE(
    "replicas that the morning needs are asked for before it comes, and nothing is said of "
    "scaling in") {
  Rules rules = rules_of("");
  rules.capacity = {capacity_of_shop()};
  std::vector<detectors::LoadSample> minutes;
  for (Time at = monday; at <= end; at += 1min) {
    const double replicas = at >= start ? 3 : (at.time_since_epoch() / 24h) % 2 == 0 ? 4 : 6;
    const double each = by_day(at) / replicas;
    const double latency = each < 10.9 ? 1 / (11 - each) : 10;
    minutes.push_back({at, by_day(at), replicas, latency, latency});
  }
  const auto told = replayed(
      rules, {.series = {{samples(by_day)}}, .limits = {{}}, .capacity = {{{shop, minutes}}}});
  REQUIRE(told.capacity.size() == 1);
  const ReplayedCapacity& one = told.capacity.front();
  CHECK(one.capacity.load == Approx(9).margin(0.4));
  REQUIRE(one.alerts.size() >= 1);
  for (const ReplayedAlert& alert : one.alerts) {
    if (!alert.ended) continue;
    REQUIRE(alert.came);
    CHECK(*alert.came - alert.fired >= 15min);
    CHECK(*alert.came - alert.fired <= 1h + 15min);
  }
  for (const ReplayedStep& step : one.steps) {
    if (step.now && step.ahead) CHECK(*step.ahead >= *step.now);
  }
  CHECK(one.short_steps > 0);
  CHECK(one.checks[0] > one.checks[1]);
}

TEST_CASE(
    "what is worth having until a replica serves is replayed, and beside it how often it was too "
    "few") {
  Rules rules = rules_of("");
  rules.capacity = {capacity_of_shop()};
  // A burst to nearly twice the load in each tenth minute, in the past as in what is replayed.
  std::vector<detectors::LoadSample> minutes;
  for (Time at = monday; at <= end; at += 1min) {
    const double load = at.time_since_epoch() / 1min % 10 == 3 ? 35 : 20;
    const double replicas = 2 + static_cast<double>(at.time_since_epoch() / 1h % 5);
    const double each = load / replicas;
    const double latency = each < 10.9 ? 1 / (11 - each) : 10;
    minutes.push_back({at, load, replicas, latency, latency});
  }
  const auto replay_at = [&](double miss_cost) {
    rules.capacity.front().miss_cost = miss_cost;
    return replayed(rules, {.series = {{samples([](Time) { return 20; })}},
                            .limits = {{}},
                            .capacity = {{{shop, minutes}}}})
        .capacity.front();
  };
  const ReplayedCapacity thrifty = replay_at(0.5), generous = replay_at(5);
  // Each fifteen minutes, so within four minutes of every other step a burst comes.
  for (const ReplayedCapacity* one : {&thrifty, &generous}) REQUIRE(one->soon.checked == 192);
  CHECK(thrifty.soon.outgrown == 96);
  CHECK(thrifty.soon.expected == Approx(0.4 * 192).epsilon(0.05));
  CHECK(generous.soon.outgrown == 0);
  CHECK(generous.soon.expected < 1);
  CHECK(generous.soon.hours == Approx(4 * 193 / 4.0));
  CHECK(thrifty.soon.hours == Approx(3 * 193 / 4.0));
  for (const ReplayedStep& step : generous.steps) CHECK(step.soon == 4);
}
