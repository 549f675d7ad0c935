// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/drift.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "reference/reference_json.h"
#include "test/reference/table_rows.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::cli;
using detectors::State;

namespace {

class Folder {
 public:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.path() / name, std::ios::binary) << text;
    return (folder_.path() / name).string();
  }

 private:
  TemporaryFolder folder_;
};

std::string csv(const test::Table& table) {
  std::string text;
  const auto line = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) text += (i ? "," : "") + fields[i];
    text += "\n";
  };
  line(table.columns);
  for (const auto& row : table.rows) line(row);
  return text;
}

std::string reference_of(const test::Table& table) {
  reference::BuildSettings settings;
  settings.target = "price";
  settings.prediction = "predicted";
  return reference::to_json(build_reference(table.columns, table.visitor(), settings)->reference);
}

// Multiplies a column from a row on.
test::Table scaled(test::Table table, const std::string& name, double factor,
                   std::size_t from = 0) {
  const auto at = static_cast<std::size_t>(
      std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  for (std::size_t i = from; i < table.rows.size(); ++i) {
    if (table.rows[i][at].empty()) continue;
    table.rows[i][at] = std::to_string(std::stod(table.rows[i][at]) * factor);
  }
  return table;
}

const detectors::Verdict& verdict(const DriftReport& report, const std::string& subject) {
  for (const auto& one : report.subjects) {
    if (one.subject == subject) return one;
  }
  FAIL("no subject " << subject);
  return report.subjects.front();
}

}  // namespace

TEST_CASE("rows like the training's are stable, and shifted ones drift in the last row") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(5000)));
  const std::string same = folder.write("same.csv", csv(test::houses(3000, 2)));
  const std::string moved =
      folder.write("moved.csv", csv(scaled(test::houses(3000, 3), "size", 1.3)));
  const auto calm = backtest_drift({reference, same, "predicted", "price", "", ""});
  REQUIRE(calm);
  CHECK(calm->rows == 3000);
  CHECK(calm->alarms.empty());
  for (const auto& one : calm->subjects) CHECK(one.state == State::stable);
  CHECK(*calm->accuracy == Approx(0.9));
  CHECK(*calm->accuracy_reference == Approx(0.9));
  const auto report = backtest_drift({reference, moved, "predicted", "", "", ""});
  REQUIRE(report);
  CHECK(verdict(*report, "size").state == State::drift);
  CHECK(verdict(*report, "bedrooms").state == State::stable);
  REQUIRE_FALSE(report->alarms.empty());
  CHECK(report->alarms[0].row == 2999);
  CHECK(report->alarms[0].subject == "size");
}

TEST_CASE(
    "with a time column rows go through panes, and the alarm is in the second pane that exceeds") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(5000)));
  // 1 000 rows a five-minute pane; the size moves with row 3 000.
  test::Table table = test::houses(6000, 4);
  for (auto& row : table.rows) row[1] = row[1].empty() ? "2000" : row[1];
  table = scaled(std::move(table), "size", 1.3, 3000);
  table.columns.push_back("at");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    table.rows[i].push_back(std::to_string(1'700'000'100.0 + static_cast<double>(i) * 0.3));
  }
  const auto report =
      backtest_drift({reference, folder.write("live.csv", csv(table)), "", "", "", "at"});
  REQUIRE(report);
  std::vector<std::uint64_t> rows;
  for (const auto& alarm : report->alarms) {
    if (alarm.subject == "size") rows.push_back(alarm.row);
  }
  // The pane of rows 3 000 to 3 999 votes; the next one's first look is due at 500 rows, at the end
  // of their ten seconds.
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] >= 4499);
  CHECK(rows[0] < 4499 + 34);
}

// Without a value in every so many rows from row 3 000 on, and with one before.
test::Table losing(test::Table table, const std::string& name, std::size_t every) {
  const auto at = static_cast<std::size_t>(
      std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i][at].empty()) table.rows[i][at] = "2000";
    if (i >= 3000 && i % every == 0) table.rows[i][at].clear();
  }
  return table;
}

TEST_CASE("values that go missing raise the alarm that they raise live") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(5000)));
  test::Table table = losing(test::houses(9000, 4), "size", 8);
  const auto report =
      backtest_drift({reference, folder.write("all.csv", csv(table)), "", "", "", ""});
  REQUIRE(report);
  // 750 of 9 000 rows are 8.3 %; training missed 2 %.
  REQUIRE(report->quality_alarms.size() == 1);
  CHECK(report->quality_alarms[0].feature == "size");
  CHECK(report->quality_alarms[0].check == "missing");
  CHECK(report->quality_alarms[0].row == 8999);
  CHECK(report->quality_alarms[0].share == Approx(750.0 / 9000));
  CHECK(report->quality_alarms[0].trained_share == Approx(0.02));

  table.columns.push_back("at");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    table.rows[i].push_back(std::to_string(1'700'000'100.0 + static_cast<double>(i) * 0.3));
  }
  const auto timed =
      backtest_drift({reference, folder.write("timed.csv", csv(table)), "", "", "", "at"});
  REQUIRE(timed);
  REQUIRE(timed->quality_alarms.size() == 1);
  // 1 000 rows in five minutes. After the fifth pane 250 of 3 000 rows fail; then it has to hold
  // five minutes more.
  CHECK(timed->quality_alarms[0].row == 5999);

  const test::Table rarely = losing(test::houses(9000, 4), "size", 30);
  const auto calm =
      backtest_drift({reference, folder.write("rare.csv", csv(rarely)), "", "", "", ""});
  REQUIRE(calm);
  CHECK(calm->quality_alarms.empty());
}

