// SPDX-License-Identifier: Apache-2.0
#include "detectors/index_column.h"

#include <string>
#include <vector>

#include "detectors/value_reader.h"
#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

bool is_index(std::string_view name, const std::vector<std::string>& texts) {
  IndexColumn column(name);
  for (const std::string& text : texts) column.add(read_value(text));
  return column.holds();
}

}  // namespace

TEST_CASE("a first column without a name is an index, whatever it holds") {
  CHECK(is_index("", {"0", "1", "2"}));
  CHECK(is_index("", {"1", "2"}));
  CHECK(is_index("", {"17", "3", "9"}));
  CHECK(is_index("", {"Mazda RX4", "Datsun 710"}));
}

TEST_CASE("an index that was read and written again is one while its numbers differ") {
  CHECK(is_index("Unnamed: 0", {"0", "1", "2"}));
  CHECK(is_index("Unnamed: 0.1", {"17", "3", "9"}));
  CHECK(is_index("Unnamed: 0.1.1", {"0", "1", "2", "9", "4"}));
  CHECK_FALSE(is_index("Unnamed: 0", {"0", "1", "2", "1"}));
  CHECK_FALSE(is_index("Unnamed: 0", {"5", "5"}));
  CHECK_FALSE(is_index("Unnamed: 0", {"0.5", "1.5"}));
  CHECK_FALSE(is_index("Unnamed: 0", {"red", "blue"}));
  CHECK_FALSE(is_index("Unnamed: 0", {}));
  CHECK_FALSE(is_index("Unnamed: 3", {"0", "1", "2"}));
  CHECK_FALSE(is_index("Unnamed: 0b", {"0", "1", "2"}));
}

TEST_CASE("a column named index is one only when it counts the rows") {
  for (const std::string_view name : {"index", "Index", "level_0", "rownames", "row.names", "rn"}) {
    CHECK(is_index(name, {"0", "1", "2"}));
    CHECK(is_index(name, {"1", "2", "3"}));
  }
  CHECK_FALSE(is_index("index", {"2", "3", "4"}));
  CHECK_FALSE(is_index("index", {"0", "2", "1"}));
  CHECK_FALSE(is_index("index", {"104.5", "103.2"}));
  CHECK_FALSE(is_index("index", {"0"}));
  CHECK_FALSE(is_index("x", {"0", "1", "2"}));
  CHECK_FALSE(IndexColumn("area").possible());
}
