// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/column_names.h"

#include <string>
#include <vector>

#include "test/support/catch.h"

namespace outrider::decode {
namespace {

const FeatureNames* intern(ColumnNames& columns, const std::vector<std::string_view>& names) {
  columns.clear();
  columns.assign(names);
  return columns.intern();
}

TEST_CASE("the names of the last exchange are the guess for the next, and cost no list") {
  ColumnNames columns;
  const FeatureNames* first = intern(columns, {"size", "rooms"});
  columns.clear();
  CHECK_FALSE(columns.are_own());
  CHECK(columns.count() == 2);
  CHECK(columns.at(1) == "rooms");
  columns.end_first_row(2);
  CHECK_FALSE(columns.are_own());
  CHECK(columns.intern() == first);
}

TEST_CASE("from the first name that differs on, a list of columns is its own") {
  ColumnNames columns;
  const FeatureNames* first = intern(columns, {"size", "rooms"});
  columns.clear();
  columns.own(1);
  columns.append("age");
  CHECK(columns.at(0) == "size");
  CHECK(columns.find("age") == 1);
  CHECK(columns.find("rooms") == ColumnNames::npos);
  const FeatureNames* second = columns.intern();
  CHECK(second != first);
  CHECK(second->names == std::vector<std::string>{"size", "age"});
}

TEST_CASE("a first row with fewer values than were guessed has the names of those that came") {
  ColumnNames columns;
  intern(columns, {"size", "rooms", "age"});
  columns.clear();
  columns.end_first_row(2);
  CHECK(columns.are_own());
  CHECK(columns.intern()->names == std::vector<std::string>{"size", "rooms"});
}

TEST_CASE("a column is found by its name among few and among many") {
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back("f" + std::to_string(i));
  ColumnNames columns;
  columns.clear();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    columns.append(texts[i]);
    CHECK(columns.find(texts[i]) == i);
    CHECK(columns.find(texts[i / 2]) == i / 2);
    CHECK(columns.find("g") == ColumnNames::npos);
  }
}

TEST_CASE("columns without names are called by their places, and are no guess for named ones") {
  ColumnNames columns;
  columns.clear();
  columns.assign_positional(2);
  const FeatureNames* places = columns.intern();
  CHECK(places->names == std::vector<std::string>{"x0", "x1"});
  CHECK(places->positional);
  columns.clear();
  CHECK(columns.guesses_positional());
  columns.end_first_row(2);  // Of named values: nobody said that they have no names.
  CHECK(columns.are_own());
  CHECK_FALSE(columns.intern()->positional);
}

TEST_CASE("names that are made of a long prefix have a limit in bytes") {
  const std::string prefix(1 << 20, 'p');
  ColumnNames columns;
  columns.clear();
  const auto first = columns.keep(prefix, "0");
  REQUIRE(first);
  CHECK(first->substr(prefix.size()) == ".0");
  int made = 1;
  while (made < 100 && columns.keep(prefix, "1")) ++made;
  CHECK(made == 31);
  columns.clear();
  CHECK(columns.keep(prefix, "2"));
}

}  // namespace
}  // namespace outrider::decode
