// SPDX-License-Identifier: Apache-2.0
#include "reference/builder.h"

#include <algorithm>

#include "base/core/text.h"
#include "test/reference/table_rows.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::reference;
using detectors::FeatureKind;
using outrider::test::houses;
using outrider::test::Table;

namespace {

Built build(const Table& table, const BuildSettings& settings = {}) {
  auto built = build_reference(table.columns, table.visitor(), settings);
  if (!built) FAIL(built.error().message);
  return std::move(*built);
}

const ColumnReport& column(const Built& built, const std::string& name) {
  return *std::find_if(built.columns.begin(), built.columns.end(),
                       [&](const ColumnReport& report) { return report.name == name; });
}

BuildSettings with_truth() {
  BuildSettings settings;
  settings.target = "price";
  settings.prediction = "predicted";
  return settings;
}

}  // namespace

TEST_CASE("column types are inferred: numbers, repeated texts, and what is no feature") {
  const Built built = build(houses(2000), with_truth());
  CHECK(column(built, "id").role == ColumnRole::ignored);
  CHECK(column(built, "id").note == "it looks like an identifier");
  CHECK(column(built, "sold").note == "it holds dates");
  CHECK(column(built, "size").kind == FeatureKind::numeric);
  CHECK(column(built, "size").missing == 40);
  CHECK(column(built, "bedrooms").kind == FeatureKind::numeric);
  CHECK(column(built, "colour").kind == FeatureKind::categorical);
  CHECK(column(built, "price").role == ColumnRole::target);
  const auto& features = built.reference.statistics->features;
  REQUIRE(features.size() == 3);
  CHECK(features[0].name == "size");
  CHECK(features[0].bins.value_bins() == 20);
  CHECK(features[0].counts.total() == 2000);
  CHECK(features[0].counts.counts[features[0].bins.missing_slot()] == 40);
  CHECK(features[0].mean == Approx(2000).epsilon(0.02));
  CHECK(features[0].deviation == Approx(400).epsilon(0.05));
  CHECK(features[1].bins.value_bins() == 7);  // 1 to 5, and an empty bin on either side
  CHECK(features[2].bins.categories() == std::vector<std::string>{"green", "red", "blue"});
  CHECK(built.rows == 2000);
}

TEST_CASE("the error rate is that of predictions beyond the tolerance") {
  const Built built = build(houses(2000), with_truth());
  CHECK(built.reference.kind == ModelKind::regression);
  REQUIRE(built.reference.accuracy);
  CHECK(built.reference.accuracy->error_rate == Approx(0.1));
  CHECK(built.reference.accuracy->rows == 2000);
  CHECK(built.reference.accuracy->tolerance == 0.1);
  REQUIRE(built.reference.statistics->prediction);
  CHECK(built.reference.statistics->prediction->bins.value_bins() == 20);
}

TEST_CASE("PCA, tails and anomaly scores are over the numeric features") {
  const Built built = build(houses(2000), with_truth());
  REQUIRE(built.reference.statistics->multivariate);
  const auto& multivariate = *built.reference.statistics->multivariate;
  CHECK(multivariate.features == std::vector<std::size_t>{0, 1});
  CHECK(multivariate.scores.size() == 4);
  CHECK(multivariate.scores[0].counts.total() == 2000);
  CHECK(multivariate.tails.components() == 2);
  CHECK(multivariate.anomaly.rows() == 2000);
}

TEST_CASE(
    "a table with a gap in each row has a multivariate part, a missing value being at its mean") {
  Table table;
  table.columns = {"a", "b", "c"};
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::string> row;
    for (int j = 0; j < 3; ++j) {
      row.push_back(i % 3 == j ? "" : std::to_string(10 * j + (i * (7 + j)) % 101));
    }
    table.rows.push_back(row);
  }
  const Built built = build(table);
  REQUIRE(built.reference.statistics->multivariate);
  const auto& multivariate = *built.reference.statistics->multivariate;
  CHECK(multivariate.scores[0].counts.total() == 1000);
  for (std::size_t j = 0; j < 3; ++j) {
    CHECK(multivariate.pca.mean()[j] == Approx(built.reference.statistics->features[j].mean));
  }
}

TEST_CASE("a person's word stands over what was inferred") {
  BuildSettings settings = with_truth();
  settings.ignore = {"size"};
  settings.categorical = {"bedrooms"};
  settings.numeric = {"id"};
  const Built built = build(houses(500), settings);
  CHECK(column(built, "size").role == ColumnRole::ignored);
  CHECK(column(built, "bedrooms").kind == FeatureKind::categorical);
  CHECK(column(built, "id").role == ColumnRole::feature);
}

