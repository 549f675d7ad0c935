// SPDX-License-Identifier: Apache-2.0
#include "detectors/column_numbers.h"

#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

ColumnNumbers::Decision decide(const std::vector<std::string>& texts) {
  ColumnNumbers numbers;
  std::uint64_t row = 1;
  for (const std::string& text : texts) numbers.add(read_value(text), row++);
  return numbers.decide();
}

std::vector<std::string> times(std::size_t count, const std::string& text) {
  return std::vector<std::string>(count, text);
}

std::vector<std::string> joined(std::vector<std::string> all,
                                const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("a column of plain numbers or of texts needs no mark") {
  for (const std::vector<std::string>& texts :
       std::vector<std::vector<std::string>>{{},
                                             {"NA", ""},
                                             {"1", "2.5", "-3e5", "inf"},
                                             {"1.234", "5.678"},
                                             {"red", "12,5", "1,2,3"},
                                             {"true", "false"},
                                             {"2024-01-01", "1 2", "a, b"},
                                             {"52,1,7", "1,2", "3"}}) {
    const auto decision = decide(texts);
    CHECK_FALSE(decision.mark);
    CHECK(decision.refusal.empty());
  }
}

TEST_CASE("one cell that can be read in one way decides for all others") {
  CHECK(decide({"1,234", "1,234.5", "7"}).mark == DecimalMark::point);
  CHECK(decide({"1,234", "950.25"}).mark == DecimalMark::point);
  CHECK(decide({"1,234", "1,234,567"}).mark == DecimalMark::point);
  CHECK(decide({"1,234", "12,5"}).mark == DecimalMark::comma);
  CHECK(decide({"1.234", "12,5", "-3"}).mark == DecimalMark::comma);
  CHECK(decide({"1.234", "1.234.567", "950"}).mark == DecimalMark::comma);
  CHECK(decide({"1 234", "12,5"}).mark == DecimalMark::comma);
  CHECK(decide({"1'234", "950"}).mark == DecimalMark::point);
  CHECK(decide({"1 234", "1.234"}).mark == DecimalMark::point);
  CHECK(decide({"1\u202F234,5", "NA", "?"}).mark == DecimalMark::comma);
}

TEST_CASE("a column that leaves the mark open is refused with the cell and what to write") {
  const auto open = decide({"7", "1,234", "12"});
  CHECK_FALSE(open.mark);
  CHECK_THAT(open.refusal, Catch::Contains("'1,234' (row 2)") && Catch::Contains("1234.5"));
  const auto both = decide({"12,5", "7", "1,234.5", "3.25"});
  CHECK_FALSE(both.mark);
  CHECK_THAT(both.refusal,
             Catch::Contains("'12,5' (row 1)") && Catch::Contains("'1,234.5' (row 3)"));
}

TEST_CASE("a slip among many does not turn the column, and few numbers make no column of them") {
  CHECK(decide(joined(times(99, "12.5"), {"12,5"})).mark == DecimalMark::point);
  CHECK(decide(joined(times(99, "12,5"), {"12.5"})).mark == DecimalMark::comma);
  CHECK(decide(joined(times(20, "1,234"), {"north", "south"})).refusal.empty());
}
