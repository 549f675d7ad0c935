// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/key_reader.h"

#include "test/sidecar/monitor/decode/decoding.h"

namespace outrider::decode {
namespace {

using test::describe;
using test::MadeExchange;
using test::posted;
using test::queried;

Rules keyed(std::initializer_list<const char*> places) {
  Rules rules;
  for (const char* place : places) rules.key.push_back(parse_place(place).value());
  return rules;
}

// "key" of the request, or "[a b -]" of its rows; behind it the features that are left.
std::string keys_of(const Observation& o) {
  std::string text(o.key);
  const bool by_row =
      std::any_of(o.rows.begin(), o.rows.end(), [](const Row& r) { return !r.key.empty(); });
  if (!by_row) return text.empty() ? "none" : text;
  CHECK(o.key.empty());
  for (const Row& row : o.rows) {
    text += (text.empty() ? "[" : " ") + (row.key.empty() ? "-" : std::string(row.key));
  }
  return text + "]";
}

std::string keys_in(const MadeExchange& made, Rules rules) {
  Decoder decoder(std::move(rules));
  std::string text;
  for (int pass = 0; pass < 2;
       ++pass) {  // What was learned from the first must not change the second.
    const tap::Exchange exchange = made.view();
    const auto outcome = decoder.decode(exchange);
    if (!outcome) return "failed: " + std::string(decoder.words());
    const std::string now = keys_of(*outcome);
    if (pass > 0) CHECK(now == text);
    text = now;
    CHECK(outcome->keys.found + outcome->keys.missing + outcome->keys.unusable ==
          outcome->rows.size());
  }
  return text;
}

// Why the prediction has no key.
std::string words_in(const MadeExchange& made, Rules rules) {
  Decoder decoder(std::move(rules));
  const tap::Exchange exchange = made.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(outcome->keys.found == 0);
  CHECK(keys_of(*outcome) == "none");
  return (outcome->keys.unusable > 0 ? "unusable: " : "missing: ") +
         std::string(outcome->key_words);
}

const std::string flat_answer = R"({"price": 5})";

}  // namespace

TEST_CASE(
    "a key is read from the request's body, its query, a field of either head or the response") {
  const auto flat = posted("/predict", R"({"size": 3, "order_id": "A-17"})", flat_answer);
  CHECK(keys_in(flat, keyed({"json:/order_id"})) == "A-17");
  CHECK(keys_in(flat, keyed({"row:/order_id"})) == "A-17");
  const auto nested =
      posted("/predict", R"({"meta": {"order": {"id": 17}}, "instances": [{"a": 1}]})",
             R"({"predictions": [5]})");
  CHECK(keys_in(nested, keyed({"json:/meta/order/id"})) == "17");
  CHECK(keys_in(queried("/predict?size=3&order_id=A%2F1+7", flat_answer),
                keyed({"query:order_id"})) == "A/1 7");
  auto both = posted("/predict?order_id=9", R"({"size": 3})", flat_answer);
  CHECK(keys_in(both, keyed({"query:order_id"})) == "9");
  both.request_head =
      "POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nX-Order-Id: 00017 "
      "\r\n\r\n";
  CHECK(keys_in(both, keyed({"header:X-Order-Id"})) == "00017");
  both.response_head =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Order-Id: 18\r\n\r\n";
  CHECK(keys_in(both, keyed({"header:x-order-id"})) == "18");
  CHECK(keys_in(posted("/predict", R"({"size": 3})", R"({"price": 5, "order": {"id": "r1"}})"),
                keyed({"response:/order/id"})) == "r1");
}

TEST_CASE("each row of a batch has a key of its own, whatever the batch's shape") {
  const Rules rules = keyed({"row:/order_id"});
  const std::string two = R"({"predictions": [5, 6]})";
  CHECK(keys_in(
            posted("/v1/models/m:predict",
                   R"({"instances": [{"a": 1, "order_id": "x"}, {"a": 2, "order_id": 12}]})", two),
            rules) == "[x 12]");
  CHECK(keys_in(posted("/predict", R"({"a": [1, 2], "order_id": ["x", "y"]})", two), rules) ==
        "[x y]");
  CHECK(
      keys_in(
          posted(
              "/v2/models/m/infer", R"({"inputs": [
      {"name": "a", "shape": [2], "datatype": "FP32", "data": [1, 2]},
      {"name": "order_id", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]}]})",
              R"({"outputs": [{"name": "p", "shape": [2], "datatype": "FP32", "data": [5, 6]}]})"),
          rules) == "[x y]");
  CHECK(
      keys_in(
          posted(
              "/predict",
              R"({"dataframe_split": {"columns": ["order_id", "a"], "data": [["x", 1], ["y", 2]]}})",
              two),
          rules) == "[x y]");
  auto csv = posted("/predict", "order_id,a\nx,1\n007,2\n", two);
  csv.request_head = "POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: text/csv\r\n\r\n";
  CHECK(keys_in(csv, rules) == "[x 007]");
  CHECK(keys_in(posted("/predict", R"({"instances": [["x", 1], ["y", 2]]})", two),
                keyed({"row:/0"})) == "[x y]");
  CHECK(
      keys_in(posted("/predict", R"({"ids": ["x", "y"], "instances": [{"a": 1}, {"a": 2}]})", two),
              keyed({"json:/ids"})) == "[x y]");
  CHECK(keys_in(posted("/predict", R"({"instances": [{"a": 1}, {"a": 2}]})",
                       R"({"predictions": [5, 6], "ids": [7, 8]})"),
                keyed({"response:/ids"})) == "[7 8]");
}

