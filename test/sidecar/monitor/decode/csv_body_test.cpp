// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/csv_body.h"

#include "test/support/catch.h"

namespace outrider::decode {
namespace {

std::string shown(const FeatureValue& value) {
  if (value.kind == ValueKind::missing) return "-";
  std::string scratch;
  const std::string text(as_category(value, scratch));
  return value.kind == ValueKind::number ? "#" + text : text;
}

// "a,b: #1|red ; -|true", or the reason of the failure.
std::string read(std::string_view text, const std::vector<std::string>& known = {}) {
  CsvBody body(10);
  const auto done = body.read(text, known);
  if (!done) return std::string(tap::to_string(done.error()));
  std::string all;
  for (const std::string_view name : body.names()) {
    all += (all.empty() ? "" : ",") + (name.empty() ? std::string("?") : std::string(name));
  }
  all += ":";
  const std::size_t columns = body.matrix().shape[1];
  CHECK(body.matrix().values.size() == columns * body.matrix().shape[0]);
  for (std::size_t i = 0; i < body.matrix().values.size(); ++i) {
    all += (i % columns ? "|" : i ? " ; " : " ") + shown(body.matrix().values[i]);
  }
  return all;
}

TEST_CASE("fields of a CSV body are read as those of training data") {
  CHECK(read("a,b\nNA,1\n?,True\n<NA>,FALSE\n") == "a,b: -|#1 ; -|true ; -|false");
  CHECK(read("1,\"1,234.5\", +2 \n") == ": #1|#1234.5|#2");
  CHECK(read("007,9007199254740993,\"1,234\"\n") == ": #007|9007199254740993|1,234");
  CHECK(read("nan,inf,-\n") == ": -|#+Inf|-");
}

TEST_CASE("a header is texts above a number or a boolean") {
  CHECK(read("age,plan\n34,a\n") == "age,plan: #34|a");
  CHECK(read("member,plan\nTrue,a\nFalse,b\n") == "member,plan: true|a ; false|b");
  CHECK(read(" \"age\" , plan\n34,a\n") == "invalid_csv");
  CHECK(read("red,big\nblue,small\n") == ": red|big ; blue|small");
  CHECK(read("red,big\nNA,small\n") == ": red|big ; -|small");
  CHECK(read("True,a\n1,b\n") == ": true|a ; #1|b");
  CHECK(read("age,plan\n") == ": age|plan");
  CHECK(read("NA,plan\n3,b\n") == ": -|plan ; #3|b");
}

TEST_CASE("names that the caller knows are a header above texts too") {
  CHECK(read("colour,plan\nblue,small\n", {"plan", "colour", "age"}) == "colour,plan: blue|small");
  CHECK(read("colour,plan\nblue,small\n", {"colour"}) == ": colour|plan ; blue|small");
  CHECK(read("colour,plan\n", {"plan", "colour"}) == ": colour|plan");
  CHECK(read(",colour\n0,blue\n", {"colour"}) == "colour: blue");
}

TEST_CASE("an index before the names is left out, with its values") {
  CHECK(read(",age,income\n0,34,2100\n1,22,1800\n") == "age,income: #34|#2100 ; #22|#1800");
  CHECK(read("\"\",\"age\"\n\"Anna\",34\n\"Berta\",22\n") == "age: #34 ; #22");
  CHECK(read("Unnamed: 0,age\n17,34\n3,22\n") == "age: #34 ; #22");
  CHECK(read(",Unnamed: 0,age\n0,17,34\n1,3,22\n") == "age: #34 ; #22");
  CHECK(read("Unnamed: 0,age\n17,34\n3,22\n", {"Unnamed: 0", "age"}) ==
        "Unnamed: 0,age: #17|#34 ; #3|#22");
  CHECK(read("index,age\n0,34\n1,22\n") == "age: #34 ; #22");
  CHECK(read("index,age\n104,34\n103,22\n") == "index,age: #104|#34 ; #103|#22");
  CHECK(read("index\n0\n1\n") == "index: #0 ; #1");
  // A row that begins with a missing value is no header.
  CHECK(read(",red\n3,blue\n") == ": -|red ; #3|blue");
}

TEST_CASE("what is no CSV fails by name") {
  CHECK(read("") == "wrong_shape");
  CHECK(read("1,2\n3\n") == "wrong_shape");
  CHECK(read("a;b\n34;2100\n") == "invalid_csv");
  CHECK(read("34\t2100\n") == "invalid_csv");
  CHECK(read("one; two\nthree; four\n") == ": one; two ; three; four");
  CHECK(read("a,\xFC\n") == "invalid_utf8");
  CHECK(read(std::string_view("\xFF\xFE"
                              "1\0",
                              4)) == "invalid_utf8");
  CHECK(read(std::string_view("1,\0\n", 4)) == "invalid_utf8");
  CHECK(read("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n") == "too_many_rows");
}

}  // namespace
}  // namespace outrider::decode
