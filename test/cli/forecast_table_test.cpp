// SPDX-License-Identifier: Apache-2.0
#include "cli/forecast/forecast_table.h"

#include <cmath>

#include "base/core/text.h"
#include "cli/forecast/forecast_plot.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::cli;

namespace {

std::string table(const std::vector<std::string>& times, const std::string& value = "1") {
  std::string text = "timestamp,value\n";
  for (const auto& time : times) text += time + "," + value + "\n";
  return text;
}

std::vector<std::string> hours(const std::string& before, const std::string& after) {
  std::vector<std::string> times;
  for (int i = 10; i < 24; ++i) times.push_back(before + std::to_string(i) + after);
  return times;
}

std::string first_row(const std::string& text) {
  const auto parsed = parse_forecast_table("f.csv", text);
  REQUIRE(parsed);
  detectors::forecast::Settings settings;
  settings.levels = {0.5, 0.975};
  const auto forecast = detectors::forecast::forecast(parsed->history, settings);
  return forecast_csv(*parsed, forecast);
}

std::string mistake(const std::string& text) {
  const auto parsed = parse_forecast_table("f.csv", text);
  REQUIRE_FALSE(parsed);
  return std::string(parsed.error().code) + " " + parsed.error().message;
}

}  // namespace

TEST_CASE("timestamps go on in the form in which they came") {
  const std::string header = "timestamp,forecast,lower_50,upper_50,lower_97.5,upper_97.5\n";
  const std::string numbers = ",1,1,1,1,1\n";
  CHECK(first_row(table(hours("2026-01-31 ", ":00:00"))) ==
        header + "2026-02-01 00:00:00" + numbers);
  CHECK(first_row(table(hours("2026-01-31T", ":00:00"))) ==
        header + "2026-02-01T00:00:00" + numbers);
  CHECK(first_row(table(hours("2026-01-31T", ":00:00Z"))) ==
        header + "2026-02-01T00:00:00Z" + numbers);
  CHECK(first_row(table(hours("2026-01-31T", ":00:00+02:00"))) ==
        header + "2026-01-31T22:00:00Z" + numbers);
  CHECK(first_row(table(hours("17000000", ""))) == header + "1700000024" + numbers);
  CHECK(first_row(table(hours("17000000000", ""))) == header + "1700000000024" + numbers);
  CHECK(first_row(table(hours("", ""))) == header + "24" + numbers);
}

TEST_CASE("what is missing is a gap, and other columns are ignored") {
  std::string text = "host,value,timestamp\n";
  for (int i = 0; i < 20; ++i)
    text += "a," +
            std::string(i == 3   ? ""
                        : i == 4 ? "NaN"
                                 : "5") +
            "," + std::to_string(1'700'000'000 + 60 * i) + "\n";
  const auto parsed = parse_forecast_table("f.csv", text);
  REQUIRE(parsed);
  CHECK(std::isnan(parsed->history.values[3]));
  CHECK(std::isnan(parsed->history.values[4]));
  CHECK(parsed->history.values[5] == 5);
}

TEST_CASE("what is wrong is told by file and line, and what to change") {
  auto times = hours("2026-01-31 ", ":00:00");
  CHECK(mistake("time,value\n1,2\n") ==
        "no_column f.csv:1: no column 'timestamp': expected a header line with 'timestamp' and "
        "'value', got 'time, value'");
  CHECK(mistake("timestamp,value\n").starts_with("too_short f.csv: no rows"));
  CHECK(mistake(table({times.begin(), times.begin() + 3}))
            .starts_with("too_short f.csv: only 3 values"));
  CHECK(mistake(table(times, "many")) ==
        "bad_value f.csv:2: value='many': expected a number, or nothing where it is missing");
  std::swap(times[4], times[5]);
  CHECK(mistake(table(times)) ==
        "unordered f.csv:7: timestamp='2026-01-31 14:00:00' is before that of line 6: sort the "
        "rows by time, the oldest first");
  times[4] = times[5];
  times[5] = times[4];
  CHECK(mistake(table(times))
            .starts_with(
                "duplicate f.csv:7: timestamp='2026-01-31 14:00:00' stands in line 6 already"));
  times = hours("2026-01-31 ", ":00:00");
  times[7] = "yesterday";
  CHECK(mistake(table(times)).starts_with("bad_time f.csv:9: timestamp='yesterday': expected"));
  auto seconds = hours("17000000", "");
  seconds[2] = "soon";
  CHECK(mistake(table(seconds))
            .starts_with("bad_time f.csv:4: timestamp='soon': expected Unix time"));
}

TEST_CASE("a picture has the history, the forecast and a band a level") {
  std::string text = "timestamp,value\n";
  for (int i = 0; i < 200; ++i)
    text += std::to_string(1'700'000'000 + 3600 * i) + "," + std::to_string(100 + i % 24) + "\n";
  const auto parsed = parse_forecast_table("f.csv", text);
  REQUIRE(parsed);
  detectors::forecast::Settings settings;
  settings.horizon = 24;
  const std::string svg =
      forecast_svg("a<b", *parsed, detectors::forecast::forecast(parsed->history, settings));
  CHECK(svg.find("a&lt;b") != std::string::npos);
  std::size_t bands = 0;
  for (std::size_t at = svg.find("class='band'"); at != std::string::npos;
       at = svg.find("class='band'", at + 1))
    ++bands;
  CHECK(bands == 3);
  CHECK(svg.find("95 % interval") != std::string::npos);
  CHECK(svg.ends_with("</svg>\n"));
}