TEST_CASE("what training missed too is not called missing") {
  const Folder folder;
  const test::Table trained = losing(test::houses(9000, 1), "size", 4);
  const std::string reference = folder.write("reference.json", reference_of(trained));
  const std::string live = folder.write("live.csv", csv(losing(test::houses(9000, 4), "size", 4)));
  const auto report = backtest_drift({reference, live, "", "", "", ""});
  REQUIRE(report);
  CHECK(report->quality_alarms.empty());
}

TEST_CASE("predictions that go wrong raise the accuracy alarm, once") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(5000)));
  const auto table = scaled(test::houses(4000, 5), "price", 1.3, 2000);  // The market moves.
  const auto report = backtest_drift(
      {reference, folder.write("live.csv", csv(table)), "predicted", "price", "", ""});
  REQUIRE(report);
  std::vector<std::uint64_t> rows;
  for (const auto& alarm : report->alarms) {
    if (alarm.subject == "accuracy") rows.push_back(alarm.row);
  }
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] >= 2000);
  CHECK(rows[0] < 2060);
}

TEST_CASE(
    "a feature without a column is missing and named, without any there is nothing to judge") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(5000)));
  const auto report =
      backtest_drift({reference, folder.write("a.csv", "size\n2000\n2100\n"), "", "", "", ""});
  REQUIRE(report);
  CHECK(report->absent == std::vector<std::string>{"bedrooms", "colour"});
  CHECK(verdict(*report, "size").state == State::warming_up);
  const auto none = backtest_drift({reference, folder.write("b.csv", "x\n1\n"), "", "", "", ""});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == "unknown_column");
}

TEST_CASE("a recorded file with decimal commas and days first is judged as one with points") {
  const Folder folder;
  const std::string reference = folder.write("reference.json", reference_of(test::houses(2000)));
  test::Table plain = test::houses(1500, 7);
  test::Table german = plain;
  plain.columns.push_back("at");
  german.columns.push_back("at");
  for (std::size_t i = 0; i < plain.rows.size(); ++i) {
    const std::string hour = std::to_string(10 + i / 150);
    plain.rows[i].push_back("2026-02-27T" + hour + ":00:00Z");
    german.rows[i].push_back("27.02.2026 " + hour + ":00");
    for (std::string& field : german.rows[i]) {
      if (&field == &german.rows[i].back()) break;
      std::replace(field.begin(), field.end(), '.', ',');
      if (field.find(',') != field.npos) field = '"' + field + '"';
    }
  }
  const auto judged = [&](const test::Table& table) {
    auto report = backtest_drift(
        {reference, folder.write("live.csv", csv(table)), "predicted", "price", "", "at"});
    if (!report) FAIL(report.error().message);
    return std::move(*report);
  };
  const DriftReport expected = judged(plain), found = judged(german);
  CHECK(found.rows == 1500);
  CHECK(found.accuracy == expected.accuracy);
  CHECK(verdict(found, "size").n > 0);
  CHECK(verdict(found, "size").scores.psi == verdict(expected, "size").scores.psi);
  for (const auto& [name, quality] : found.quality) CHECK(quality.type == 0);
}

TEST_CASE("every mistake in the call or the files says what, where and what to change") {
  const Folder folder;
  const std::string good = reference_of(test::houses(500));
  const std::string reference = folder.write("reference.json", good);
  const std::string cut = folder.write("cut.json", good.substr(0, 1000));
  const std::string data = folder.write("data.csv", "size,at\n1,x\n");
  const auto code = [](const DriftBacktest& wanted) {
    const auto report = backtest_drift(wanted);
    return report ? "none" : std::string(report.error().code) + " " + report.error().message;
  };
  CHECK(code({"/nowhere.json", data, "", "", "", ""})
            .starts_with("cannot_read reference=/nowhere.json"));
  CHECK(code({reference, "/nowhere.csv", "", "", "", ""})
            .starts_with("cannot_read data=/nowhere.csv"));
  CHECK(code({cut, data, "", "", "", ""}).starts_with("invalid_json reference="));
  CHECK(code({reference, data, "p", "y", "", ""})
            .find("prediction=p: no such column\ntarget=y: no such column") != std::string::npos);
  CHECK(code({reference, data, "", "size", "", ""})
            .find("target=size: needs prediction=COLUMN too") != std::string::npos);
  CHECK(code({reference, folder.write("semicolons.csv", "size;at\n1;2\n"), "", "", "", ""})
            .find("line 1: the columns are separated by ';': expected ','") != std::string::npos);
  CHECK(code({reference, data, "", "", "", "at"}).find("line 2, column 'at': ") !=
        std::string::npos);
  const std::string open =
      folder.write("open.csv", "size,at\n\"1,234\",1/2/2026\n\"2,345\",3/4/2026\n");
  CHECK(code({reference, open, "", "", "", ""}).starts_with("ambiguous_numbers data="));
  CHECK(code({reference, folder.write("days.csv", "size,at\n1,1/2/2026\n2,3/4/2026\n"), "", "", "",
              "at"})
            .find("column 'at': '1/2/2026': days and months may stand in either order") !=
        std::string::npos);
  CHECK(
      code({reference, folder.write("ragged.csv", "size,b\n1\n"), "", "", "", ""}).find("line 2") !=
      std::string::npos);
  CHECK(code({reference, folder.write("empty.csv", "size\n"), "", "", "", ""})
            .starts_with("no_rows"));
}
