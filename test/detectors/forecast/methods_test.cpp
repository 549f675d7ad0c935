// SPDX-License-Identifier: Apache-2.0
// Each method alone, by hand.
#include <algorithm>

#include "detectors/forecast/average.h"
#include "detectors/forecast/clock_shift.h"
#include "detectors/forecast/coarse.h"
#include "detectors/forecast/double_seasonal.h"
#include "detectors/forecast/interval.h"
#include "detectors/forecast/level_shift.h"
#include "detectors/forecast/outliers.h"
#include "detectors/forecast/ridge_autoregression.h"
#include "detectors/forecast/seasonal_naive.h"
#include "test/detectors/forecast/made.h"
#include "test/support/catch.h"

using namespace outrider::detectors::forecast;

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();

Filled whole(std::vector<double> values) {
  return fill(values, {});
}

}  // namespace

TEST_CASE(
    "gaps are filled from a season ago, moved to the latest level, and from nothing behind them") {
  const Filled filled = fill({1, 2, 3, 11, gap, gap, 23, gap}, {3, 0});
  CHECK(filled.values == std::vector<double>{1, 2, 3, 11, 12, 13, 23, 24});
  CHECK(filled.known == std::vector<char>{1, 1, 1, 1, 0, 0, 1, 0});
  CHECK(fill({gap, 5, gap}, {}).values == std::vector<double>{5, 5, 5});
}

TEST_CASE("seasonal naive repeats the last season, naive the last value") {
  const Filled series = whole({1, 2, 3, 4, 5, 6});
  CHECK(SeasonalNaive(series, 3, "s").ahead(6, 5) == std::vector<double>{4, 5, 6, 4, 5});
  CHECK(SeasonalNaive(series, 0, "n").ahead(6, 2) == std::vector<double>{6, 6});
  CHECK(SeasonalNaive(series, 100, "s").ahead(2, 3) == std::vector<double>{1, 2, 1});
}

TEST_CASE("double seasonal smoothing goes on with level, day and week, and with what is left") {
  // Days of 2, weeks of 4: 10 +- 3 by day, +- 1 by week.
  std::vector<double> values;
  for (std::size_t i = 0; i < 40; ++i)
    values.push_back(10 + (i % 2 == 0 ? 3 : -3) + (i % 4 < 2 ? 1 : -1));
  const Filled exact = whole(values);
  DoubleSeasonal calm(exact, {2, 4});
  calm.learn(40);
  const auto same = calm.ahead(40, 4);
  for (std::size_t h = 0; h < 4; ++h) CHECK(same[h] == Approx(values[h]));
  values.back() += 1;
  const Filled higher = whole(values);
  DoubleSeasonal moved(higher, {2, 4});
  moved.learn(40);
  // All gains are low yet: 0.9 of the last error is left, and 0.05 of it went into the level.
  CHECK(moved.ahead(40, 1)[0] == Approx(values[0] + 0.05 + 0.9));
}

TEST_CASE("double seasonal smoothing takes the gains that told the next slots best") {
  // How much of a last value that is 50 too high is in the next forecast: about 0.5 where values
  // are off by themselves, 0.9 where each is off nearly as the one before.
  const auto carried = [](std::vector<double> values) {
    const Filled before = fill(values, {24, 168});
    values.back() += 50;
    const Filled higher = fill(values, {24, 168});
    DoubleSeasonal a(before, {24, 168}), b(higher, {24, 168});
    a.learn(values.size()), b.learn(values.size());
    return (b.ahead(values.size(), 1)[0] - a.ahead(values.size(), 1)[0]) / 50;
  };
  const auto single = made::days(60 * 24, 5), noise = made::days(60 * 24, 5, 24, 2);
  auto sticky = made::days(60 * 24, 0);
  double off = 0;
  for (std::size_t i = 0; i < sticky.size(); ++i) {
    off = 0.95 * off + noise[i] - sticky[i];
    sticky[i] += off;
  }
  CHECK(carried(single) == Approx(0.525).margin(0.03));
  CHECK(carried(sticky) == Approx(0.925).margin(0.03));
}

TEST_CASE("double seasonal smoothing learns nothing from gaps, and of nothing forecasts a number") {
  auto values = made::days(6 * 168, 0);
  for (std::size_t i = 500; i < 520; ++i) values[i] = gap;
  Filled series = fill(values, {24, 168});
  for (std::size_t i = 500; i < 520; ++i) series.values[i] = 1e6;
  DoubleSeasonal method(series, {24, 168});
  method.learn(600);
  CHECK(method.ahead(600, 1)[0] == Approx(values[600]).margin(1e-6));
  const Filled none = fill(std::vector<double>(100, gap), {24, 0});
  DoubleSeasonal of_none(none, {24, 0});
  of_none.learn(100);
  CHECK(of_none.ahead(100, 2) == std::vector<double>{0, 0});
}

