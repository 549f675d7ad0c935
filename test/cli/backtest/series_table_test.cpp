// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/series_table.h"

#include <cmath>
#include <random>

#include "base/core/text.h"
#include "cli/backtest/plot.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::cli;

namespace {

ScoredSeries read(std::string_view text) {
  auto series = parse_series("file.csv", text);
  REQUIRE(series);
  return *series;
}

std::string refusal(std::string_view text) {
  const auto series = parse_series("file.csv", text);
  return series ? "(accepted)" : series.error().message;
}

// Two weeks of noise with spikes at the rows given, one row each five minutes.
ScoredSeries with_spikes(std::initializer_list<std::size_t> spikes) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal(50, 5);
  std::string text = "timestamp,value\n";
  for (std::size_t i = 0; i < 4032; ++i) {
    const double value = normal(random);
    const bool spike = std::find(spikes.begin(), spikes.end(), i) != spikes.end();
    text +=
        std::to_string(1'700'000'000 + 300 * i) + "," + format_double(spike ? 900 : value) + "\n";
  }
  ScoredSeries series = read(text);
  score(series);
  return series;
}

}  // namespace

TEST_CASE("a row's time is Unix seconds, a date with a time, or RFC 3339") {
  const std::int64_t expected = 1'769'860'800'000;
  for (const char* text :
       {"1769860800", "1769860800.0", "1.7698608e9", "2026-01-31 12:00:00", "2026-01-31T12:00:00",
        "2026-01-31T12:00:00Z", "2026-01-31 12:00:00.000", "2026-01-31T13:00:00+01:00"}) {
    INFO(text);
    const auto time = parse_time(text);
    REQUIRE(time);
    CHECK(to_unix_ms(*time) == expected);
  }
  for (const char* text : {"", "yesterday", "2026-13-01 00:00:00", "2026-01-31",
                           "31.01.2026 12:00:00", "1769860800000", "nan", "inf"}) {
    INFO(text);
    CHECK_FALSE(parse_time(text));
  }
}

TEST_CASE("columns are found by name, an empty value and NaN are rows without a sample") {
  const ScoredSeries series = read("host,value,timestamp\na,1.5,10\na,,20\na,NaN,30\na,-2e3,40\n");
  REQUIRE(series.rows.size() == 4);
  CHECK(series.rows[0].timestamp_ms == 10'000);
  CHECK(series.rows[0].value == 1.5);
  CHECK(std::isnan(series.rows[1].value));
  CHECK(std::isnan(series.rows[2].value));
  CHECK(series.rows[3].value == -2000);
  CHECK(series.not_later == 0);
}

TEST_CASE("what is wrong with a file is said with its line and column") {
  CHECK(refusal("timestamp,value\n10,1\n20,many\n") ==
        "file.csv:3: value='many': expected a number, NaN or nothing");
  CHECK(refusal("timestamp,value\nnoon,1\n") ==
        "file.csv:2: timestamp='noon': expected Unix seconds or YYYY-MM-DD HH:MM:SS");
  CHECK(refusal("10,1\n20,2\n") ==
        "file.csv:1: no column 'timestamp': expected a header line with 'timestamp' and 'value'");
  CHECK(refusal("timestamp,v\n10,1\n") ==
        "file.csv:1: no column 'value': expected a header line with 'timestamp' and 'value'");
  CHECK(refusal("timestamp,value\n") == "file.csv: no rows below the header line");
  CHECK(refusal("timestamp,value\n1,2,3\n").find("file.csv") == 0);
  CHECK(refusal("").find("file.csv") == 0);
}

TEST_CASE("rows that are not later than the row before are counted, and scored where they stand") {
  CHECK(read("timestamp,value\n10,1\n10,2\n5,3\n20,4\n").not_later == 2);
}

TEST_CASE("each row comes out as it came in, with its score and whether it is an anomaly") {
  const ScoredSeries series = with_spikes({3000});
  std::string out = header_line(false);
  append_rows(out, series, 0.53, false);
  const auto lines = split(out, '\n');
  REQUIRE(lines.size() == 4032 + 2);  // Header, rows, and what follows the last line end.
  CHECK(lines[0].starts_with("timestamp,value,score,anomaly,"));
  const auto fields = split(lines[3001], ',');
  CHECK(fields[0] == "1700900000");
  CHECK(fields[1] == "900");
  CHECK(parse_double(fields[2]).value_or(0) >= 0.53);
  CHECK(fields[3] == "1");
  CHECK(fields[6] == "up");
  const auto ordinary = split(lines[2900], ',');
  CHECK(ordinary[3] == "0");
  CHECK(ordinary.size() == fields.size());
}

TEST_CASE("a score reads back from the file as it was compared with the threshold") {
  const ScoredSeries series = with_spikes({1000, 2000, 3000});
  std::string out;
  append_rows(out, series, 0.5625, false);
  std::size_t i = 0;
  for (const std::string_view line : split(out, '\n')) {
    if (line.empty()) continue;
    const auto fields = split(line, ',');
    CHECK((parse_double(fields[2]).value() >= 0.5625) == (fields[3] == "1"));
    ++i;
  }
  CHECK(i == 4032);
}

TEST_CASE("a budget's threshold lets through no more than it allows, and nearly that") {
  const ScoredSeries series = with_spikes({1000, 1700, 2400, 3100, 3800});
  Tally tally;
  tally.add(series);
  CHECK(tally.at(0.53).weeks == Approx(2).epsilon(0.001));
  std::size_t before = 0;
  for (const double a_week : {0.1, 1.0, 3.0, 10.0, 1000.0}) {
    const Judgement judged = tally.within(a_week);
    CHECK(static_cast<double>(judged.anomalies) <= a_week * judged.weeks + 1e-9);
    CHECK(judged.anomalies >= before);
    before = judged.anomalies;
  }
  CHECK(before > 5);
}

TEST_CASE("a plot has a mark at each anomaly, and names that are no markup") {
  ScoredSeries series = with_spikes({3000});
  series.name = "a<b>&\"c\"";
  const std::string picture = svg({&series}, 0.53);
  CHECK(picture.find("a&lt;b&gt;&amp;") != std::string::npos);
  CHECK(picture.find("1700900000 value 900") != std::string::npos);
  CHECK(picture.size() < 100'000);
  const std::string text = terminal_plot(series, 0.53, 60);
  CHECK(text.find("▲") != std::string::npos);
}

TEST_CASE("a plot of gaps, of one row and of enormous values is still a plot") {
  for (const char* text : {"timestamp,value\n1,NaN\n2,\n", "timestamp,value\n1,5\n",
                           "timestamp,value\n1,1e308\n2,-1e308\n3,inf\n"}) {
    ScoredSeries series = read(text);
    score(series);
    const std::string picture = svg({&series}, 0.53);
    CHECK(picture.find("nan") == std::string::npos);
    CHECK(picture.ends_with("</svg>\n"));
    CHECK_FALSE(terminal_plot(series, 0.53, 60).empty());
  }
}
