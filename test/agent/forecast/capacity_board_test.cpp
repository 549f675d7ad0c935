// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/capacity_board.h"

#include <algorithm>

#include "agent/forecast/report.h"
#include "test/agent/forecast/shop.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::forecast;
using namespace std::chrono_literals;

namespace {

Rules rules_of_shop() {
  Rules rules;
  rules.step = 15min;
  rules.history = std::chrono::days(14);
  rules.series = {{"shop", "a", "", {1h, 24h}}};
  rules.capacity = {capacity_of_shop()};
  return rules;
}

// One replica bears 9 requests a second within half a second: M/M/1 of 11 a second.
double latency_at(double load_a_replica) {
  return load_a_replica < 10.9 ? 1 / (11 - load_a_replica) : 10;
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
  CHECK(advice.bears.value() == Approx(4 * advice.capacity.load).epsilon(0.1));
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
  CHECK(advice.bears.value() <= 40.1);  // The highest load that was seen.
  CHECK_THAT(advice.sentence, Catch::StartsWith("replicas wanted: unknown"));
  const std::string json =
      to_json({.at = now, .series = {}, .capacity = played.board.advice(now), .turned_away = 0},
              played.rules);
  CHECK_THAT(json, Catch::Contains("\"wanted\":null"));
  CHECK_THAT(json, Catch::Contains("\"high\":null"));
}

TEST_CASE("a service that is asked for is told with its past and its course ahead") {
  Played played;
  const Time now = monday + 13 * 24h + 8h + 30min;
  played.learn(now);
  played.advance(now);
  Said said{.at = now, .series = played.forecasts.entries(now), .capacity = {}};
  const ForecastBoard::Key key{0, shop};
  REQUIRE(is_shown(key, played.rules));
  const auto kept = shown(played.forecasts, key, played.rules, now);
  REQUIRE(kept);
  CHECK(kept->past_from + 95 * 15min == now);  // The step at hand is the last.
  CHECK(kept->past.back() != kept->past.back());
  CHECK(kept->past[94] == Approx(by_day(now - 15min)));
  CHECK(kept->ahead.first == now + 15min);
  CHECK(kept->ahead.middle.size() == 96);
  said.shown.emplace(key, *kept);
  const auto asked = [&](const std::string& service) {
    return to_json(said, played.rules,
                   [&service](const Labels& labels) { return labels.get("service") == service; });
  };
  CHECK_THAT(asked("shop"), Catch::Contains("\"course\":{\"from\":\"2026-03-15T08:45:00"));
  CHECK_THAT(asked("other"), Catch::Contains("\"series\":[]"));
  CHECK(to_json(said, played.rules).find("course") == std::string::npos);
}

TEST_CASE("a long course is thinned, and keeps its lowest and highest ends") {
  Rules rules = rules_of_shop();
  rules.series.front().horizons = {1h, 7 * 24h};
  ForecastBoard board(rules, {});
  const Time now = monday + 13 * 24h;
  for (Time at = monday; at < now; at += 15min) board.put(0, shop, at, by_day(at));
  board.advance(now);
  const auto whole = board.course(0, shop, now).value();
  const auto thin = shown(board, {0, shop}, rules, now).value().ahead;
  REQUIRE(whole.middle.size() == 672);
  CHECK(thin.middle.size() == 96);
  CHECK(thin.step == 7 * 15min);
  CHECK(*std::max_element(thin.high.begin(), thin.high.end()) ==
        *std::max_element(whole.high.begin(), whole.high.end()));
  CHECK(thin.middle.front() == whole.middle[6]);
  CHECK(thin.first == whole.first + 6 * 15min);
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

TEST_CASE("between two minutes what is wanted follows the load, and nothing is learned") {
  Played played;
  const Time start = monday + 13 * 24h;
  played.learn(start);
  const Advice before = played.advice(start);
  REQUIRE(before.now.known);
  const double higher = before.load + 2 * before.capacity.load;
  played.board.put_now(0, shop, start + 15s, higher, 7);
  const Advice after = played.advice(start + 15s);
  CHECK(after.load == higher);
  CHECK(after.replicas == 7);
  CHECK(after.now.wanted == before.now.wanted + 2);
  CHECK(after.soon.replicas.wanted >= after.now.wanted);
  CHECK(after.capacity.load == before.capacity.load);

  played.board.put_now(0, shop, start + 15s, 1, 1);  // Not newer.
  played.board.put_now(0, shop, start + 30s, std::nan(""), 7);
  played.board.put_now(0, shop, start + 30s, 0, 7);
  played.board.put_now(0, shop, start + 30s, 10, 0);
  played.board.put_now(0, Labels{{"service", "unheard of"}}, start + 30s, 10, 1);
  CHECK(played.advice(start + 30s).load == higher);
  CHECK(played.board.advice(start + 30s).size() == 1);

  played.minute(start + 1min, 20, 6);
  CHECK(played.advice(start + 1min).load == 20);
}

TEST_CASE("a load that jumps is met by what is worth having before a replica can serve") {
  Rules rules = rules_of_shop();
  rules.capacity[0].miss_cost = 4;
  const ForecastBoard no_forecasts{rules, {}};
  CapacityBoard board{rules, no_forecasts};
  const auto minute = [&](Time at, double load, double replicas) {
    const double latency = latency_at(load / replicas);
    board.put(0, shop, {at, load, replicas, latency, latency});
  };
  const Time jumps = monday + 4 * 24h, now = jumps + 3 * 24h;
  for (Time at = monday; at < jumps; at += 1min)
    minute(at, by_day(at), at.time_since_epoch() / 24h % 2 == 0 ? 4 : 6);
  // Then each tenth minute is a burst: four of ten are followed by one before a replica serves.
  for (Time at = jumps; at < now; at += 1min)
    minute(at, at.time_since_epoch() / 1min % 10 == 9 ? 44 : 20, 6);
  minute(now, 20, 3);
  const Advice advice = board.advice(now).begin()->second;
  REQUIRE(advice.now.known);
  CHECK(advice.now.wanted == 3);
  REQUIRE(advice.soon.replicas.known);
  CHECK(advice.soon.replicas.wanted == 5);  // One replica bears 9.
  CHECK(advice.soon.chance_short < 0.1);
  CHECK_THAT(advice.sentence,
             Catch::StartsWith("scale from 3 to 5 now: before a replica serves the load may grow"));
  const std::string json =
      to_json({.at = now, .series = {}, .capacity = board.advice(now), .turned_away = 0}, rules);
  CHECK_THAT(json, Catch::Contains("\"cold_start\":{\"known\":true"));
}
