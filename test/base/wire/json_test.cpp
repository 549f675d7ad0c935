// SPDX-License-Identifier: Apache-2.0
#include "base/wire/json.h"

#include "test/support/catch.h"

using namespace outrider::wire;

TEST_CASE("bad JSON is an error with its place, never a crash") {
  CHECK(parse_json("{\"a\": 1}")->at("a") == 1);
  CHECK(parse_json("{\"a\": }").error().code == "invalid_json");
  CHECK_THAT(parse_json("{\"a\": }").error().message, Catch::Contains("at byte 7"));
  CHECK(parse_json("").error().code == "invalid_json");
  CHECK(parse_json(std::string(1000, '[')).error().code == "json_too_deep");
  CHECK(parse_json("\"" + std::string(1000, '[') + "\"").has_value());
  CHECK(parse_json("1e999").error().code == "invalid_json");
}

TEST_CASE("invalid UTF-8 is replaced when written") {
  CHECK(to_text(Json("a\xFF")) == "\"a\xEF\xBF\xBD\"");
}