TEST_CASE("columns that do not exist are all named at once, with those that do") {
  BuildSettings settings;
  settings.target = "prize";
  settings.ignore = {"colour", "sise"};
  const Table table = houses(10);
  const auto built = build_reference(table.columns, table.visitor(), settings);
  REQUIRE_FALSE(built);
  CHECK(built.error().code == "unknown_column");
  CHECK(built.error().message.find("target=prize") != std::string::npos);
  CHECK(built.error().message.find("ignore=sise") != std::string::npos);
  CHECK(built.error().message.find("bedrooms") != std::string::npos);
}

TEST_CASE("a table without rows or without features is refused") {
  Table table{{"x"}, {}};
  CHECK(build_reference(table.columns, table.visitor(), {}).error().code == "no_rows");
  table.rows = {{""}, {""}};
  CHECK(build_reference(table.columns, table.visitor(), {}).error().code == "no_features");
  table.rows = {{"nan"}, {"inf"}};
  CHECK(build_reference(table.columns, table.visitor(), {}).error().code == "no_features");
}

TEST_CASE("a classifier's classes, predictions and calibration") {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform;
  Table table{{"x", "label", "predicted", "score"}, {}};
  for (int i = 0; i < 5000; ++i) {
    const double score = uniform(random);
    table.rows.push_back({std::to_string(score + uniform(random)),
                          uniform(random) < score ? "spam" : "ham", score > 0.5 ? "spam" : "ham",
                          std::to_string(score)});
  }
  BuildSettings settings;
  settings.target = "label";
  settings.prediction = "predicted";
  settings.score = "score";
  settings.positive = "spam";
  const Built built = build(table, settings);
  CHECK(built.reference.kind == ModelKind::classification);
  CHECK(built.reference.classes.size() == 2);
  CHECK(built.reference.accuracy->error_rate == Approx(0.25).margin(0.02));
  CHECK(built.reference.statistics->prediction->bins.kind() == FeatureKind::categorical);
  REQUIRE(built.reference.statistics->calibration);
  CHECK(built.reference.statistics->calibration->kind() == detectors::Calibration::Kind::binary);
  CHECK(built.reference.statistics->calibration->rates().back() > 0.9);
}

TEST_CASE("a table larger than the sample is counted whole, in bounded memory") {
  BuildSettings settings = with_truth();
  settings.sample_rows_max = 500;
  const Built built = build(houses(5000), settings);
  const auto& size = built.reference.statistics->features[0];
  CHECK(size.counts.total() == 5000);
  const auto values = size.counts.values(size.bins);
  CHECK(*std::max_element(values.begin(), values.end()) <
        500);  // Edges from 500 rows are near the quantiles.
}

TEST_CASE("the same rows give the same reference, and progress is told in both passes") {
  std::vector<std::pair<int, std::uint64_t>> told;
  const Table table = houses(20'000);
  const auto progress = [&](int pass, std::uint64_t rows) { told.emplace_back(pass, rows); };
  const auto a = build_reference(table.columns, table.visitor(), with_truth(), progress);
  const auto b = build_reference(table.columns, table.visitor(), with_truth());
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(a->reference.statistics->features[i].hash == b->reference.statistics->features[i].hash);
  }
  const std::vector<std::pair<int, std::uint64_t>> expected{{1, 8192}, {1, 16384}, {1, 20000},
                                                            {2, 8192}, {2, 16384}, {2, 20000}};
  CHECK(told == expected);
}

TEST_CASE("booleans and 1 and 0 in one column are two categories") {
  Table table{{"member", "x"}, {}};
  const char* written[] = {"True", "false", "1", "TRUE", "0", "true"};
  for (int i = 0; i < 60; ++i) table.rows.push_back({written[i % 6], std::to_string(i)});
  const Built built = build(table);
  CHECK(column(built, "member").kind == FeatureKind::categorical);
  CHECK(column(built, "member").distinct == 2);
  const auto& member = built.reference.statistics->features[0];
  CHECK(member.bins.categories() == std::vector<std::string>{"true", "false"});
  CHECK(member.counts.counts == std::vector<std::uint64_t>{40, 20, 0, 0});
}

TEST_CASE("a few booleans among numbers are 1 and 0") {
  Table table{{"x"}, {}};
  for (int i = 0; i < 100; ++i)
    table.rows.push_back({i % 50 == 0 ? "True" : std::to_string(i % 7)});
  const Built built = build(table);
  CHECK(column(built, "x").kind == FeatureKind::numeric);
  CHECK(column(built, "x").wrong_type == 0);
  CHECK(built.reference.statistics->features[0].counts.total() == 100);
}