TEST_CASE("an autoregression finds the coefficients of an exact recursion, and follows it") {
  std::vector<double> values = {1, 3};
  for (std::size_t i = 2; i < 120; ++i)
    values.push_back(5 + 1.6 * values[i - 1] - 0.9 * values[i - 2]);
  const Filled series = whole({values.begin(), values.begin() + 100});
  RidgeAutoregression method(series, {"a", {1, 2}, Scale::level, 0, 1e-9});
  method.learn(100);
  const Eigen::VectorXd found = method.coefficients();
  CHECK(found[0] == Approx(1.6).epsilon(1e-4));
  CHECK(found[1] == Approx(-0.9).epsilon(1e-4));
  CHECK(found[2] == Approx(5).epsilon(1e-2));
  const auto ahead = method.ahead(100, 20);
  for (std::size_t h = 0; h < 20; ++h) CHECK(ahead[h] == Approx(values[100 + h]).epsilon(1e-3));
}

TEST_CASE("an autoregression of steps goes on with a trend, one of logarithms with a growth") {
  std::vector<double> line, growth;
  for (int i = 0; i < 100; ++i) {
    line.push_back(3 * i);
    growth.push_back(std::pow(1.05, i));
  }
  const Filled lines = whole(line), growths = whole(growth);
  RidgeAutoregression steps(lines, {"s", {1}, Scale::level, 1});
  steps.learn(100);
  CHECK(steps.ahead(100, 3)[2] == Approx(306));
  RidgeAutoregression logs(growths, {"l", {1}, Scale::logarithm, 0});
  logs.learn(100);
  CHECK(logs.ahead(100, 3)[2] == Approx(std::pow(1.05, 102)).epsilon(0.01));
}

TEST_CASE("an unstable autoregression stays within one range of what was seen") {
  std::vector<double> values;
  for (int i = 0; i < 60; ++i) values.push_back(std::pow(1.5, i % 20));
  const Filled series = whole(values);
  RidgeAutoregression method(series, {"a", {1}, Scale::level, 0});
  method.learn(19);  // Sees only growth.
  const auto ahead = method.ahead(19, 1000);
  const double range = values[18] - values[0];
  CHECK(*std::max_element(ahead.begin(), ahead.end()) <= Approx(values[18] + range));
}

TEST_CASE("an autoregression that only saw gaps forecasts a number") {
  const Filled series = fill(std::vector<double>(300, gap), {});
  RidgeAutoregression method(series, {"a", {1, 2}, Scale::level, 0});
  method.learn(300);
  CHECK(std::isfinite(method.ahead(300, 2)[1]));
}

TEST_CASE("no method looks behind where it stands") {
  const Seasons seasons{24, 168};
  const auto values = made::days(6 * 168);
  auto other = values;
  for (std::size_t i = 800; i < other.size(); ++i) other[i] = 1 + static_cast<double>(i % 7);
  const Filled a = fill(values, seasons), b = fill(other, seasons);
  Methods of_a = methods_for(a, seasons, 600), of_b = methods_for(b, seasons, 600);
  REQUIRE(of_a.size() == 8);
  for (std::size_t m = 0; m < of_a.size(); ++m) {
    of_a[m]->learn(800), of_b[m]->learn(800);
    INFO(of_a[m]->name());
    CHECK(of_a[m]->ahead(800, 48) == of_b[m]->ahead(800, 48));
  }
}

TEST_CASE("the method that errs less weighs more, by the square of its errors") {
  // The day before is exact; last week at today's level is exact too; the week alone is off by the
  // trend.
  std::vector<double> values;
  for (std::size_t i = 0; i < 900; ++i)
    values.push_back(100 + 50 * made::wave(static_cast<double>(i), 24) +
                     0.01 * static_cast<double>(i));
  const Filled series = fill(values, {24, 168});
  Methods methods;
  methods.push_back(std::make_unique<SeasonalNaive>(series, 24, "day"));
  methods.push_back(std::make_unique<SeasonalNaive>(series, 168, "week"));
  const Averaged averaged = average(series, methods, origins_for(900, 24, {24, 168}), 24, 24);
  CHECK(averaged.weights[0] == Approx(49.0 / 50));
  CHECK(averaged.weights[1] == Approx(1.0 / 50));
}

TEST_CASE("origins are a season apart, in the newer half, and end at the horizon") {
  const Origins origins = origins_for(700, 48, {24, 168});
  CHECK(origins.horizon == 48);
  CHECK(origins.at.back() == 652);
  CHECK(origins.at.front() == 652 - 12 * 24);
  CHECK(origins.at.size() == 13);
  CHECK(origins_for(5000, 48, {24, 168}).at.size() == 21);
  CHECK(origins_for(10, 48, {}).horizon == 2);
}

