// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/forecast_board.h"

#include <cmath>
#include <numbers>
#include <random>

#include "agent/forecast/metrics.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::forecast;
using namespace std::chrono_literals;

namespace {

const Labels shop{{"service", "shop"}};
const Time monday{std::chrono::sys_days{std::chrono::year{2026} / 3 / 2}};

Rules half_hours(std::vector<Duration> horizons = {1h, 24h}, std::string limit = "") {
  Rules rules;
  rules.step = 30min;
  rules.history = std::chrono::days(14);
  rules.series = {{"requests", "a", std::move(limit), std::move(horizons)}};
  return rules;
}

// A day's course in requests a second.
double by_day(Time at) {
  const double hours = to_seconds(at.time_since_epoch()) / 3600;
  return 100 + 60 * std::sin(2 * std::numbers::pi * hours / 24);
}

// What a query gives at a time is about the step before.
void feed(ForecastBoard& board, Time from, Time to, const std::function<double(Time)>& value) {
  for (Time at = from; at < to; at += 30min) board.put(0, shop, at, value(at));
}

const ForecastBoard::Entry& entry_of(
    const std::map<ForecastBoard::Key, ForecastBoard::Entry>& all) {
  REQUIRE(all.size() == 1);
  return all.begin()->second;
}

std::string page(const ForecastBoard& board, const Rules& rules, Time now) {
  wire::TextSink sink(wire::Format::text);
  collect({.at = now, .series = board.entries(now), .capacity = {}, .turned_away = 0}, rules, sink);
  return sink.finish();
}

}  // namespace

TEST_CASE("a load that swings by day is forecast an hour and a day ahead, from its history alone") {
  const Rules rules = half_hours();
  ForecastBoard board(rules, {});
  const Time now = monday + 14 * 24h + 9h;
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 2);
  feed(board, monday, now, [&](Time at) { return by_day(at) + noise(random); });
  board.advance(now);
  const auto entries = board.entries(now);
  const auto& entry = entry_of(entries);
  REQUIRE(entry.horizons.size() == 2);
  CHECK(entry.horizons[0].middle == Approx(by_day(now + 1h)).epsilon(0.05));
  CHECK(entry.horizons[1].middle == Approx(by_day(now + 24h)).epsilon(0.05));
  for (const HorizonForecast& at : entry.horizons) {
    CHECK(at.low < at.middle);
    CHECK(at.high > at.middle);
    CHECK(at.high - at.low < 20);
  }
}

TEST_CASE("nine in ten of the intervals hold what comes, and where they do not they become wider") {
  const Rules rules = half_hours({1h});
  ForecastBoard board(rules, {});
  std::mt19937_64 random(2);
  std::normal_distribution<double> noise(0, 2);
  const Time start = monday + 14 * 24h;
  double spread = 1;
  const auto value = [&](Time at) { return by_day(at) + spread * noise(random); };
  feed(board, monday, start, value);
  // From now on the noise is four times what the history shows.
  spread = 4;
  std::uint64_t checked = 0, inside = 0, early_checked = 0, early_inside = 0;
  for (Time now = start; now < start + 10 * 24h; now += 30min) {
    board.advance(now);
    const auto entries = board.entries(now);
    const auto& at = entry_of(entries).horizons.front();
    checked = at.checked;
    inside = at.inside;
    if (now == start + 3 * 24h) early_checked = checked, early_inside = inside;
    board.put(0, shop, now, value(now));
  }
  CHECK(checked == 10 * 48 - 3);
  const double early = static_cast<double>(early_inside) / static_cast<double>(early_checked);
  const double share =
      static_cast<double>(inside - early_inside) / static_cast<double>(checked - early_checked);
  CHECK(share > early);
  CHECK(share > 0.86);
  CHECK(share < 0.95);
}

TEST_CASE(
    "a disk that fills by a gibibyte a day tells when it is full, at the earliest and latest") {
  const Rules rules = half_hours({24h, 7 * 24h}, "size");
  ForecastBoard board(rules, {});
  const Time now = monday + 10 * 24h;
  std::mt19937_64 random(3);
  std::normal_distribution<double> noise(0, 0.02);
  feed(board, monday, now,
       [&](Time at) { return to_seconds(at - monday) / 86'400 + noise(random); });
  board.put_limit(0, shop, 13);
  board.advance(now);
  const auto entries = board.entries(now);
  const auto& to_limit = entry_of(entries).to_limit;
  REQUIRE(to_limit);
  REQUIRE(to_limit->earliest);
  REQUIRE(to_limit->expected);
  CHECK(to_seconds(*to_limit->expected) / 86'400 == Approx(3).margin(0.3));
  CHECK(*to_limit->earliest <= *to_limit->expected);
  board.put_limit(0, shop, 1000);
  const auto later = board.entries(now);
  CHECK_FALSE(entry_of(later).to_limit->earliest);
  CHECK_THAT(
      page(board, rules, now),
      Catch::Contains("outrider_forecast_seconds_to_limit{bound=\"estimate\",forecast=\"requests\","
                      "service=\"shop\"} +Inf"));
}

TEST_CASE("a history that is too short has no forecast and says so") {
  const Rules rules = half_hours();
  ForecastBoard board(rules, {});
  feed(board, monday, monday + 2h, by_day);
  board.advance(monday + 2h);
  const auto entries = board.entries(monday + 2h);
  CHECK(entry_of(entries).horizons.empty());
  CHECK_FALSE(entry_of(entries).trouble.empty());
  CHECK_FALSE(board.course(0, shop, monday + 2h));
}

TEST_CASE("past the limit new series are turned away and counted") {
  const Rules rules = half_hours();
  ForecastBoard board(rules, {.series_max = 2});
  CHECK(board.put(0, {{"service", "a"}}, monday, 1));
  CHECK(board.put(0, {{"service", "b"}}, monday, 1));
  CHECK_FALSE(board.put(0, {{"service", "c"}}, monday, 1));
  CHECK(board.put(0, {{"service", "a"}}, monday + 30min, 1));
  CHECK(board.turned_away() == 1);
  CHECK(board.size() == 2);
}

TEST_CASE("a series that is silent for two days is forgotten, and makes room") {
  const Rules rules = half_hours();
  ForecastBoard board(rules, {.series_max = 1});
  board.put(0, shop, monday, 1);
  board.advance(monday + 24h);
  CHECK(board.size() == 1);
  board.advance(monday + 49h);
  CHECK(board.size() == 0);
  CHECK(board.put(0, {{"service", "b"}}, monday + 49h, 1));
}

TEST_CASE("values that are older than what is kept, or no numbers, change nothing") {
  const Rules rules = half_hours();
  ForecastBoard board(rules, {});
  CHECK_FALSE(board.put(0, shop, monday, std::nan("")));
  CHECK(board.put(0, shop, monday, 1));
  CHECK_FALSE(board.put(0, shop, monday - 1h, 1));
  // A jump of years, as by a clock that was set: the history starts anew instead of filling gaps.
  CHECK(board.put(0, shop, monday + 20'000 * 24h, 1));
  board.advance(monday + 20'000 * 24h + 30min);
  CHECK(board.size() == 1);
}