TEST_CASE("a number is one category however it is written, and a code keeps its zeros") {
  Table table{{"zip", "x"}, {}};
  const char* written[] = {"3", "3.0", "007", "7"};
  for (int i = 0; i < 40; ++i) table.rows.push_back({written[i % 4], std::to_string(i)});
  BuildSettings settings;
  settings.categorical = {"zip"};
  const Built built = build(table, settings);
  CHECK(built.reference.statistics->features[0].bins.categories() ==
        std::vector<std::string>{"3", "007", "7"});
}

TEST_CASE("an index before the features is none of them, and that is said") {
  for (const std::string name : {"", "Unnamed: 0", "index"}) {
    Table table{{name, "x"}, {}};
    for (int i = 0; i < 50; ++i) table.rows.push_back({std::to_string(i), std::to_string(i % 9)});
    Built built = build(table);
    CHECK(column(built, name).role == ColumnRole::ignored);
    CHECK_THAT(column(built, name).note, Catch::Contains("it is an index"));
    CHECK(built.reference.statistics->features.size() == 1);
    // Not where another column stands before it, and not against a person's word.
    std::swap(table.columns[0], table.columns[1]);
    for (auto& row : table.rows) std::swap(row[0], row[1]);
    CHECK(column(build(table), name).role == ColumnRole::feature);
    std::swap(table.columns[0], table.columns[1]);
    for (auto& row : table.rows) std::swap(row[0], row[1]);
    BuildSettings settings;
    settings.numeric = {name};
    CHECK(column(build(table, settings), name).role == ColumnRole::feature);
  }
}

TEST_CASE("the column decides whether the comma stands before decimals or between thousands") {
  Table table{{"german", "english", "x"}, {}};
  for (int i = 0; i < 100; ++i) {
    const std::string thousands = std::to_string(1 + i % 9), rest = std::to_string(100 + i);
    table.rows.push_back({thousands + "." + rest + (i % 2 ? ",5" : ""),
                          thousands + "," + rest + (i % 2 ? ".5" : ""), std::to_string(i)});
  }
  const Built built = build(table);
  const auto& features = built.reference.statistics->features;
  REQUIRE(features.size() == 3);
  CHECK(features[0].low == 1100);
  CHECK(features[0].counts == features[1].counts);
  CHECK(features[0].high == features[1].high);
  CHECK(features[0].high > 9000);
  CHECK(column(built, "german").wrong_type == 0);
  CHECK(column(built, "german").note == "read with a decimal comma");
  CHECK(column(built, "english").note == "read with marks between thousands");
}

TEST_CASE("a column whose decimal mark nobody can tell is refused, unless it is left out") {
  Table table{{"area", "x"}, {}};
  for (int i = 0; i < 30; ++i) table.rows.push_back({"1," + std::to_string(200 + i), "5"});
  const auto refused = build_reference(table.columns, table.visitor(), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "ambiguous_numbers");
  CHECK_THAT(refused.error().message,
             Catch::Contains("column 'area': '1,200' (row 1)") && Catch::Contains("1234.5"));
  BuildSettings settings;
  settings.ignore = {"area"};
  CHECK(build(table, settings).reference.statistics->features.size() == 1);
  settings = {};
  settings.categorical = {"area"};
  CHECK(column(build(table, settings), "area").kind == FeatureKind::categorical);
  settings = {};
  settings.provisional = true;  // Live rows: nobody is there to mend them.
  CHECK(column(build(table, settings), "area").role == ColumnRole::ignored);
}

TEST_CASE("different values are counted up to a bound, and then it is said that there are more") {
  Table table{{"few", "many"}, {}};
  for (int i = 0; i < 2500; ++i) table.rows.push_back({std::to_string(i % 900), std::to_string(i)});
  const Built built = build(table);
  CHECK(column(built, "few").distinct == 900);
  CHECK_FALSE(column(built, "few").distinct_more);
  CHECK(column(built, "many").distinct == 1000);
  CHECK(column(built, "many").distinct_more);
}

TEST_CASE("dates in whatever form are no feature, integers that no double holds are names") {
  Table table{{"iso", "german", "american", "digits", "key", "x"}, {}};
  for (int i = 0; i < 60; ++i) {
    const std::string day = std::to_string(10 + i % 18);
    table.rows.push_back({"2024-02-" + day + " 10:00:00", day + ".02.2024", "2/" + day + "/2024",
                          "202402" + day, std::to_string(9007199254740993 + 2 * (i % 3)), "5"});
  }
  const Built built = build(table);
  for (const std::string name : {"iso", "german", "american", "digits"}) {
    INFO(name);
    CHECK(column(built, name).role == ColumnRole::ignored);
    CHECK(column(built, name).note == "it holds dates");
  }
  CHECK(column(built, "key").distinct == 3);
}