TEST_CASE("a key of the whole request stands for all of its rows") {
  CHECK(keys_in(posted("/predict", R"({"order_id": "x", "instances": [{"a": 1}, {"a": 2}]})",
                       R"({"predictions": [5, 6]})"),
                keyed({"json:/order_id"})) == "x");
}

TEST_CASE("the parts of a key are joined, also a part of the request with one of the row") {
  auto made = posted("/predict?shop=7",
                     R"({"day": "mon", "instances": [{"a": 1, "n": 1}, {"a": 2, "n": 2}]})",
                     R"({"predictions": [5, 6]})");
  CHECK(keys_in(made, keyed({"query:shop", "json:/day", "row:/n"})) == "[7|mon|1 7|mon|2]");
  CHECK(keys_in(made, keyed({"query:shop", "json:/day"})) == "7|mon");
  CHECK(keys_in(made, keyed({"fraud", "json:/day"})) == "fraud|mon");
}

TEST_CASE("a key's text is the number or the text that was sent, without blanks around it") {
  const auto key_of = [](const std::string& value) {
    return keys_in(posted("/predict", R"({"size": 3, "k": )" + value + "}", flat_answer),
                   keyed({"json:/k"}));
  };
  CHECK(key_of("12") == "12");
  CHECK(key_of("12.0") == "12");
  CHECK(key_of("12.5") == "12.5");
  CHECK(key_of("9007199254740993") == "9007199254740993");
  CHECK(key_of("18446744073709551615") == "18446744073709551615");
  CHECK(key_of(R"("0012")") == "0012");
  CHECK(key_of(R"("12.0")") == "12.0");
  CHECK(key_of(R"(" A 7 ")") == "A 7");
  CHECK(key_of(R"("a|b")") == "a|b");
}

