// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/capacity_board.h"

#include <cmath>
#include <numbers>

#include "agent/forecast/report.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::forecast;
using namespace std::chrono_literals;

namespace {

const Labels shop{{"service", "shop"}};
const Time monday{std::chrono::sys_days{std::chrono::year{2026} / 3 / 2}};

Rules rules_of_shop() {
  Rules rules;
  rules.step = 15min;
  rules.history = std::chrono::days(14);
  rules.series = {{"shop", "a", "", {1h, 24h}}};
  rules.capacity = {{.name = "shop",
                     .load = "a",
                     .replicas = "b",
                     .latency = "c",
                     .mean_latency = "d",
                     .objective = 500ms,
                     .cold_start = 2min}};
  return rules;
}

// One replica bears 9 requests a second within half a second: M/M/1 of 11 a second.
double latency_at(double load_a_replica) {
  return load_a_replica < 10.9 ? 1 / (11 - load_a_replica) : 10;
}

double by_day(Time at) {
  const double hours = to_seconds(at.time_since_epoch()) / 3600;
  return 25 - 15 * std::cos(2 * std::numbers::pi * hours / 24);
}

struct Played {
  Rules rules = rules_of_shop();
  ForecastBoard forecasts{rules, {}};
  CapacityBoard board{rules, forecasts};

  void minute(Time at, double load, double replicas) {
    const double latency = latency_at(load / replicas);
    board.put(0, shop, {at, load, replicas, latency, latency});
    if (at.time_since_epoch() % rules.step == 0min) forecasts.put(0, shop, at, load);
  }
  // Fourteen days at so many replicas that the busy hours are at times too much for them.
  void learn(Time until) {
    for (Time at = monday; at < until; at += 1min) {
      const auto day = at.time_since_epoch() / 24h;
      minute(at, by_day(at), day % 2 == 0 ? 4 : 6);
    }
  }
  void advance(Time now) {
    forecasts.advance(now);
    board.advance(now);
  }
  Advice advice(Time now) const {
    const auto all = board.advice(now);
    REQUIRE(all.size() == 1);
    return all.begin()->second;
  }
};

}  // namespace

TEST_CASE("more replicas are asked for before the busy hour, a cold start ahead, with the reason") {
  Played played;
  const Time now = monday + 13 * 24h + 8h + 30min;  // Day 13 has four; 34 a second, rising.
  played.learn(now);
  played.minute(now, by_day(now), 4);
  played.advance(now);
  const Advice advice = played.advice(now);
  CHECK(advice.capacity.load == Approx(9).epsilon(0.03));
  REQUIRE(advice.now.known);
  CHECK(advice.now.wanted == 4);
  REQUIRE(advice.ahead);
  CHECK(advice.ahead->wanted.wanted == 5);
  CHECK(advice.ahead->at > now);
  CHECK(advice.ahead->at <= now + 1h);
  CHECK(advice.ahead->by >= now);
  CHECK(advice.ahead->by <= advice.ahead->at - 2min);
  CHECK_THAT(advice.sentence, Catch::StartsWith("scale from 4 to 5 by "));
  CHECK_THAT(advice.sentence,
             Catch::Contains("one replica bears 8.98 requests a second within 0.5 s"));
}

TEST_CASE("a forecast is no reason to scale in") {
  Played played;
  const Time now = monday + 13 * 24h + 13h;  // The load falls from here on.
  played.learn(now);
  played.minute(now, by_day(now), 6);
  played.advance(now);
  const Advice advice = played.advice(now);
  REQUIRE(advice.now.known);
  REQUIRE(advice.ahead);
  CHECK(advice.ahead->wanted.wanted >= advice.now.wanted);
  CHECK_THAT(advice.sentence, Catch::Contains("6 replicas suffice"));
}

TEST_CASE("where no load was too much yet, the answer is unknown and nothing is asked for") {
  Played played;
  const Time now = monday + 3 * 24h;
  for (Time at = monday; at < now; at += 1min) played.minute(at, by_day(at), 12);
  played.advance(now);
  const Advice advice = played.advice(now);
  CHECK_FALSE(advice.now.known);
  CHECK_FALSE(advice.ahead);
  CHECK_THAT(advice.sentence, Catch::StartsWith("replicas wanted: unknown"));
  const std::string json =
      to_json({.at = now, .series = {}, .capacity = played.board.advice(now), .turned_away = 0},
              played.rules);
  CHECK_THAT(json, Catch::Contains("\"wanted\":null"));
  CHECK_THAT(json, Catch::Contains("\"high\":null"));
}

TEST_CASE("what was said an hour ahead is checked against what the load then needed") {
  Played played;
  const Time start = monday + 13 * 24h;
  played.learn(start);
  for (Time now = start; now < start + 24h; now += 1min) {
    played.minute(now, by_day(now), 6);
    if (now.time_since_epoch() % 15min == 0min) played.advance(now);
  }
  const auto checks = played.advice(start + 24h).checks;
  CHECK(checks[0] + checks[1] + checks[2] == 24 * 4 - 5);
  CHECK(checks[static_cast<std::size_t>(Ahead::too_few)] <= 3);
  CHECK(checks[static_cast<std::size_t>(Ahead::spare)] <= 3);
}
