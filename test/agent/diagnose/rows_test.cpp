// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/rows.h"

#include <cmath>
#include <limits>

#include "agent/diagnose/timeline.h"
#include "test/support/catch.h"

using namespace outrider::diagnose;

namespace {
const double none = std::numeric_limits<double>::quiet_NaN();

Rows rows_at(Values times, Values values) {
  Rows rows;
  rows.times = std::move(times);
  rows.metrics["cpu"] = std::move(values);
  return rows;
}
}  // namespace

TEST_CASE("a level is what two neighbouring rows hold, so one spike among quiet rows is none") {
  CHECK(highest_level(Values{0, 9, 0, 2, 3, 0})->value == 2);
  CHECK(highest_level(Values{0, 9, 0, 2, 3, 0})->slot == 3);
  CHECK(highest_level(Values{none, 5, none, 4, none})->value == 4);
  CHECK(highest_level(Values{none, 5, none})->value == 5);
  CHECK_FALSE(highest_level(Values{none, none}));
}

TEST_CASE(
    "quantiles lie linearly between order statistics, and a median leaves out what is no number") {
  Values values{4, 1, 3, 2};
  CHECK(quantile(values, 0.25) == Approx(1.75));
  CHECK(quantile(values, 1) == 4);
  CHECK(*median(Values{none, 3, 1, none, 2}) == 2);
  CHECK_FALSE(median(Values{none}));
}

TEST_CASE(
    "the interval of rows is the median over all components, and a minute where nobody has two "
    "rows") {
  CHECK(row_interval({rows_at({0, 60, 120, 500}, {1, 1, 1, 1}), rows_at({7}, {1})}) == 60);
  CHECK(row_interval({rows_at({7}, {1})}) == 60);
}

TEST_CASE("rows of a second become medians of fifteen, and rows of a minute stay") {
  Rows fast;
  for (int second = 0; second < 60; ++second) {
    fast.times.push_back(100 + second);
    fast.metrics["cpu"].push_back(second % 15 == 3 ? 1000 : 2);
  }
  const Rows slow = condensed(fast, 15, 100);
  CHECK(slow.times == Values{100, 115, 130, 145});
  CHECK(slow.metrics.at("cpu") == Values{2, 2, 2, 2});
  const Rows minutes = rows_at({0, 60, 120}, {1, 2, 3});
  CHECK(condensed(minutes, 15, 0).times == minutes.times);
}

TEST_CASE("rows of components that differ by a second share a slot of the grid") {
  const Side side{rows_at({0, 60, 120}, {1, 2, 3}), rows_at({1, 61}, {5, 6})};
  const Grid grid(side, 60);
  REQUIRE(grid.size() == 3);
  const Values on = grid.on(side[1].times, side[1].metrics.at("cpu"));
  CHECK(on[0] == 5);
  CHECK(on[1] == 6);
  CHECK(std::isnan(on[2]));
}

TEST_CASE(
    "the search window begins two minutes and a row before the alert, and the future is never "
    "read") {
  Values times, values;
  for (double time = 0; time < 6000; time += 60) {
    times.push_back(time);
    values.push_back(time);
  }
  const Timeline found = timeline({rows_at(times, values)}, {}, 3000, 300);
  CHECK(found.now[0].times == Values{2820, 2880, 2940, 3000, 3060, 3120, 3180, 3240});
  CHECK(found.calm[0].times.back() == 2760);
  CHECK(found.recent[0].times.front() == 0);
}

TEST_CASE("rows of a baseline that lie in the search window are no calm rows") {
  const Rows rows = rows_at({2760, 2820, 2880, 3000, 3060, 3300, 3360}, Values(7, 1));
  CHECK(timeline({rows}, {rows}, 3000, 300).calm[0].times == Values{2760, 3300, 3360});
  CHECK(timeline({rows}, {Rows()}, 3000, 300).calm[0].times == Values{2760});
}

TEST_CASE(
    "calm windows are as long as the search window, and shorter where the baseline is short") {
  const auto many = calm_windows(100, 8);
  CHECK(many.size() == 24);
  CHECK(many[1].first == 4);
  CHECK(many.back().first + many.back().length <= 100);
  CHECK(calm_windows(12, 8).front().length == 3);
  CHECK(calm_windows(1, 8).empty());
  CHECK(calm_windows(0, 0).empty());
}
