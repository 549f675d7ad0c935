// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/encoding.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::model;

namespace {

wire::CsvTable table_of(const std::string& csv) {
  return wire::parse_csv(csv).value();
}

Learned learn(const std::string& csv, const std::vector<std::string>& features,
              EncodingRules rules = {}) {
  const wire::CsvTable table = table_of(csv);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < table.rows.size(); ++i) rows.push_back(i);
  return learn_encoding(table, rows, features, rules).value();
}

std::vector<double> encode(const Encoding& encoding, const Cells& cells) {
  std::vector<double> row(encoding.columns(), -1);
  encoding.encode(cells, row.data());
  return row;
}

}  // namespace

TEST_CASE("numbers become one column, texts one column a category") {
  const auto learned = learn("size,view\n1,GOOD\n2,BAD\n3,GOOD\n", {"size", "view"});
  CHECK(learned.encoding.column_names() ==
        std::vector<std::string>{"size", "view=BAD", "view=GOOD"});
  CHECK(encode(learned.encoding, {2.5, std::string("GOOD")}) == std::vector<double>{2.5, 0, 1});
  CHECK(learned.notes.empty());
}

TEST_CASE("a category that training never saw is all zeros and counted") {
  const auto encoding = learn("view\nGOOD\nBAD\n", {"view"}).encoding;
  std::vector<double> row(2);
  const RowCounts counts = encoding.encode(Cells{std::string("WATER")}, row.data());
  CHECK(row == std::vector<double>{0, 0});
  CHECK(counts.unseen == 1);
  CHECK(counts.filled == 0);
}

TEST_CASE("missing numbers become the training median, and it is said") {
  const auto learned = learn("size\n1\n\"\"\n9\n?\n3\nNA\n", {"size"});
  CHECK(learned.encoding.features()[0].fill == 3);
  CHECK(learned.encoding.features()[0].missing_seen);
  REQUIRE(learned.notes.size() == 1);
  CHECK_THAT(learned.notes[0], Catch::Contains("3 missing values filled with the median 3"));
  std::vector<double> row(1);
  CHECK(learned.encoding.encode(Cells{Cell{}}, row.data()).filled == 1);
  CHECK(row[0] == 3);
}

TEST_CASE("missing categories are a category of their own where training had them") {
  const auto encoding = learn("view,a\nGOOD,1\n,1\nBAD,1\n", {"view"}).encoding;
  CHECK(encoding.column_names() ==
        std::vector<std::string>{"view=(missing)", "view=BAD", "view=GOOD"});
  CHECK(encode(encoding, {Cell{}}) == std::vector<double>{1, 0, 0});
  const auto without = learn("view\nGOOD\nBAD\n", {"view"}).encoding;
  CHECK(encode(without, {Cell{}}) == std::vector<double>{0, 0});
}

TEST_CASE("NONE is a category, None is missing, as King County's view column needs") {
  const auto encoding = learn("view,a\nNONE,1\nNone,1\nGOOD,1\n", {"view"}).encoding;
  CHECK(encoding.column_names() ==
        std::vector<std::string>{"view=(missing)", "view=GOOD", "view=NONE"});
}

TEST_CASE("the same number is the same category however it is written") {
  const auto encoding =
      learn("floors\n1.0\n2\n1.5\n", {"floors"}, {.categorical = {"floors"}}).encoding;
  CHECK(encode(encoding, {read_cell(encoding.features()[0], "2.0").value()}) ==
        std::vector<double>{0, 0, 1});
  CHECK(encode(encoding, {read_cell(encoding.features()[0], " 1 ").value()}) ==
        std::vector<double>{1, 0, 0});
}

