// SPDX-License-Identifier: Apache-2.0
#include "detectors/forecast/forecaster.h"

#include <algorithm>

#include "test/detectors/forecast/made.h"
#include "test/support/catch.h"

using namespace outrider::detectors::forecast;

namespace {

constexpr std::size_t day = 24, week = 168;
constexpr double gap = std::numeric_limits<double>::quiet_NaN();

// A working day's load by local time; `moved` hours earlier from slot `since` on, as clocks do
// against UTC.
std::vector<double> local_load(std::size_t slots, std::size_t since, int moved,
                               std::size_t an_hour) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> values(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    const double hours =
        static_cast<double>(i) / static_cast<double>(an_hour) + (i >= since ? moved : 0);
    const double of_day = std::fmod(hours, 24), of_week = std::fmod(hours, 168);
    const double peak = std::exp(-(of_day - 14) * (of_day - 14) / 10);
    values[i] = (100 + (of_week < 120 ? 300 : 160) * peak) * (1 + 0.01 * normal(random));
  }
  return values;
}

std::ptrdiff_t peak(const std::vector<double>& values, std::size_t from, std::size_t count) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from);
  return std::max_element(begin, begin + static_cast<std::ptrdiff_t>(count)) - begin;
}

double covered(const Forecast& forecast, std::size_t band, const std::vector<double>& truth,
               std::size_t from) {
  double inside = 0;
  for (std::size_t h = 0; h < forecast.values.size(); ++h) {
    const double value = truth[from + h];
    inside += value >= forecast.bands[band].lower[h] && value <= forecast.bands[band].upper[h];
  }
  return inside / static_cast<double>(forecast.values.size());
}

}  // namespace

TEST_CASE("a daily rhythm with noise is forecast with half the error of the day before") {
  const auto values = made::days(6 * week + 48);
  const auto truth = made::days(6 * week + 48, 0);
  const std::vector<double> known(values.begin(), values.end() - 48);
  const Forecast forecast = made::ahead(known, 48);
  REQUIRE(forecast.values.size() == 48);
  CHECK(forecast.seasons == Seasons{day, week});
  CHECK(forecast.notes.empty());
  const std::vector<double> yesterday(known.end() - 48, known.end());
  CHECK(made::mean_error(forecast.values, truth, 6 * week) <
        0.5 * made::mean_error(yesterday, truth, 6 * week));
  double weights = 0;
  for (const Part& part : forecast.parts) weights += part.weight;
  CHECK(forecast.parts.size() == 8);
  CHECK(weights == Approx(1));
}

TEST_CASE(
    "a forecast does not change with what comes later, and the same history has the same "
    "forecast") {
  auto values = made::days(6 * week);
  const Forecast once = made::ahead(values, 24);
  CHECK(made::ahead(values, 24).values == once.values);
  // Rolling origins look at nothing behind them either: the method's own promise, average_test.
  values.resize(6 * week - 1);
  CHECK(made::ahead(values, 24).values != once.values);
}

TEST_CASE("intervals cover what they say on simulated series") {
  double half = 0, nine = 0, most = 0;
  constexpr unsigned runs = 60;
  for (unsigned run = 0; run < runs; ++run) {
    std::mt19937_64 random(100 + run);
    std::normal_distribution<double> normal(0, 1);
    std::vector<double> values(5 * week + 48);
    double drift = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      drift = 0.8 * drift + 6 * normal(random);
      values[i] = 200 + 60 * made::wave(static_cast<double>(i), 24) + drift;
    }
    const Forecast forecast = made::ahead({values.begin(), values.end() - 48}, 48);
    half += covered(forecast, 0, values, 5 * week) / runs;
    nine += covered(forecast, 1, values, 5 * week) / runs;
    most += covered(forecast, 2, values, 5 * week) / runs;
  }
  CHECK(half == Approx(0.53).margin(0.07));
  CHECK(nine == Approx(0.91).margin(0.04));
  CHECK(most == Approx(0.955).margin(0.03));
}

TEST_CASE("wider levels have wider intervals, and all hold the forecast") {
  const Forecast forecast = made::ahead(made::days(4 * week), 48);
  for (std::size_t h = 0; h < 48; ++h) {
    CHECK(forecast.bands[2].lower[h] <= forecast.bands[1].lower[h]);
    CHECK(forecast.bands[1].lower[h] <= forecast.bands[0].lower[h]);
    CHECK(forecast.bands[0].lower[h] <= forecast.values[h]);
    CHECK(forecast.values[h] <= forecast.bands[0].upper[h]);
    CHECK(forecast.bands[1].upper[h] <= forecast.bands[2].upper[h]);
  }
}

