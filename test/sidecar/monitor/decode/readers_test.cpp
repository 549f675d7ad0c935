// SPDX-License-Identifier: Apache-2.0
// Not the classes that hold an on-demand parser of simdjson: its layout depends on the optimisation
// level, and tests have another one than what they test. They are tested through the decoder.
#include <array>
#include <string>
#include <vector>

#include "sidecar/monitor/decode/answer_document.h"
#include "sidecar/monitor/decode/answer_rows.h"
#include "sidecar/monitor/decode/prediction_route.h"
#include "sidecar/monitor/decode/row_counts.h"
#include "test/support/catch.h"

namespace outrider::decode {
namespace {

const PredictionRoute& look(PredictionRoute& route, std::string_view method,
                            std::string_view path) {
  ExchangeParts parts;
  parts.method = method;
  parts.path = path;
  route.look_at(parts);
  return route;
}

TEST_CASE("a route is a prediction by its method and path, and names its model") {
  const Rules rules;
  PredictionRoute route(rules);
  CHECK(look(route, "POST", "/v2/models/prices/versions/3/infer").is_prediction());
  CHECK(route.model() == "prices");
  CHECK(route.version() == "3");
  CHECK_FALSE(look(route, "POST", "/v2/repository/models/prices/load").is_prediction());
  CHECK_FALSE(look(route, "DELETE", "/predict").is_prediction());
  CHECK(look(route, "POST", "/v1/chat/completions").is_language_model());

  Rules named;
  named.paths = {"/score/*"};
  PredictionRoute by_path(named);
  CHECK(look(by_path, "DELETE", "/score/1").is_prediction());
  CHECK_FALSE(look(by_path, "POST", "/predict").is_prediction());
  Rules both = named;
  both.methods = {"PUT"};
  PredictionRoute by_both(both);
  CHECK_FALSE(look(by_both, "POST", "/score/1").is_prediction());
}

TEST_CASE("a route is judged again when its path or its method differs from the one before") {
  const Rules rules;
  PredictionRoute route(rules);
  CHECK(look(route, "POST", "/v1/models/a:predict").model() == "a");
  CHECK(look(route, "POST", "/v1/models/b:predict").model() == "b");
  CHECK_FALSE(look(route, "DELETE", "/v1/models/b:predict").is_prediction());
}

RequestShape shape_with(std::size_t rows, Layout layout = Layout::rows) {
  RequestShape shape;
  shape.layout = layout;
  shape.rows = rows;
  return shape;
}

TEST_CASE("a request may have each number of rows that its shapes have and the rules allow") {
  Rules rules;
  rules.rows_max = 100;
  RowCounts counts(rules);
  REQUIRE(counts.count(std::array{shape_with(3), shape_with(1), shape_with(3), shape_with(101)}));
  CHECK(std::vector(counts.all().begin(), counts.all().end()) == std::vector<std::size_t>{3, 1});
  counts.clear();
  const auto many = counts.count(std::array{shape_with(101)});
  REQUIRE_FALSE(many);
  CHECK(many.error() == FailReason::too_many_rows);

  rules.one_row = true;
  RowCounts one(rules);
  const auto batch = one.count(std::array{shape_with(3)});
  REQUIRE_FALSE(batch);
  CHECK(batch.error() == FailReason::wrong_shape);
}

TEST_CASE("as many values in one tensor as the configuration names features are one row") {
  Rules rules;
  rules.features.resize(3);
  RowCounts counts(rules);
  REQUIRE(counts.count(
      std::array{shape_with(3, Layout::tensors), shape_with(1, Layout::matrix_tensor)}));
  CHECK(std::vector(counts.all().begin(), counts.all().end()) == std::vector<std::size_t>{1});
}

TEST_CASE("an answer's rows that no request has are told beside those that it may have") {
  AnswerRows rows;
  const std::vector<std::size_t> counts = {2, 1};
  rows.begin(counts);
  CHECK(rows.expects(1));
  CHECK_FALSE(rows.expects(3));
  CHECK_THAT(rows.mismatch(3),
             Catch::Contains("the answer has rows: 3, the request: 2 or 1; write"));
  rows.begin({});
  CHECK(rows.expects(3));
}

TEST_CASE("an object without a prediction is a failed row only beside others that have one") {
  const Rules rules;
  JsonTree json;
  AnswerRow reader(rules, json);
  AnswerRows rows;
  REQUIRE(rows.add(failed(FailReason::missing_prediction)));
  const auto none = rows.judge(reader);
  REQUIRE_FALSE(none);
  CHECK(none.error() == FailReason::missing_prediction);
  REQUIRE(rows.add(Prediction{FeatureValue::of(5.2)}));
  REQUIRE(rows.judge(reader));
  CHECK(rows.all()[0].value.kind == ValueKind::missing);
  CHECK(rows.all()[1].value.number == 5.2);
  CHECK_FALSE(rows.add(failed(FailReason::wrong_type)));
}

TEST_CASE("an answer's document says what it is, and single values of it are texts") {
  using Nature = AnswerDocument::Nature;
  const std::vector<std::string> price = {"price"}, outputs = {"outputs"};
  AnswerDocument document;
  REQUIRE(document.open(R"({"model_name": "prices", "model_version": 3, "outputs": [1]})"));
  CHECK(document.nature() == Nature::prediction);
  CHECK(document.model_name() == "prices");
  CHECK(document.model_version() == "3");
  CHECK(document.id().empty());
  CHECK(document.field(outputs).empty());
  CHECK_FALSE(document.lines());

  document.clear();
  REQUIRE(document.open(R"("{\"price\": 5.5}")"));  // JSON in a string of JSON.
  CHECK(document.field(price) == "5.5");
  CHECK(document.model_name().empty());

  document.clear();
  REQUIRE(document.open_lines(R"([{"price": 1, "id": "a"}, {"price": 2, "id": "b"}])"));
  CHECK(document.lines() == 2);
  CHECK(document.field(price) == "2");
  CHECK(document.id() == "b");
  document.read_all_lines();
  CHECK(document.root().is_array());
  CHECK(document.id().empty());

  document.clear();
  CHECK(document.field(price).empty());
  CHECK_FALSE(document.open("{"));
}

TEST_CASE("an answer's document that comes again is opened without a look, and no other one is") {
  const std::string error = R"({"error": "no such model", "id": "a"})";
  AnswerDocument document;
  CHECK_FALSE(document.open_again(error));
  REQUIRE(document.open(error));
  document.clear();
  CHECK(document.id().empty());
  REQUIRE(document.open_again(error));
  CHECK(document.nature() == AnswerDocument::Nature::error);
  CHECK(document.id() == "a");
  document.clear();
  CHECK_FALSE(document.open_again(R"({"error": "no such model", "id": "b"})"));
  const std::string lines = R"([{"price": 1}, {"price": 2}])";
  REQUIRE(document.open_lines(lines));
  document.clear();
  CHECK_FALSE(document.open_again(lines));  // It is not as a whole body would be.
}

}  // namespace
}  // namespace outrider::decode