namespace {

// Three weeks of houses, one each ten minutes; at noon they are larger.
Table timed_houses() {
  Table table = houses(3 * 7 * 144, 3);
  table.columns.push_back("at");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto seconds = static_cast<std::int64_t>(i) * 600;
    const Time at{std::chrono::seconds(1'735'516'800 + seconds)};  // From Monday, 2024-12-30.
    table.rows[i].push_back(format_rfc3339(at));
    if (seconds / 3600 % 24 == 12) table.rows[i][1] = "2900";
  }
  return table;
}

BuildSettings with_time() {
  BuildSettings settings = with_truth();
  settings.time = "at";
  return settings;
}

}  // namespace

TEST_CASE(
    "rows with times are counted by hour of the week too, each subject in its groups of bins") {
  const Built built = build(timed_houses(), with_time());
  CHECK(column(built, "at").role == ColumnRole::time);
  CHECK(built.reference.ignored.back().name == "at");
  const auto& statistics = *built.reference.statistics;
  REQUIRE(statistics.timed);
  const detectors::TimedCounts& timed = *statistics.timed;
  for (std::size_t hour = 0; hour < 168; ++hour) {
    CHECK(timed.rows[hour] == 18);
    CHECK(timed.weeks[hour] == 3);
  }
  // Features, the prediction, the PCA scores with T2 and Q.
  REQUIRE(timed.counts.size() == 3 + 1 + statistics.multivariate->scores.size());
  const auto group_of = [&](std::size_t hour, std::size_t group) {
    return timed.counts[0][hour * 10 + group];
  };
  CHECK(group_of(12, 9) == 18);
  CHECK(group_of(3 * 24 + 12, 9) == 18);
  CHECK(group_of(13, 9) < 6);
  // Each value is in one hour.
  for (std::size_t i = 0; i < statistics.features.size(); ++i) {
    std::uint64_t values = 0, counted = 0;
    for (const auto count : statistics.features[i].counts.values(statistics.features[i].bins))
      values += count;
    for (const auto count : timed.counts[i]) counted += count;
    CHECK(counted == values);
  }
}

TEST_CASE("the time column changes no distribution and no hash") {
  const Built with = build(timed_houses(), with_time());
  BuildSettings settings = with_truth();
  settings.ignore = {"at"};
  const Built without = build(timed_houses(), settings);
  CHECK_FALSE(without.reference.statistics->timed);
  REQUIRE(with.reference.statistics->features.size() ==
          without.reference.statistics->features.size());
  for (std::size_t i = 0; i < with.reference.statistics->features.size(); ++i) {
    CHECK(with.reference.statistics->features[i].hash ==
          without.reference.statistics->features[i].hash);
  }
}

TEST_CASE("a time that is none is refused by its row, a missing one is told and counted nowhere") {
  Table table = timed_houses();
  table.rows[7].back() = "";
  const Built built = build(table, with_time());
  CHECK(column(built, "at").note == "1 rows without a time");
  CHECK(built.reference.statistics->timed->rows[1] == 17);
  table.rows[9].back() = "yesterday";
  const auto refused = build_reference(table.columns, table.visitor(), with_time());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "bad_time");
  CHECK_THAT(refused.error().message, Catch::Contains("row 10, column 'at'"));
  CHECK_THAT(refused.error().message, Catch::Contains("yesterday"));
}

TEST_CASE("dates alone tell no hour, and are refused as times") {
  BuildSettings settings = with_truth();
  settings.time = "sold";
  const auto refused = build_reference(houses(2000).columns, houses(2000).visitor(), settings);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "bad_time");
  CHECK_THAT(refused.error().message, Catch::Contains("a date alone tells no hour"));
}

TEST_CASE("rows of a job that runs each night have an hour, though it is one") {
  Table table = timed_houses();
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    table.rows[i].back() = std::to_string(1'735'516'800 + (i % 14) * 86400 + 7200 + i % 1000);
  const Built built = build(table, with_time());
  REQUIRE(built.reference.statistics->timed);
  const auto& rows = built.reference.statistics->timed->rows;
  CHECK(std::count_if(rows.begin(), rows.end(), [](auto n) { return n > 0; }) == 7);
}