TEST_CASE("a day on which clocks change moves the peak of the next forecasts by one step at most") {
  // Hours and half hours; forward and back; one to six days ago.
  for (const std::size_t an_hour : {std::size_t{1}, std::size_t{2}}) {
    for (const int moved : {1, -1}) {
      for (std::size_t ago = 1; ago <= 6; ++ago) {
        const std::size_t size = (6 * week + ago * day) * an_hour;
        const auto values = local_load(size + day * an_hour, 6 * week * an_hour, moved, an_hour);
        const Forecast forecast =
            made::ahead({values.begin(), values.begin() + static_cast<std::ptrdiff_t>(size)},
                        day * an_hour, made::hour_ms / static_cast<std::int64_t>(an_hour));
        INFO("an hour of " << an_hour << " steps moved by " << moved << ", " << ago << " days ago");
        CHECK(std::abs(peak(forecast.values, 0, day * an_hour) -
                       peak(values, size, day * an_hour)) <= 1);
        CHECK(made::says(forecast, moved > 0 ? "an hour earlier" : "an hour later"));
      }
    }
  }
}

TEST_CASE("a gap is no value, is not learned, and moves nothing") {
  auto values = made::days(6 * week + 48);
  const auto truth = made::days(6 * week + 48, 0);
  values.resize(6 * week);
  for (std::size_t i = 300; i < 320; ++i) values[i] = gap;
  for (std::size_t i = 6 * week - 60; i < 6 * week - 36; ++i) values[i] = gap;
  const Forecast forecast = made::ahead(values, 48);
  CHECK(made::mean_error(forecast.values, truth, 6 * week) < 4);
  for (std::size_t i = 6 * week - 5; i < 6 * week; ++i) values[i] = gap;
  CHECK(made::says(made::ahead(values, 48), "the last 5 rows have no value"));
  // Three values of ten are missing.
  auto holes = made::days(6 * week);
  std::mt19937_64 random(3);
  for (double& value : holes) value = random() % 10 < 3 ? gap : value;
  CHECK(made::mean_error(made::ahead(holes, 48).values, truth, 6 * week) < 5);
}

TEST_CASE("a change of level two days or two weeks ago is followed, and said") {
  const auto truth = made::days(6 * week + 48, 0);
  for (const std::size_t ago : {2 * day, 3 * day, 2 * week}) {
    auto values = made::days(6 * week);
    for (std::size_t i = 6 * week - ago; i < 6 * week; ++i) values[i] += 200;
    const Forecast forecast = made::ahead(values, 48);
    double error = 0;
    for (std::size_t h = 0; h < 48; ++h)
      error += std::fabs(forecast.values[h] - truth[6 * week + h] - 200) / 48;
    INFO(ago << " hours ago");
    CHECK(error < 4);
    CHECK(made::says(forecast, "the level changed"));
  }
}

TEST_CASE("a single wild value leaves the forecast as it was, as the last value too") {
  const auto plain = made::ahead(made::days(6 * week), 48);
  for (const std::size_t at : {6 * week - 100, 6 * week - 1}) {
    auto values = made::days(6 * week);
    values[at] = 1e5;
    const Forecast forecast = made::ahead(values, 48);
    CHECK(made::mean_error(forecast.values, plain.values) < 2);
    CHECK(made::says(forecast, "1 value is far from all others"));
  }
}

TEST_CASE("a short history falls back, and says to what") {
  const auto values = made::days(12 * day);
  const Forecast no_week = made::ahead(values, 24);
  CHECK(no_week.seasons == Seasons{day, 0});
  CHECK(made::says(no_week, "a history of 12 days holds no two weeks"));
  const Forecast no_day = made::ahead({values.begin(), values.begin() + 36}, 24);
  CHECK(no_day.seasons == Seasons{0, 0});
  CHECK(made::says(no_day, "no season found in 1.5 days"));
  CHECK(made::says(no_day, "intervals beyond them are extrapolated"));
  const Forecast least = made::ahead({values.begin(), values.begin() + 10}, 100);
  REQUIRE(least.values.size() == 100);
  CHECK(std::all_of(least.values.begin(), least.values.end(),
                    [](double x) { return std::isfinite(x); }));
  CHECK(least.bands[2].upper.back() > least.bands[2].upper.front());
}

