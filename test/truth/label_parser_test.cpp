// SPDX-License-Identifier: Apache-2.0
#include "truth/label_parser.h"

#include "test/support/catch.h"

namespace outrider::truth {
namespace {

std::vector<ParsedLabel> parsed(std::string_view body) {
  auto items = parse_labels(body);
  INFO(body);
  REQUIRE(items);
  return *items;
}

GroundTruth one(std::string_view body) {
  const auto items = parsed(body);
  REQUIRE(items.size() == 1);
  if (!items[0].label) FAIL(items[0].label.error().message);
  return *items[0].label;
}

std::string mistake(std::string_view body) {
  const auto items = parsed(body);
  REQUIRE(items.size() == 1);
  REQUIRE_FALSE(items[0].label);
  CHECK(items[0].label.error().code == "invalid_label");
  return items[0].label.error().message;
}

TEST_CASE("a label is one object, an array, or one object a line") {
  const GroundTruth plain =
      one(R"({"id": "a", "label": 312000, "timestamp": "2026-01-31T12:00:00Z"})");
  CHECK(plain.id == "a");
  CHECK(plain.truth == Value(312000.0));
  CHECK(plain.timestamp == from_unix_ms(1769860800000));
  CHECK_FALSE(plain.brought);
  CHECK(parsed(R"([{"id":"a","label":1},{"id":"b","label":"x"}])").size() == 2);
  CHECK(parsed("{\"id\":\"a\",\"label\":1}\n\n{\"id\":\"b\",\"label\":true}\r\n").size() == 2);
  CHECK(one("{\n  \"id\": \"a\",\n  \"label\": 1\n}\n").id == "a");  // Pretty-printed.
  CHECK(one("\xEF\xBB\xBF{\"id\":\"a\",\"label\":1}").id == "a");
}

TEST_CASE("a truth is a number, a class, or true and false") {
  CHECK(one(R"({"id":"a","label":-1.5e3})").truth == Value(-1500.0));
  CHECK(one(R"({"id":"a","label":9007199254740992})").truth == Value(9007199254740992.0));
  CHECK(one(R"({"id":"a","label":9007199254740993})").truth == Value("9007199254740993"));
  CHECK(one(R"({"id":"a","label":-9007199254740993})").truth == Value("-9007199254740993"));
  CHECK(one(R"({"id":"a","label":18446744073709551615})").truth == Value("18446744073709551615"));
  CHECK(one(R"({"id":"a","label":"True"})").truth == Value("true"));
  CHECK(one(R"({"id":"a","label":" FALSE "})").truth == Value("false"));
  CHECK(one(R"({"id":"a","label":"01"})").truth == Value("01"));
  CHECK(one(R"({"id":"a","label":"käse"})").truth == Value("käse"));
  CHECK(one(R"({"id":"a","label":false})").truth == Value("false"));
  CHECK(one(R"({"id":17,"label":0})").id == "17");
  CHECK(one(R"({"id":"a","label":0,"timestamp":1700000000.5})").timestamp ==
        from_unix_ms(1700000000500));
  CHECK(one(R"({"id":"a","label":0,"row":3})").row == 3u);
}

TEST_CASE("a self-contained label brings its prediction") {
  const GroundTruth label = one(
      R"({"id":"a","label":1,"prediction":"x","model_version":"v2","model_name":"m","segment":"s","score":0.5})");
  REQUIRE(label.brought);
  CHECK(*label.brought == BroughtPrediction{.prediction = "x",
                                            .model_version = "v2",
                                            .model_name = "m",
                                            .segment = "s",
                                            .score = 0.5});
  CHECK(mistake(R"({"id":"a","label":1,"prediction":2})").find("model_version") !=
        std::string::npos);
}

TEST_CASE("each mistake is named with its field") {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"label":1})", "\"id\" is missing"},
      {R"({"id":"","label":1})", "\"id\" is empty"},
      {R"({"id":null,"label":1})", "\"id\" is missing"},
      {R"({"id":["a"],"label":1})", "got an array"},
      {R"({"id":"a"})", "\"label\" is missing"},
      {R"({"id":"a","label":null})", "missing or null"},
      {R"({"id":"a","label":[1]})",
       "\"label\": expected a number, a string, true or false, got an array"},
      {R"({"id":"a","label":{}})", "got an object"},
      {R"({"id":"a","label":""})", "says that the value is missing"},
      {R"({"id":"a","label":"NaN"})", "'NaN' says that the value is missing"},
      {R"({"id":"a","label":"1,234"})", "write 1234 or 1.234"},
      {R"({"id":"a","label":1,"timestamp":"yesterday"})", "yesterday"},
      {R"({"id":"a","label":1,"timestamp":1700000000000})", "seconds"},
      {R"({"id":"a","label":1,"timestamp":true})", "RFC 3339"},
      {R"({"id":"a","label":1,"row":-1})", "row"},
      {R"({"id":"a","label":1,"row":1.5})", "row"},
      {R"({"id":"a","label":1,"prediction":[1],"model_version":"v"})", "\"prediction\""},
      {R"({"id":"a","label":1,"prediction":1,"model_version":7})", "\"model_version\""},
      {R"({"id":"a","label":1,"prediction":1,"model_version":"v","score":"high"})", "\"score\""},
      {"17", "expected an object"},
      {R"({"groundTruthData":{"data":"1"}})", "eventId"},
      {R"({"groundTruthData":{"data":"1","encoding":"JSON"},"eventMetadata":{"eventId":"e"}})",
       "CSV"},
      {R"({"groundTruthData":{"data":"1,,2"},"eventMetadata":{"eventId":"e"}})", "empty"},
  };
  for (const auto& [body, expected] : cases) {
    INFO(body);
    CHECK(mistake(body).find(expected) != std::string::npos);
  }
  CHECK(mistake(R"({"id":")" + std::string(257, 'x') + R"(","label":1})").find("256") !=
        std::string::npos);
  CHECK(mistake(R"({"id":"a","label":")" + std::string(257, 'x') + R"("})").find("256") !=
        std::string::npos);
}