TEST_CASE("what names nothing is no key, and the words say why and where") {
  const auto words_of = [](const std::string& value) {
    return words_in(posted("/predict", R"({"size": 3, "k": )" + value + "}", flat_answer),
                    keyed({"json:/k"}));
  };
  CHECK_THAT(words_of("null"),
             Catch::StartsWith("missing: request.id: json:/k is not there, is null"));
  CHECK_THAT(words_of(R"("NA")"), Catch::StartsWith("missing: request.id: json:/k"));
  CHECK_THAT(words_of(R"("")"), Catch::StartsWith("missing:"));
  CHECK_THAT(words_of("true"), Catch::StartsWith("unusable: request.id: json:/k is true or false"));
  CHECK_THAT(words_of(R"("inf")"),
             Catch::StartsWith("unusable: request.id: json:/k is no finite number"));
  CHECK_THAT(words_of(R"([1, 2])"), Catch::StartsWith("unusable: request.id: json:/k is a list"));
  CHECK_THAT(words_of(R"({"x": 1})"),
             Catch::StartsWith("unusable: request.id: json:/k is an object"));
  CHECK_THAT(words_of("\"" + std::string(257, 'x') + "\""),
             Catch::Contains("makes a key of 257 bytes; at most 256 are taken"));
  CHECK_THAT(words_in(posted("/predict", R"({"size": 3, "a": "1|2", "b": "3"})", flat_answer),
                      keyed({"json:/a", "json:/b"})),
             Catch::Contains("json:/a has a '|' in it, which stands between the parts of a key"));
  const auto plain = posted("/predict", R"({"size": 3})", flat_answer);
  for (const char* place : {"json:/k", "row:/k", "query:k", "header:K", "response:/k"}) {
    CHECK_THAT(words_in(plain, keyed({place})),
               Catch::StartsWith("missing: request.id: " + std::string(place) + " is not there"));
  }
  CHECK_THAT(words_in(plain, keyed({"json:/size", "json:/k"})),
             Catch::Contains("json:/k is not there"));
}

TEST_CASE("rows without a key are counted, and the others keep theirs") {
  const auto made =
      posted("/predict", R"({"instances": [{"a": 1, "k": "x"}, {"a": 2}, {"a": 3, "k": true}]})",
             R"({"predictions": [5, 6, 7]})");
  Decoder decoder(keyed({"row:/k"}));
  const tap::Exchange exchange = made.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(keys_of(*outcome) == "[x - -]");
  CHECK(outcome->keys.found == 1);
  CHECK(outcome->keys.missing == 1);
  CHECK(outcome->keys.unusable == 1);
}

TEST_CASE("a key is no feature, unless request.features names it") {
  const auto flat = posted("/predict", R"({"size": 3, "order_id": "A-17", "id": 4})", flat_answer);
  CHECK(test::decode_one(flat, keyed({"json:/order_id"})) == "unknown/unknown | size=3 id=4 -> 5");
  CHECK(test::decode_one(flat, keyed({"json:/order_id", "json:/id"})) ==
        "unknown/unknown | size=3 -> 5");
  const auto batch =
      posted("/predict", R"({"order_id": 8, "instances": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]})",
             R"({"predictions": [5, 6]})");
  CHECK(test::decode_one(batch, keyed({"json:/order_id"})) ==
        "unknown/unknown | a=1 b=2 -> 5 | a=3 b=4 -> 6");
  Rules named = keyed({"json:/order_id"});
  named.features.push_back({.name = "order_id", .from = {}, .kind = FeatureKind::inferred});
  CHECK(test::decode_one(flat, named) == "unknown/unknown | order_id='A-17' -> 5");
  CHECK(test::decode_one(posted("/predict", R"({"order_id": "A-17"})", flat_answer),
                         keyed({"json:/order_id"})) == "unknown/unknown | -> 5");
}

TEST_CASE("the body's id as a key is a key and no alias beside") {
  Decoder decoder(keyed({"json:/id"}));
  const auto made = posted("/predict", R"({"size": 3, "id": "A-17"})", flat_answer);
  const tap::Exchange exchange = made.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(outcome->key == "A-17");
  CHECK(outcome->aliases.empty());
  CHECK(describe(*outcome) == "unknown/unknown | size=3 -> 5");
}

TEST_CASE("a failed exchange has no keys to count") {
  auto made = posted("/predict", R"({"size": 3, "k": 1})", "no");
  made.status = 500;
  Decoder decoder(keyed({"json:/k"}));
  const tap::Exchange exchange = made.view();
  const auto outcome = decoder.decode(exchange);
  REQUIRE(outcome);
  CHECK(outcome->model_failed);
  CHECK(outcome->keys.found + outcome->keys.missing + outcome->keys.unusable == 0);
}

}  // namespace outrider::decode
