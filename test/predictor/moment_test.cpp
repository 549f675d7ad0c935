// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/moment.h"

#include <catch2/catch.hpp>

#include "base/core/text.h"

using namespace outrider;
using namespace outrider::model;

namespace {

std::vector<std::string> read(const std::vector<std::string_view>& texts) {
  std::vector<std::string> read_back;
  const auto times = parse_moments(texts).value();
  for (const Time time : times) read_back.push_back(format_rfc3339(time));
  return read_back;
}

}  // namespace

TEST_CASE("dates are read in the form that fits the whole column") {
  using Texts = std::vector<std::string>;
  const Texts january{"2015-01-02T00:00:00.000Z"};
  CHECK(read({"2015-01-02"}) == january);
  CHECK(read({"20150102T000000"}) == january);
  CHECK(read({"1/2/2015"}) == january);
  CHECK(read({"2.1.2015"}) == january);
  CHECK(read({"1420156800"}) == january);
  CHECK(read({"1420156800000"}) == january);
  CHECK(read({"2015-01-02T01:00:00+01:00"}) == january);
  CHECK(read({"2015-01-02 13:45"}) == Texts{"2015-01-02T13:45:00.000Z"});
  // 13 is no month, so the column's days come first.
  CHECK(read({"1/2/2015", "13/2/2015"}) ==
        Texts{"2015-02-01T00:00:00.000Z", "2015-02-13T00:00:00.000Z"});
}

TEST_CASE("what is no date, or of two forms, is refused with the text that does not fit") {
  CHECK_THAT(parse_moments({"2015-01-02", "soon"}).error().message, Catch::Contains("'soon'"));
  CHECK(parse_moments({"2015-02-30"}).error().code == "bad_time");
  CHECK(parse_moments({"2015-01-02", "1/2/2015"}).error().code == "bad_time");
  CHECK(parse_moments({"17"}).error().code == "bad_time");
  CHECK(parse_moments({"2015-01-02 25:00"}).error().code == "bad_time");
}
