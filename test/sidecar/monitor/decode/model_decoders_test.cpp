// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/model_decoders.h"

#include <cmath>

#include "test/support/catch.h"
#include "test/support/exchanges.h"

namespace outrider::decode {
namespace {

using OwnRules = std::map<std::string, Rules, std::less<>>;
using test::MadeExchange;
using test::posted;

Rules pointing_at(const std::string& pointer) {
  Rules rules;
  rules.prediction = *parse_place("json:" + pointer);
  return rules;
}

Rules naming(const std::string& place) {
  Rules rules;
  rules.model_name = *parse_place(place);
  return rules;
}

// The model's name and first prediction, or what became of the exchange.
std::string told(ModelDecoders& decoders, const MadeExchange& made) {
  const tap::Exchange exchange = made.view();
  const auto outcome = decoders.decode(exchange);
  if (!outcome) return "failed " + std::string(to_string(outcome.error().fail_reason));
  std::string text(outcome->model_name);
  if (outcome->model_failed) return text + (outcome->refused ? " refused" : " failed");
  REQUIRE_FALSE(outcome->rows.empty());
  return text + " " + std::to_string(std::lround(outcome->rows[0].prediction.value.number));
}

const std::string both = R"({"left":1,"right":2})";  // Which one a model means, its rules say.

MadeExchange asked(const std::string& path, const std::string& answer = both) {
  return posted(path, R"({"size":3})", answer);
}

}  // namespace

TEST_CASE("a model that the path names is decoded by its own rules") {
  ModelDecoders decoders(pointing_at("/left"), {{"b", pointing_at("/right")}, {"c", {}}});
  CHECK(told(decoders, asked("/v1/models/a:predict")) == "a 1");
  CHECK(told(decoders, asked("/v1/models/b:predict")) == "b 2");
  CHECK(told(decoders, asked("/v2/models/b/infer")) == "b 2");
  CHECK(told(decoders, asked("/v1/models/a:predict")) == "a 1");
}

TEST_CASE("rules of its own are enough where the common ones cannot decode") {
  ModelDecoders decoders(pointing_at("/nowhere"), {{"b", pointing_at("/right")}});
  CHECK(told(decoders, asked("/v1/models/a:predict")) == "failed pointer_not_found");
  CHECK(decoders.words() != "");
  CHECK(told(decoders, asked("/v1/models/b:predict")) == "b 2");
  CHECK(decoders.words() == "");
}

TEST_CASE("a model that a header names is decoded by its own rules") {
  const OwnRules own = [] {
    OwnRules rules = {{"b", pointing_at("/right")}};
    rules.at("b").model_name = *parse_place("header:X-Which");
    return rules;
  }();
  Rules common = pointing_at("/left");
  common.model_name = *parse_place("header:X-Which");
  ModelDecoders decoders(common, own);
  MadeExchange made = asked("/predict");
  CHECK(told(decoders, made) == "unknown 1");
  SECTION("of the request") {
    made.request_head.insert(made.request_head.size() - 2, "X-Which: b\r\n");
    CHECK(told(decoders, made) == "b 2");
    made.response_head.insert(made.response_head.size() - 2, "X-Which: c\r\n");
    CHECK(told(decoders, made) == "c 1");  // The response's comes first.
  }
  SECTION("of the response") {
    made.response_head.insert(made.response_head.size() - 2, "X-Which: b\r\n");
    CHECK(told(decoders, made) == "b 2");
  }
  SECTION("before the path") {
    made = asked("/v1/models/b:predict");
    made.request_head.insert(made.request_head.size() - 2, "X-Which: a\r\n");
    CHECK(told(decoders, made) == "a 1");
  }
}

TEST_CASE("X-Model-Name names the model where the path does not") {
  ModelDecoders decoders(pointing_at("/nowhere"), {{"b", pointing_at("/right")}});
  MadeExchange made = asked("/invocations");
  made.response_head.insert(made.response_head.size() - 2, "X-Model-Name: b\r\n");
  CHECK(told(decoders, made) == "b 2");
}

TEST_CASE("a model that only the body names is decoded again by its own rules") {
  const std::string answer = R"({"model_name":"b","left":1,"right":2})";
  ModelDecoders decoders(pointing_at("/left"), {{"b", pointing_at("/right")}});
  CHECK(told(decoders, asked("/predict", answer)) == "b 2");
  CHECK(told(decoders, asked("/predict")) == "unknown 1");

  SECTION("also by a pointer, which comes before the path") {
    Rules common = pointing_at("/left"), own = pointing_at("/right");
    common.model_name = own.model_name = *parse_place("response:/who");
    ModelDecoders pointed(common, {{"b", own}});
    CHECK(told(pointed, asked("/predict", R"({"who":"b","left":1,"right":2})")) == "b 2");
    CHECK(told(pointed, asked("/v1/models/b:predict", R"({"who":"a","left":1,"right":2})")) ==
          "a 1");
    CHECK(told(pointed, asked("/v1/models/b:predict")) == "b 2");
  }
  SECTION("and fails where its own rules cannot decode") {
    ModelDecoders strict(pointing_at("/left"), {{"b", pointing_at("/nowhere")}});
    CHECK(told(strict, asked("/predict", answer)) == "failed pointer_not_found");
  }
}

TEST_CASE("a literal name chooses the rules of that model") {
  Rules common = naming("b"), own = pointing_at("/right");
  own.model_name = common.model_name;
  ModelDecoders decoders(common, {{"b", own}});
  CHECK(told(decoders, asked("/v1/models/a:predict")) == "b 2");
}

TEST_CASE("a posted exchange is decoded by the rules of the model that its event names") {
  ModelDecoders decoders(pointing_at("/left"), {{"b", pointing_at("/right")}});
  ExchangeParts parts;
  parts.id = "01900000-0000-7000-8000-000000000001";
  parts.status = 200;
  parts.method = "POST";
  parts.request_type = parts.response_type = "application/json";
  parts.request_body = R"({"size":3})";
  parts.response_body = both;
  parts.exchange_is_prediction = true;
  for (const auto& [name, expected] :
       {std::pair("a", 1.0), std::pair("b", 2.0), std::pair("a", 1.0)}) {
    parts.model_name = name;
    const auto outcome = decoders.decode(parts);
    REQUIRE(outcome);
    CHECK(outcome->rows[0].prediction.value.number == expected);
  }
}

TEST_CASE("a failure says whether the request was refused") {
  const OwnRules own = GENERATE(OwnRules{}, OwnRules{{"b", pointing_at("/right")}});
  ModelDecoders decoders(Rules{}, own);
  MadeExchange made = asked("/v1/models/b:predict", "");
  const auto with = [&](int status, tap::Outcome outcome) {
    made.status = status;
    made.outcome = outcome;
    made.response_head = status == 0 ? "" : "HTTP/1.1 " + std::to_string(status) + " No\r\n\r\n";
    return told(decoders, made);
  };
  CHECK(with(404, tap::Outcome::client_error) == "b refused");
  CHECK(with(422, tap::Outcome::client_error) == "b refused");
  CHECK(with(500, tap::Outcome::server_error) == "b failed");
  CHECK(with(0, tap::Outcome::timeout) == "b failed");
  CHECK(with(0, tap::Outcome::unreachable) == "b failed");
}

TEST_CASE("models of equal rules share a decoder, and those of the common rules have none") {
  OwnRules own;
  for (int i = 0; i < 200; ++i) {
    own["m" + std::to_string(i)] = i % 2 ? pointing_at("/right") : pointing_at("/left");
  }
  ModelDecoders decoders(pointing_at("/left"), own);
  CHECK(decoders.kept() == 0);
  for (int i = 0; i < 200; ++i) {
    const std::string name = "m" + std::to_string(i);
    CHECK(told(decoders, asked("/v1/models/" + name + ":predict")) == name + (i % 2 ? " 2" : " 1"));
  }
  CHECK(decoders.kept() == 1);
}

TEST_CASE("of many decoders the ones used last are kept, and the others are made again") {
  OwnRules own;
  for (int i = 0; i < 200; ++i) {
    own["m" + std::to_string(i)] = pointing_at("/right");
    own["m" + std::to_string(i)].segments = {"s" + std::to_string(i)};
  }
  ModelDecoders decoders(pointing_at("/left"), own);
  for (int i = 0; i < 500; ++i) {
    const std::string name = "m" + std::to_string(i * 7 % 200);
    CHECK(told(decoders, asked("/v1/models/" + name + ":predict")) == name + " 2");
    CHECK(decoders.kept() <= ModelDecoders::kept_max);
  }
  CHECK(decoders.kept() == ModelDecoders::kept_max);
}

TEST_CASE("a decoder that read a large body goes when another one is used") {
  ModelDecoders decoders(Rules{}, {{"b", pointing_at("/right")}, {"c", pointing_at("/left")}});
  MadeExchange large = asked("/v1/models/b:predict");
  large.request_body = R"({"size":3,"text":")" + std::string(100'000, 'x') + "\"}";
  CHECK(told(decoders, large) == "b 2");
  CHECK(told(decoders, asked("/v1/models/b:predict")) == "b 2");  // A stream of one model keeps it.
  CHECK(decoders.kept() == 1);
  CHECK(told(decoders, asked("/v1/models/c:predict")) == "c 1");
  CHECK(decoders.kept() == 1);
  CHECK(told(decoders, large) == "b 2");
}

TEST_CASE("lists of feature names have serials of their own over all decoders") {
  ModelDecoders decoders(Rules{}, {{"b", pointing_at("/right")}});
  const auto serial = [&](const MadeExchange& made) {
    const tap::Exchange exchange = made.view();
    const auto outcome = decoders.decode(exchange);
    REQUIRE(outcome);
    return outcome->names->serial;
  };
  const auto a = serial(posted("/v1/models/a:predict", R"({"size":3})", R"({"price":1})"));
  const auto b = serial(posted("/v1/models/b:predict", R"({"rooms":3})", both));
  CHECK(a != b);
  CHECK(serial(posted("/v1/models/a:predict", R"({"size":4})", R"({"price":1})")) == a);
}

}  // namespace outrider::decode
