// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/history.h"

#include <cmath>

#include "detectors/forecast/season.h"
#include "test/detectors/forecast/made.h"
#include "test/support/catch.h"

using namespace outrider::detectors::forecast;

namespace {

std::vector<std::int64_t> each(std::int64_t step_ms, std::size_t count) {
  std::vector<std::int64_t> times;
  for (std::size_t i = 0; i < count; ++i)
    times.push_back(made::monday_ms + static_cast<std::int64_t>(i) * step_ms);
  return times;
}

}  // namespace

TEST_CASE("rows that are missing are gaps of the grid, which ends at the last row") {
  auto times = each(60'000, 20);
  times.erase(times.begin() + 5, times.begin() + 7);
  const auto history = on_grid(times, std::vector<double>(18, 1));
  REQUIRE(history);
  CHECK(history->step_ms == 60'000);
  REQUIRE(history->values.size() == 20);
  CHECK(std::isnan(history->values[5]));
  CHECK(std::isnan(history->values[6]));
  CHECK(history->values[7] == 1);
  CHECK(history->end_ms() == times.back() + 60'000);
}

TEST_CASE("scrapes that come some milliseconds late keep their step") {
  auto times = each(15'000, 200);
  for (std::size_t i = 0; i < times.size(); ++i)
    times[i] += static_cast<std::int64_t>(i * 7919 % 300);
  const auto history = on_grid(times, std::vector<double>(200, 1));
  REQUIRE(history);
  CHECK(history->step_ms == 15'000);
  CHECK(history->values.size() == 200);
}

TEST_CASE("too few values and no regular step are refused with what to change") {
  const auto few = on_grid(each(1000, 9), std::vector<double>(9, 1));
  REQUIRE_FALSE(few);
  CHECK(few.error().code == "too_short");
  CHECK(few.error().message.find("only 9 values") != std::string::npos);
  auto times = each(1000, 60);
  for (std::size_t i = 0; i < times.size(); ++i) times[i] += static_cast<std::int64_t>(i * i) * 37;
  const auto irregular = on_grid(times, std::vector<double>(60, 1));
  REQUIRE_FALSE(irregular);
  CHECK(irregular.error().code == "irregular");
  CHECK(irregular.error().message.find("write one row an interval") != std::string::npos);
}

TEST_CASE(
    "of a history that is too long the newest slots are kept, and what is left out is counted") {
  const std::size_t rows = slots_max + 50;
  const auto history = on_grid(each(1000, rows), std::vector<double>(rows, 1));
  REQUIRE(history);
  CHECK(history->values.size() == slots_max);
  CHECK(history->left_out == 50);
}

TEST_CASE("a planted season is found, whatever the step") {
  for (const std::size_t period : {std::size_t{10}, std::size_t{37}, std::size_t{100}}) {
    const auto values = made::days(period * 15, 10, period, 7);
    INFO(period << " slots");
    CHECK(find_seasons(values, made::hour_ms) == Seasons{period, 0});
    CHECK(find_seasons(values, 7 * 60'000) == Seasons{period, 0});
  }
}

TEST_CASE("day and week come from the step where the history holds two of each") {
  const auto values = made::days(4 * 168);
  CHECK(find_seasons(values, made::hour_ms) == Seasons{24, 168});
  CHECK(find_seasons(std::span(values).first(300), made::hour_ms) == Seasons{24, 0});
  CHECK(find_seasons(std::span(values).first(40), made::hour_ms) == Seasons{0, 0});
  CHECK(find_seasons(std::vector<double>(60, 1), 86'400'000) == Seasons{7, 0});
}

TEST_CASE("the autocorrelation is that of the pairs without a gap") {
  CHECK(autocorrelation(made::days(240, 0), 24) == Approx(1));
  CHECK(autocorrelation(made::days(240, 0), 12) == Approx(-1).margin(0.01));
  CHECK(autocorrelation(std::vector<double>(50, 3), 1) == 0);
  CHECK(autocorrelation(made::days(20, 0), 15) == 0);
}
