// SPDX-License-Identifier: Apache-2.0
#include "predictor/protocol/prediction.h"

#include <cstring>

#include "predictor/protocol/tensor.h"
#include "test/predictor/models.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::protocol;

namespace {

const model::Model houses = test::price_model();
const model::Model loans = test::loan_model();

std::string flat(std::string_view body) {
  const auto batch = decode_flat(houses, body);
  if (!batch) return std::string(batch.error().code) + ": " + batch.error().message;
  return encode_flat(houses, *batch, predict(houses, *batch).value());
}

std::string v2(std::string_view body, std::optional<std::size_t> json_bytes = {}) {
  const auto batch = decode_v2(houses, body, json_bytes);
  if (!batch) return batch.error().message;
  return encode_v2(houses, "v3", *batch, predict(houses, *batch).value());
}

}  // namespace

TEST_CASE(
    "a query is decoded, percent-escapes and plus signs too, and other parameters are ignored") {
  const auto price = [](std::string_view query) {
    const auto batch = decode_query(houses, query);
    return batch ? encode_flat(houses, *batch, predict(houses, *batch).value())
                 : batch.error().message;
  };
  CHECK(price("size=4&view=GOOD") == "{\"price\": 23}\n");
  CHECK(price("v%69ew=G%4fOD&size=4.0&utm=x") == "{\"price\": 23}\n");
  CHECK(price("size=4") == "{\"price\": 18}\n");
  CHECK(price("size=4&size=9") == "{\"price\": 18}\n");
  CHECK_THAT(price("view=GOOD"),
             Catch::Contains("'size' is missing; model houses takes size, view"));
  CHECK_THAT(price("size="), Catch::Contains("'size' is missing"));
  CHECK_THAT(price("size=4m"), Catch::Contains("'4m': expected a finite number"));
  CHECK_THAT(price("size=%4"), Catch::Contains("percent-encoding"));
}

TEST_CASE("flat JSON: one object in, one out, a list in, a list out") {
  CHECK(flat(R"({"size": 4, "view": "GOOD"})") == "{\"price\": 23}\n");
  CHECK(flat(R"({"size": "4", "view": null, "id": 17})") == "{\"price\": 18}\n");
  CHECK(flat(R"([{"size": 4}, [1, "BAD"]])") == "[{\"price\": 18}, {\"price\": 9}]\n");
  CHECK_THAT(flat(R"([{"size": 4}, {}])"), Catch::Contains("row[1]: 'size' is missing"));
  CHECK_THAT(flat("[]"), Catch::Contains("no row"));
  CHECK_THAT(flat("\"x\""), Catch::Contains("expected an object"));
  CHECK_THAT(flat(R"({"size": {}})"), Catch::Contains("not a list or object"));
  CHECK_THAT(flat(R"({"size": 9007199254740993})"), Catch::Contains("no double holds"));
  CHECK_THAT(flat(R"({"size": true})"), Catch::Contains("12"));
}

TEST_CASE("a classifier says the class and the probability of the second one") {
  const auto batch = decode_flat(loans, R"([{"income": 2}, {"income": -2}])").value();
  const auto predictions = predict(loans, batch).value();
  CHECK_THAT(encode_flat(loans, batch, predictions),
             Catch::StartsWith(R"([{"paid": "yes", "probability": 0.88079)") &&
                 Catch::Contains(R"({"paid": "no", )"));
  CHECK_THAT(encode_v1(loans, predictions),
             Catch::StartsWith(R"({"predictions": ["yes", "no"], "probabilities": [0.88079)"));
  model::Model numbered = loans;
  numbered.classes = {"0", "1"};
  CHECK_THAT(encode_v1(numbered, predictions), Catch::StartsWith(R"({"predictions": [1, 0],)"));
}

TEST_CASE("V1 takes instances as objects or lists") {
  const auto batch =
      decode_v1(houses, R"({"instances": [[4, "GOOD"], {"size": 4}], "signature_name": "x"})")
          .value();
  CHECK(encode_v1(houses, predict(houses, batch).value()) == "{\"predictions\": [23, 18]}\n");
  CHECK_THAT(decode_v1(houses, R"({"instances": 4})").error().message,
             Catch::Contains("instances"));
  CHECK_THAT(decode_v1(houses, R"({"instances": [[4]]})").error().message,
             Catch::Contains("takes 2: size, view"));
}

TEST_CASE("V2 takes one tensor a feature by name, or one of rows and features") {
  const std::string expected =
      R"({"model_name": "houses", "model_version": "v3", "id": "a", "outputs": [{"name": "price", "datatype": "FP64", "shape": [2], "data": [23, 9]}]})"
      "\n";
  CHECK(
      v2(R"({"id": "a", "inputs": [{"name": "view", "shape": [2], "datatype": "BYTES", "data": ["GOOD", "BAD"]},
      {"name": "size", "shape": [2, 1], "datatype": "INT32", "data": [4, 1]}], "outputs": [{"name": "price"}]})") ==
      expected);
  CHECK(
      v2(R"({"id": "a", "inputs": [{"name": "x", "shape": [2, 2], "datatype": "BYTES", "data": [["4", "GOOD"], ["1", "BAD"]]}]})") ==
      expected);
  CHECK_THAT(v2(R"({"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1]}]})"),
             Catch::Contains("2 values"));
  CHECK_THAT(v2(R"({"inputs": [{"name": "x", "shape": [0, 2], "datatype": "FP64", "data": []}]})"),
             Catch::Contains("no row"));
  CHECK_THAT(
      v2(R"({"inputs": [{"name": "view", "shape": [1], "datatype": "BYTES", "data": ["BAD"]}]})"),
      Catch::Contains("'size' is missing"));
  CHECK_THAT(v2(R"({"inputs": [{"name": "view", "shape": [1], "datatype": "BYTES", "data": ["BAD"]},
      {"name": "size", "shape": [2], "datatype": "FP64", "data": [1, 2]}]})"),
             Catch::Contains("as many rows"));
  CHECK_THAT(
      v2(R"({"inputs": [{"name": "size", "shape": [1], "datatype": "FP64", "data": [1]}], "outputs": [{"name": "x"}]})"),
      Catch::Contains("there is 'price'"));
}

TEST_CASE("V2's binary tensors are read by the lengths that the head gives") {
  const std::string head =
      R"({"inputs": [{"name": "size", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},)"
      R"({"name": "view", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 15}}]})";
  const float sizes[] = {4, 1};
  std::string body = head + std::string(reinterpret_cast<const char*>(sizes), sizeof sizes);
  for (const std::string text : {"GOOD", "BAD"}) {
    const auto length = static_cast<std::uint32_t>(text.size());
    body += std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
  }
  CHECK_THAT(v2(body, head.size()), Catch::Contains("\"data\": [23, 9]"));
  CHECK_THAT(v2(body.substr(0, body.size() - 1), head.size()), Catch::Contains("only 14 follow"));
  CHECK_THAT(v2(body, body.size() + 1), Catch::Contains("Inference-Header-Content-Length"));
}

TEST_CASE("a prediction that is no finite number is an error") {
  model::Model steep = houses;
  steep.coefficients(0) = 1e300;
  const auto batch = decode_flat(steep, R"({"size": 1e300})").value();
  CHECK(predict(steep, batch).error().code == "not_finite");
}