TEST_CASE("of less than a day ahead origins stand at the hour of the forecast, where enough do") {
  CHECK(origins_for(700, 6, {24, 168}).at.back() == 700 - 24);
  CHECK(origins_for(700, 24, {24, 168}).at.back() == 700 - 24);
  CHECK(origins_for(5 * 24, 6, {24, 0}).at.back() == 5 * 24 - 6);
}

TEST_CASE("interval widths are the quantile of the errors, widened, by distance and phase") {
  std::vector<Errors> errors;
  for (std::size_t o = 0; o < 10; ++o) errors.push_back({24 * o, std::vector<double>(24, 2.0)});
  const auto flat = IntervalWidths(errors, 24, 240, 30).at(0.9);
  CHECK(flat[0] == Approx(2.2));
  CHECK(flat[23] == Approx(2.2));
  CHECK(flat[29] == Approx(2.2 * std::sqrt(30.0 / 24)));
  for (Errors& one : errors) {
    for (std::size_t h = 12; h < 24; ++h) one.sizes[h] = 6;
  }
  const auto by_phase = IntervalWidths(errors, 24, 240, 24).at(0.9);
  CHECK(by_phase[20] > 2 * by_phase[4]);
  CHECK(IntervalWidths({}, 24, 0, 3).at(0.9) == std::vector<double>(3, 0));
}

TEST_CASE("a day's clock is found to have moved only where it has") {
  std::vector<double> values;
  for (std::size_t i = 0; i < 6 * 168; ++i) {
    const double hour = static_cast<double>(i + (i >= 5 * 168 + 50 ? 1 : 0));
    values.push_back(100 + 50 * made::wave(hour, 24) + (std::fmod(hour, 168) < 120 ? 30 : 0));
  }
  const std::vector<double> before(values.begin(), values.begin() + 5 * 168);
  CHECK_FALSE(find_clock_shift(before, {24, 168}, made::hour_ms));
  const auto shift = find_clock_shift(values, {24, 168}, made::hour_ms);
  REQUIRE(shift);
  CHECK(shift->steps == -1);
  CHECK(std::abs(static_cast<int>(shift->since) - (5 * 168 + 50)) <= 6);
  undo(*shift, values);
  CHECK(values[200] == Approx(100 + 50 * made::wave(201, 24) + 30));
  for (unsigned seed = 0; seed < 50; ++seed)
    CHECK_FALSE(find_clock_shift(made::days(6 * 168, 20, 24, seed), {24, 168}, made::hour_ms));
}

TEST_CASE("a change of level is undone by a difference or by a factor, and a holiday is none") {
  auto values = made::days(6 * 168, 3);
  for (std::size_t i = 700; i < values.size(); ++i) values[i] *= 4;
  auto moved = values;
  const auto shifts = undo_level_shifts(moved, {24, 168});
  REQUIRE(shifts.size() == 1);
  CHECK(std::abs(static_cast<int>(shifts[0].since) - 700) <= 12);
  CHECK(shifts[0].factor == Approx(4).epsilon(0.05));
  auto holiday = made::days(6 * 168, 3);
  for (std::size_t i = 700; i < 772; ++i) holiday[i] -= 60;
  CHECK(undo_level_shifts(holiday, {24, 168}).empty());
  for (unsigned seed = 0; seed < 50; ++seed) {
    auto calm = made::days(6 * 168, 20, 24, seed);
    CHECK(undo_level_shifts(calm, {24, 168}).empty());
  }
}

TEST_CASE("a spike is dropped, and a job that comes each day is not") {
  auto values = made::days(10 * 24, 1);
  for (std::size_t i = 3; i < values.size(); i += 24) values[i] += 500;
  CHECK(drop_outliers(values, {24, 0}) == 0);
  values[100] = 3000;
  CHECK(drop_outliers(values, {24, 0}) == 1);
  CHECK(std::isnan(values[100]));
}

TEST_CASE("blocks are counted from the end, and a line joins their middles") {
  CHECK(block_size(24) == 1);
  CHECK(block_size(288) == 6);
  CHECK(block_size(1440) == 30);
  CHECK(block_size(211) == 1);
  CHECK(coarsen(std::vector<double>{9, 1, 3, 5, 7}, 2) == std::vector<double>{2, 6});
  CHECK(std::isnan(coarsen(std::vector<double>{gap, gap, gap, 1}, 4)[0]));
  const std::vector<double> fine(96, 0);
  const auto line = Refiner(fine, 2, 96).refine(96, {0, 4, 8, 12}, 4);
  CHECK(line == std::vector<double>{3, 5, 7, 9});
}