TEST_CASE("a bad item spoils itself only") {
  const auto array = parsed(R"([{"id":"a","label":1}, 5, {"id":"c"}])");
  REQUIRE(array.size() == 3);
  CHECK(array[0].label);
  CHECK_FALSE(array[1].label);
  CHECK(array[2].id == "c");
  const auto lines = parsed("{\"id\":\"a\",\"label\":1}\n{oops\n{\"id\":\"c\",\"label\":1}");
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].label);
  REQUIRE_FALSE(lines[1].label);
  CHECK(lines[1].label.error().message.find("line 2") != std::string::npos);
  CHECK(lines[2].label);
  const auto first_bad = parsed("{oops\n{\"id\":\"c\",\"label\":1}");
  REQUIRE(first_bad.size() == 2);
  CHECK_FALSE(first_bad[0].label);
  CHECK(first_bad[1].label);
}

TEST_CASE("a body that is no JSON is refused, with the place") {
  for (const char* body :
       {"{", "[1,", "nonsense", "{\"id\":\"a\",\"label\":1", "{\"id\":1e999}", "{\n\"a\":\n"}) {
    const auto items = parse_labels(body);
    INFO(body);
    REQUIRE_FALSE(items);
    CHECK(items.error().code == "invalid_json");
  }
  CHECK(parse_labels("[{\"id\":\"a\" \"label\":1}]").error().message.find("byte") !=
        std::string::npos);
  CHECK(parse_labels("").error().code == "empty_body");
  CHECK(parse_labels(" \n\t").error().code == "empty_body");
  CHECK(parse_labels("{\"id\":\"\xFF\",\"label\":1}").error().code == "invalid_utf8");
  CHECK_FALSE(parse_labels(std::string(5000, '[')));
}

TEST_CASE("too many labels are refused as a whole") {
  std::string body;
  for (std::size_t i = 0; i <= labels_in_body_max; ++i) body += "{\"id\":\"a\",\"label\":1}\n";
  const auto items = parse_labels(body);
  REQUIRE_FALSE(items);
  CHECK(items.error().code == "too_many_labels");
}

TEST_CASE("SageMaker's ground truth lines are labels") {
  const auto items = parsed(
      R"({"groundTruthData":{"data":"1","encoding":"CSV"},"eventMetadata":{"eventId":"e-1"},"eventVersion":"0"})"
      "\n"
      R"({"groundTruthData":{"data":"cat, 2","encoding":"CSV"},"eventMetadata":{"eventId":"e-2"}})");
  REQUIRE(items.size() == 3);
  CHECK(items[0].label->id == "e-1");
  CHECK(items[0].label->truth == Value(1.0));
  CHECK_FALSE(items[0].label->row);
  CHECK(items[1].id == "e-2_0");
  CHECK(items[1].label->truth == Value("cat"));
  CHECK(items[2].label->row == 1u);
  CHECK(items[2].label->truth == Value(2.0));
}

TEST_CASE("Seldon's feedback is a label by its puid") {
  const auto feedback = [](std::string_view body, std::string_view header = "") {
    auto items = parse_feedback(body, header);
    REQUIRE(items);
    return *items;
  };
  const auto nested = feedback(
      R"({"request":{"data":{"ndarray":[[1,2]]}},"response":{"meta":{"puid":"p1"},"data":{"ndarray":[[0.9]]}},
          "reward":1.0,"truth":{"data":{"names":["y"],"ndarray":[[1.0]]}}})");
  REQUIRE(nested.size() == 1);
  CHECK(nested[0].label->id == "p1");
  CHECK(nested[0].label->truth == Value(1.0));
  CHECK_FALSE(nested[0].label->row);

  const auto rows = feedback(
      R"({"request":{"meta":{"puid":"p2"}},"truth":{"data":{"tensor":{"shape":[2,1],"values":[1,0]}}}})");
  REQUIRE(rows.size() == 2);
  CHECK(rows[1].id == "p2_1");
  CHECK(rows[1].label->row == 1u);
  CHECK(feedback(R"({"truth":{"strData":"spam"}})", "p3")[0].label->truth == Value("spam"));

  const std::pair<const char*, const char*> mistakes[] = {
      {R"({"truth":{"strData":"x"}})", "Seldon-Puid"},
      {R"({"response":{"meta":{"puid":"p"}},"reward":0.5})", "reward"},
      {R"({"response":{"meta":{"puid":"p"}},"truth":{}})", "data.ndarray"},
      {R"({"response":{"meta":{"puid":"p"}},"truth":{"data":{"ndarray":[[1,2]]}}})", "2 columns"},
      {R"({"response":{"meta":{"puid":"p"}},"truth":{"data":{"ndarray":[]}}})", "no rows"},
      {"[]", "expected an object"},
  };
  for (const auto& [body, expected] : mistakes) {
    INFO(body);
    const auto items = feedback(body);
    REQUIRE(items.size() == 1);
    REQUIRE_FALSE(items[0].label);
    CHECK(items[0].label.error().message.find(expected) != std::string::npos);
  }
  CHECK(parse_feedback("{", "").error().code == "invalid_json");
  CHECK(parse_feedback("", "").error().code == "empty_body");
}

}  // namespace
}  // namespace outrider::truth
