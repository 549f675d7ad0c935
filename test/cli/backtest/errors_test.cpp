// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/errors.h"

#include <sstream>

#include "test/detectors/conformance.h"
#include "test/support/catch.h"

using namespace outrider;
using cli::ErrorBacktest;

namespace {

Result<cli::ErrorAlarms> backtest(const std::string& csv, double rate = 0.05,
                                  double run_length = 1e6) {
  std::istringstream file(csv);
  ErrorBacktest settings;
  settings.reference_error_rate = rate;
  settings.alarm_run_length = run_length;
  return cli::find_error_alarms(file, settings);
}

std::vector<std::uint64_t> rows(const cli::ErrorAlarms& found) {
  std::vector<std::uint64_t> all;
  for (const auto& alarm : found.alarms) all.push_back(alarm.row);
  return all;
}

std::string csv_of(const std::vector<double>& errors) {
  std::string csv = "error\n";
  for (const double error : errors) csv += error > 0 ? "1\n" : "0\n";
  return csv;
}

}  // namespace

TEST_CASE("an alarm's row counts from 0, and the detector starts anew after it") {
  // By hand: with p0 = 0.06 and all labels wrong, mean_k S_k reaches 1e6 with the label after which
  // sum_k over 8 of (L + L^2 + … + L^n) / 8 >= 1e6, L = p_k / 0.06.
  int labels = 0;
  for (double mean = 0; mean < 1e6;) {
    ++labels;
    mean = 0;
    for (int k = 0; k < 8; ++k) {
      const double factor = (0.06 + 0.01 * std::pow(50.0, k / 7.0)) / 0.06;
      double sum = 0;
      for (int i = 0; i < labels; ++i) sum = (sum + 1) * factor;
      mean += sum / 8;
    }
  }
  std::string csv = "error\n";
  for (int i = 0; i < 10; ++i) csv += "0\n";
  for (int i = 0; i < 3 * labels; ++i) csv += "1\n";
  const auto found = backtest(csv);
  REQUIRE(found);
  REQUIRE(found->alarms.size() == 3);
  CHECK(found->rows == static_cast<std::uint64_t>(10 + 3 * labels));
  // The ten right labels before cost the first alarm nothing but their own small factor.
  CHECK(found->alarms[0].row <= static_cast<std::uint64_t>(10 + labels));
  CHECK(found->alarms[0].change.first == 10);
  CHECK(found->alarms[1].row == found->alarms[0].row + static_cast<std::uint64_t>(labels));
  CHECK(found->alarms[2].row == found->alarms[1].row + static_cast<std::uint64_t>(labels));
  CHECK(found->alarms[1].change.first == static_cast<std::int64_t>(found->alarms[0].row) + 1);
}

TEST_CASE("a fall is found soon after it, and nothing before it") {
  const auto found = backtest(csv_of(test::error_stream(21, 40'000, 0.05, 0.28)));
  REQUIRE(found);
  REQUIRE_FALSE(found->alarms.empty());
  CHECK(found->alarms[0].row >= 20'000);
  CHECK(found->alarms[0].row <= 20'120);
  CHECK(found->alarms[0].change.first >= 19'950);
}

TEST_CASE("the alarm run length and the reference rate do what they say") {
  const std::string csv = csv_of(test::error_stream(22, 100'000, 0.06, 0.06));
  CHECK(backtest(csv, 0.05, 1e6)->alarms.empty());
  CHECK(backtest(csv, 0.05, 100)->alarms.size() <= 1'000);
  CHECK_FALSE(backtest(csv, 0.05, 100)->alarms.empty());
  CHECK_FALSE(backtest(csv, 0.01, 1e6)->alarms.empty());
}

TEST_CASE("the column is found among others, with CRLF, blanks and points") {
  const auto found = backtest(
      "time, error ,city\r\n1,0,a\r\n2, 1 ,\"b,c\"\r\n3,1.0,d\r\n4,0.0,e\r\n5,True,f\r\n6,false,g");
  REQUIRE(found);
  CHECK(found->rows == 6);
}

TEST_CASE("a file is read the same wherever its pieces end") {
  // More than one piece of 64 KiB.
  const std::string csv = csv_of(test::error_stream(23, 60'000, 0.05, 0.2));
  const std::string crlf = [&] {
    std::string text;
    for (const char c : csv) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return text;
  }();
  CHECK(rows(*backtest(csv)) == rows(*backtest(crlf)));
}

TEST_CASE("a bad file is refused with its line and what to change") {
  const auto refused = [](const std::string& csv, std::string_view code, const std::string& text) {
    INFO(csv);
    const auto found = backtest(csv);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == code);
    CHECK_THAT(found.error().message, Catch::Contains(text));
  };
  refused("", "csv_empty", "empty");
  refused("error\n", "no_rows", "no rows");
  refused("err\n0\n", "no_error_column", "line 1: no column is named 'error'");
  refused("0\n1\n", "no_error_column", "line 1");
  refused("id;error\n1;0\n", "csv_separator", "line 1: the columns are separated by ';'");
  refused("error,error\n0,0\n", "csv_duplicate_column", "line 1");
  refused("error\n0\n2\n", "bad_error", "line 3: error='2': expected 0 (right) or 1 (wrong)");
  refused("error\n0\nyes\n", "bad_error", "line 3: error='yes'");
  refused("error\n0\n0.5\n", "bad_error", "line 3: error='0.5'");
  refused("error\n0\nnan\n", "bad_error", "line 3");
  refused("error\n0\n\n1\n", "bad_error", "line 3: an empty line");
  refused("id,error\n1,0\n2\n", "csv_ragged", "line 3: 1 fields, but the header has 2");
  refused("id,error\n1,0\n2,\n", "bad_error", "line 3: error=''");
  refused("error\n0\n\"1", "csv_open_quote", "line 3");
  refused("error\n0\n1\"\n", "csv_quote", "line 3");
  refused("error\n" + std::string(2 << 20, '0') + "\n", "csv_field_too_large", "line 2");
}

TEST_CASE("settings without meaning are refused") {
  CHECK_FALSE(backtest("error\n0\n", 0.985));
  CHECK_FALSE(backtest("error\n0\n", -0.5));
  CHECK_FALSE(backtest("error\n0\n", 0.05, 0));
}
