// SPDX-License-Identifier: Apache-2.0
#include "detectors/timestamp.h"

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;

namespace {

std::vector<std::string> read(const std::vector<std::string_view>& texts) {
  std::vector<std::string> read_back;
  const auto times = parse_timestamps(texts);
  if (!times) return {times.error().message};
  for (const Time time : *times) read_back.push_back(format_rfc3339(time));
  return read_back;
}

bool is_time(std::string_view name, const std::vector<std::string>& texts) {
  TimeColumn column(name);
  for (const std::string& text : texts) column.add(read_value(text));
  return column.holds();
}

}  // namespace

TEST_CASE("dates are read in the form that fits the whole column") {
  using Texts = std::vector<std::string>;
  const Texts january{"2015-01-22T00:00:00.000Z"};
  for (const std::string_view text :
       {"2015-01-22", "2015/1/22", "20150122T000000", "20150122", "1/22/2015", "22.1.2015",
        "22/01/2015", "22-01-2015", "1421884800", "1421884800000", "2015-01-22T01:00:00+01:00",
        "2015-01-22 00:00:00.000", "22-Jan-2015", "22 January 2015", "22JAN2015", "Jan 22, 2015",
        "1/22/2015 12:00 AM", "22 Jan 2015 00:00:00"}) {
    INFO(text);
    CHECK(read({text}) == january);
  }
  CHECK(read({"2015-01-02 13:45"}) == Texts{"2015-01-02T13:45:00.000Z"});
  CHECK(read({"2015-01-02T13:45:10.25"}) == Texts{"2015-01-02T13:45:10.250Z"});
  CHECK(read({"1/13/2015 1:45:10 pm"}) == Texts{"2015-01-13T13:45:10.000Z"});
  CHECK(read({"1/13/2015 12:05 PM"}) == Texts{"2015-01-13T12:05:00.000Z"});
}

TEST_CASE("a day past the twelfth tells what comes first, without one the column is refused") {
  using Texts = std::vector<std::string>;
  CHECK(read({"1/2/2015", "13/2/2015"}) ==
        Texts{"2015-02-01T00:00:00.000Z", "2015-02-13T00:00:00.000Z"});
  CHECK(read({"1/2/2015", "1/13/2015"}) ==
        Texts{"2015-01-02T00:00:00.000Z", "2015-01-13T00:00:00.000Z"});
  CHECK(read({"2.1.2015"}) == Texts{"2015-01-02T00:00:00.000Z"});  // Points: days first.
  const auto open = parse_timestamps({"1/2/2015", "3/4/2015"});
  REQUIRE_FALSE(open);
  CHECK(open.error().code == "bad_time");
  CHECK_THAT(open.error().message, Catch::Contains("'1/2/2015'") &&
                                       Catch::Contains("either order") &&
                                       Catch::Contains("2015-01-31"));
}

TEST_CASE("what is no date, or of two forms, is refused with the text that does not fit") {
  CHECK_THAT(parse_timestamps({"2015-01-02", "soon"}).error().message, Catch::Contains("'soon'"));
  CHECK(parse_timestamps({"2015-02-30"}).error().code == "bad_time");
  CHECK(parse_timestamps({"2015-01-02", "1/2/2015"}).error().code == "bad_time");
  CHECK(parse_timestamps({"13/1/2015", "1/13/2015"}).error().code == "bad_time");
  for (const std::string_view text :
       {"17", "2015-01-02 25:00", "2015-01-02 10:00:00xyz", "2015-01-02T", "1/13/2015 13:00 PM",
        "31-Abc-2015", "Jan 2015", "20150132", "9999-01-01"}) {
    INFO(text);
    CHECK(parse_timestamps({text}).error().code == "bad_time");
  }
}

TEST_CASE("what looks like a time is one") {
  for (const std::string_view text :
       {"2024-02-25", "2024-02-25T10:00:00Z", "2024-02-25 10:00:00+00:00", "2024-02-25 10:00:00.5",
        "25/02/2024", "02/25/2024", "25.02.2024", "25-02-2024", "2/5/24", "25.02.24",
        "2/25/24 9:15", "25-Feb-2024", "February 25, 2024", "20240225T101500", "2024-02", "10:30",
        "10:30:15"}) {
    INFO(text);
    CHECK(looks_like_timestamp(text));
  }
  for (const std::string_view text :
       {"20240225", "1.2.24", "1.2.3", "555-123-4567", "192.168.10.20", "16:9", "40/02/24", "north",
        "12-a", "2024", "1708819200", "May", "a b c", "31 may x", "5 / 6", "10 000"}) {
    INFO(text);
    CHECK_FALSE(looks_like_timestamp(text));
  }
}

TEST_CASE("a column of times is told by its values, plain digits by all of them or its name") {
  CHECK(is_time("sold", {"2024-02-25", "2024-02-26", "NA"}));
  CHECK_FALSE(is_time("sold", {"2024-02-25", "yesterday"}));
  CHECK_FALSE(is_time("sold", {}));
  std::vector<std::string> days, codes;
  for (int i = 0; i < 25; ++i) {
    days.push_back(std::to_string(20240201 + i));
    codes.push_back(std::to_string(20240290 + 7 * i));
  }
  CHECK(is_time("x", days));
  CHECK_FALSE(is_time("date", codes));
  CHECK_FALSE(is_time("x", {"20240225"}));
  CHECK(is_time("sale_date", {"20240225"}));
  CHECK(is_time("timestamp", {"1708819200", "1708819201"}));
  CHECK(is_time("created_at", {"1708819200123"}));
  CHECK(is_time("createdDate", {"1708819200"}));
  CHECK_FALSE(is_time("price", {"1708819200", "1708819201"}));
  CHECK_FALSE(is_time("candidate", {"1708819200", "1708819201"}));
  CHECK_FALSE(is_time("time", {"12", "14"}));
}