TEST_CASE("what never was below 0 is not forecast below 0, and what was may be") {
  auto values = made::days(4 * week, 20);
  for (double& value : values) value = std::max(0.0, value - 90);
  const Forecast forecast = made::ahead(values, 48);
  for (std::size_t h = 0; h < 48; ++h) {
    CHECK(forecast.values[h] >= 0);
    CHECK(forecast.bands[2].lower[h] >= 0);
  }
  for (double& value : values) value -= 5;
  const Forecast below = made::ahead(values, 48);
  CHECK(*std::min_element(below.bands[2].lower.begin(), below.bands[2].lower.end()) < 0);
}

TEST_CASE("a counter goes on from its last value, and its resets are no falls") {
  const auto rises = made::days(6 * week + 48, 0);
  for (const bool reset : {false, true}) {
    std::vector<double> values;
    double total = 0;
    for (std::size_t i = 0; i < 6 * week; ++i) {
      total = reset && i == 500 ? rises[i] : total + rises[i];
      values.push_back(total);
    }
    const Forecast forecast = made::ahead(values, 48);
    CHECK(made::says(forecast, "it only rises"));
    double truth = total;
    for (std::size_t h = 0; h < 48; ++h) {
      truth += rises[6 * week + h];
      CHECK(forecast.values[h] == Approx(truth).epsilon(0.001));
    }
  }
}

TEST_CASE("minutes are averaged to forecast them, and a job at each full hour comes back") {
  std::vector<double> values;
  const auto rows = made::days(11 * 1440, 5, 1440);
  for (std::size_t i = 0; i < rows.size(); ++i) values.push_back(rows[i] + (i % 60 < 3 ? 40 : 0));
  const Forecast forecast = made::ahead({values.begin(), values.begin() + 10 * 1440}, 1440, 60'000);
  CHECK(forecast.seasons.day == 1440);
  double at_job = 0, before_job = 0;
  for (std::size_t h = 0; h < 1440; h += 60) {
    at_job += forecast.values[h + 1] / 24;
    before_job += forecast.values[(h + 1430) % 1440] / 24;
  }
  CHECK(at_job - before_job > 30);
  CHECK(covered(forecast, 1, values, 10 * 1440) == Approx(0.9).margin(0.05));
}

TEST_CASE("constant, zero, huge and tiny series have finite forecasts") {
  for (const double value : {0.0, 7.0, -3.0}) {
    const Forecast forecast = made::ahead(std::vector<double>(500, value), 48);
    CHECK(forecast.values == std::vector<double>(48, value));
    CHECK(forecast.bands[2].upper == std::vector<double>(48, value));
  }
  for (const double factor : {1e150, 1e-150}) {
    auto values = made::days(4 * week);
    for (double& value : values) value *= factor;
    const Forecast forecast = made::ahead(values, 48);
    CHECK(forecast.values[6] / factor == Approx(150).margin(15));
  }
}

TEST_CASE("forecasts of a series that is scaled are scaled likewise") {
  const auto values = made::days(5 * week);
  const Forecast once = made::ahead(values, 48);
  auto scaled = values;
  for (double& value : scaled) value *= 1024;
  const Forecast again = made::ahead(scaled, 48);
  for (std::size_t h = 0; h < 48; ++h) {
    CHECK(again.values[h] == Approx(1024 * once.values[h]).epsilon(1e-6));
    CHECK(again.bands[1].upper[h] == Approx(1024 * once.bands[1].upper[h]).epsilon(1e-6));
  }
}

TEST_CASE("intervals of a few hours ahead cover as those of a day do, whatever the hour") {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(0, 0.03);
  std::vector<double> values;
  for (std::size_t i = 0; i < 20 * day; ++i) {
    const double course = 20 + 16 * std::sin(2 * 3.14159265 * static_cast<double>(i) / day);
    values.push_back(course * std::exp(normal(random)));
  }
  for (const std::size_t horizon : {3, 6, 12, 24}) {
    double inside = 0, all = 0;
    for (std::size_t end = 15 * day; end + horizon <= values.size(); end += 5) {
      const std::vector<double> known(values.begin(),
                                      values.begin() + static_cast<std::ptrdiff_t>(end));
      const Forecast forecast = made::ahead(known, horizon);
      inside += covered(forecast, 1, values, end) * static_cast<double>(horizon);
      all += static_cast<double>(horizon);
    }
    INFO(horizon);
    CHECK(inside / all > 0.83);
    CHECK(inside / all < 0.97);
  }
}