TEST_CASE("True, true and 1 are one category, in models of earlier versions too") {
  const auto encoding = learn("member\nTrue\nFalse\nTRUE\n", {"member"}).encoding;
  CHECK(encoding.column_names() == std::vector<std::string>{"member=false", "member=true"});
  for (const std::string text : {"True", "true", "1", "1.0"}) {
    CHECK(encode(encoding, {read_cell(encoding.features()[0], text).value()}) ==
          std::vector<double>{0, 1});
  }
  const Feature old{"member", Kind::categorical, 0, false, {"False", "True"}};
  CHECK(old.category("true") == 1);
  CHECK(old.category("0") == 0);
  CHECK(old.category("2") == 2);
  CHECK(old.category("yes") == 2);
  const Feature numbers{"member", Kind::categorical, 0, false, {"0", "1"}};
  CHECK(numbers.category("true") == 1);
  const Feature number{"member", Kind::numeric, 0, false, {}};
  CHECK(read_cell(number, "True").value() == Cell(1.0));
}

TEST_CASE("booleans among numbers are 1 and 0, and of 1 and 0 as categories too") {
  const auto mixed = learn("x\n1\nTrue\n5\n", {"x"});
  CHECK(mixed.encoding.features()[0].kind == Kind::numeric);
  CHECK(mixed.notes.empty());
  const auto forced = learn("x\n1\nTrue\n0\n", {"x"}, {.categorical = {"x"}}).encoding;
  CHECK(forced.column_names() == std::vector<std::string>{"x=false", "x=true"});
}

TEST_CASE("a code keeps its zeros, and is found by its number where it lost them") {
  const auto encoding = learn("zip\n01234\n1234\n05\n", {"zip"}, {.categorical = {"zip"}}).encoding;
  CHECK(encoding.column_names() == std::vector<std::string>{"zip=01234", "zip=05", "zip=1234"});
  const Feature& zip = encoding.features()[0];
  CHECK(zip.category("1234") == 2);
  CHECK(zip.category("5") == 1);
  CHECK(zip.category("005") == 3);
}

TEST_CASE("a few odd texts in a column of numbers are missing values, and named") {
  std::string csv = "size\n";
  for (int i = 0; i < 40; ++i) csv += std::to_string(i) + "\n";
  const auto learned = learn(csv + "unknown\n", {"size"});
  CHECK(learned.encoding.features()[0].kind == Kind::numeric);
  CHECK_THAT(learned.notes.at(0), Catch::Contains("'unknown'"));
}

TEST_CASE("only the most frequent categories are kept, and a column of names is left out") {
  std::string csv = "zip,owner,size\n";
  for (int i = 0; i < 60; ++i) {
    csv += "z" + std::to_string(i % 5) + ",owner " + std::to_string(i) + "," + std::to_string(i) +
           "\n";
  }
  const auto learned =
      learn(csv, {"zip", "owner", "size"}, {.categorical = {}, .categories_max = 3});
  CHECK(learned.encoding.column_names() ==
        std::vector<std::string>{"zip=z0", "zip=z1", "zip=z2", "size"});
  REQUIRE(learned.notes.size() == 2);
  CHECK_THAT(learned.notes[0], Catch::Contains("5 categories; the 3 most frequent are kept"));
  CHECK_THAT(learned.notes[1], Catch::Contains("'owner' was left out"));
}

TEST_CASE("a column without any value is left out, without any column there is an error") {
  CHECK_THAT(learn("size,age\n1,\n2,\n", {"size", "age"}).notes.at(0),
             Catch::Contains("'age' has no value"));
  const auto table = table_of("age,x\n,1\n");
  CHECK(learn_encoding(table, {0}, {"age"}, {}).error().code == "no_features");
  CHECK(learn_encoding(table, {0}, {"nothing"}, {}).error().code == "unknown_column");
}

TEST_CASE("a text in a numeric feature is refused, infinity is no number to predict by") {
  const Feature size{"size", Kind::numeric, 0, false, {}};
  CHECK(read_cell(size, "12.5").value() == Cell(12.5));
  CHECK(is_missing(read_cell(size, " NaN ").value()));
  CHECK(read_cell(size, "inf").error().code == "bad_value");
  CHECK(read_cell(size, "12 rooms").error().code == "bad_value");
  CHECK(read_cell(size, "12,5").value() == Cell(12.5));
  CHECK_THAT(read_cell(size, "1,234").error().message,
             Catch::Contains("before decimals or between thousands"));
}
