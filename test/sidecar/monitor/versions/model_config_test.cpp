// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/model_config.h"

#include "test/support/catch.h"

namespace outrider::monitor {

TEST_CASE("the whole model configuration is read") {
  const auto settings = parse_model_config(R"(
model:    {name: house-price, version: "header:X-Model-Version"}
request:
  match: {method: [GET, POST], path: /predict}
  features:
    - {name: size,     from: "query:size",     kind: numeric}
    - {name: bedrooms, from: "json:/bedrooms", kind: categorical}
response: {prediction: "json:/price", score: "json:/probability", kind: regression, streams: skip}
truth:    {tolerance: 5%, absolute_tolerance: 2, max_delay: 7d, sample: 10%}
accuracy: {slack: 2%, false_alarms: 2 per 30d}
log:      {max_bytes: 64MiB, keep_features: true}
sampling: {rate: 10%}
reference: /etc/outrider/references/
segments: [bedrooms]
limits:   {models: 3, exported_features: 5, body: 2MiB}
metrics:  {bins: all, tests: all}
)",
                                           "model.yaml");
  REQUIRE(settings);
  CHECK(settings->rules.model_name == decode::Place{decode::Place::Kind::literal, "house-price"});
  CHECK(settings->default_model() == "house-price");
  CHECK(settings->rules.methods == std::vector<std::string>{"GET", "POST"});
  CHECK(settings->rules.paths == std::vector<std::string>{"/predict"});
  REQUIRE(settings->rules.features.size() == 2);
  CHECK(settings->rules.features[1].kind == decode::FeatureKind::categorical);
  CHECK(settings->rules.prediction_kind == decode::PredictionKind::regression);
  CHECK(settings->rules.skip_streams);
  CHECK(settings->truth.tolerance == 0.05);
  CHECK(settings->truth.absolute_tolerance == 2.0);
  CHECK(settings->truth.max_delay == std::chrono::hours(24 * 7));
  CHECK(settings->truth.sample == 0.1);
  CHECK(settings->accuracy.slack == 0.02);
  CHECK(settings->accuracy.false_alarm_every == std::chrono::hours(24 * 15));
  CHECK(settings->log.keep_features);
  CHECK(settings->rules.sample_rate == 0.1);
  CHECK(settings->limits.models == 3);
  CHECK(settings->limits.body_bytes == 2 << 20);
  CHECK(settings->metrics.all_bins);
  CHECK(settings->metrics.all_tests);
}

TEST_CASE("a key has one part or several, also one of a model's own") {
  const auto settings = parse_model_config(R"(
request: {id: "json:/order_id"}
truth: {early: 1h}
models:
  two: {request: {id: [two, header:X-Shop, "row:/n", "query:a", "response:/b"]}}
  same:
  none: {request: {id: []}}
)",
                                           "model.yaml");
  REQUIRE(settings);
  using Kind = decode::Place::Kind;
  const std::vector<decode::Place> order = {{Kind::json, "/order_id"}};
  CHECK(settings->rules.key == order);
  CHECK(settings->of("same").rules.key == order);
  CHECK(settings->of("none").rules.key.empty());
  CHECK(settings->of("two").rules.key == std::vector<decode::Place>{{Kind::literal, "two"},
                                                                    {Kind::header, "X-Shop"},
                                                                    {Kind::row, "/n"},
                                                                    {Kind::query, "a"},
                                                                    {Kind::response, "/b"}});
  CHECK(settings->truth.early == std::chrono::hours(1));
}

TEST_CASE("a wrong key is refused with what was seen and what to write") {
  const auto settings = parse_model_config(R"(
request: {id: ["json:order", "query:a", "query:a", path]}
truth: {early: 40d, sample: 0}
models:
  m: {truth: {early: 1m, sample: 10%}}
  text: {request: {id: order_id}}
)",
                                           "model.yaml");
  REQUIRE_FALSE(settings);
  for (const char* expected :
       {"model.yaml:2: request.id: expected json:/a/json/pointer, got 'json:order'",
        "request.id: 'query:a' is a part of the key already",
        "request.id: expected json:/json/pointer, row:/json/pointer, header:FIELD, query:NAME or "
        "response:/json/pointer, got 'path'",
        "model.yaml:3: truth.early: expected 0 to truth.max_delay (30d)",
        "models.m.truth.early: is the same for all models",
        "models.m.truth.sample: is the same for all models",
        "model.yaml:3: truth.sample: expected a share of more than 0 and at most 1",
        "models.text.request.id: expected json:/json/pointer",
        "got 'order_id': a text alone is the key of every prediction"}) {
    CHECK_THAT(settings.error().message, Catch::Contains(expected));
  }
}

TEST_CASE("an empty file is all defaults") {
  const auto settings = parse_model_config("", "model.yaml");
  REQUIRE(settings);
  CHECK(settings->default_model() == "unknown");
  CHECK_FALSE(settings->truth.tolerance);
  CHECK_FALSE(settings->metrics.all_bins);
  CHECK_FALSE(settings->metrics.all_tests);
}

TEST_CASE("every mistake is told at once, with its line") {
  const auto settings = parse_model_config(R"(
model: {name: "json:/x"}
requests: {}
request:
  features:
    - {from: "header:X"}
    - {name: a, kind: number}
    - {name: a}
response: {kind: guess, prediction: price}
truth: {tolerance: -1, max_delay: never}
accuracy: {slack: 80%, false_alarms: often}
sampling: {rate: 2}
limits: {models: 0}
metrics: {bins: few, tests: psi, series: 5}
)",
                                           "model.yaml");
  REQUIRE_FALSE(settings);
  const std::string& message = settings.error().message;
  CAPTURE(message);
  for (const char* expected :
       {"model.yaml:2: model.name: expected a name, header:FIELD",
        "model.yaml:3: requests: unknown key",
        "model.yaml:14: metrics.bins: expected deciles or all, got 'few'",
        "metrics.series: unknown key", "model.yaml:6: request.features[0]: expected a name",
        "request.features[0].from: expected query:NAME, json:/json/pointer or row:/json/pointer",
        "model.yaml:7: request.features[1].kind: expected numeric or categorical, got 'number'",
        "model.yaml:8: request.features[2]: there is a feature 'a' already",
        "response.kind: expected regression or classification, got 'guess'",
        "response.prediction: expected json:/json/pointer or row:/json/pointer, got 'price'",
        "truth.tolerance: expected 0 or more", "truth.max_delay: expected a duration",
        "accuracy.slack: expected 0 to 0.5, got 0.8",
        "accuracy.false_alarms: expected a rate such as '1 per 30d', got 'often'",
        "sampling.rate: expected 0 to 1, got 2", "limits.models: expected 1 to 1000, got 0"}) {
    CHECK_THAT(message, Catch::Contains(expected));
  }
}

TEST_CASE("one model of several has of its own what its entry says, else what the top level says") {
  const auto settings = parse_model_config(R"(
request:  {match: {path: /v1/*}, features: [{name: size}, {name: city}]}
response: {kind: regression, prediction: "json:/price", classes: [low, high]}
truth:    {tolerance: 5%, absolute_tolerance: 3, max_delay: 7d}
accuracy: {slack: 2%}
sampling: {rate: 10%}
reference: refs/
segments: [city]
limits:   {rows: 50}
models:
  fraud:
    version: "3"
    request: {rows: one, features: [{name: amount, from: "json:/amount", kind: numeric}]}
    response: {kind: classification, prediction: "json:/label", score: "json:/score", classes: [good, bad], threshold: 0.3}
    truth: {absolute_tolerance: 0}
    accuracy: {slack: 4%}
    reference: refs/fraud.json
    segments: []
  "qwen3:0.6b": {truth: {tolerance: 1%}}
  plain:
  three: {response: {classes: [a, b, c]}}
)",
                                           "model.yaml");
  REQUIRE(settings);
  REQUIRE(settings->models.size() == 4);
  const ModelSettings& fraud = settings->of("fraud");
  CHECK(fraud.default_version() == "3");
  REQUIRE(fraud.rules.features.size() == 1);
  CHECK(fraud.rules.features[0].name == "amount");
  CHECK(fraud.rules.prediction.text == "/label");
  CHECK(fraud.rules.score.text == "/score");
  CHECK(fraud.rules.prediction_kind == decode::PredictionKind::classification);
  CHECK(fraud.rules.positive_class == "bad");
  CHECK(fraud.rules.classes == std::vector<std::string>{"good", "bad"});
  CHECK(fraud.rules.one_row);
  CHECK(fraud.rules.score_threshold == 0.3);
  CHECK(fraud.truth.tolerance == 0.05);
  CHECK(fraud.truth.absolute_tolerance == 0.0);
  CHECK(fraud.accuracy.slack == 0.04);
  CHECK(fraud.reference == "refs/fraud.json");
  CHECK(fraud.rules.segments.empty());
  CHECK(fraud.rules.paths == std::vector<std::string>{"/v1/*"});  // For all models alike.
  CHECK(fraud.rules.sample_rate == 0.1);
  CHECK(fraud.rules.rows_max == 50);

  const ModelSettings& language = settings->of("qwen3:0.6b");
  CHECK(language.truth.tolerance == 0.01);
  CHECK(language.rules == settings->rules);
  CHECK(language.reference.empty());  // The common place is nobody's own.
  CHECK(settings->of("plain").rules == settings->rules);
  CHECK(settings->of("plain").rules.classes == std::vector<std::string>{"low", "high"});
  CHECK(settings->of("three").rules.classes.size() == 3);
  CHECK(settings->of("three").rules.positive_class == "1");  // Of three classes none is `high`.
  CHECK(&settings->of("unheard-of") == &*settings);
  CHECK(settings->truth.tolerance == 0.05);
  CHECK(settings->reference == "refs/");
}

TEST_CASE("every mistake of every model's entry is told at once, with its line") {
  const auto settings = parse_model_config(R"(
models:
  a: {response: {kind: guess}, request: {match: {path: /x}}, truth: {max_delay: 3d}}
  b:
    limits: {rows: 3}
    objectives: {}
    truth: {tolerance: -1}
    reference: [x]
  a: {}
  c: classification
  other: {}
  d: {request: {features: [{name: x, kind: odd}]}, model: {name: e}}
  e: {version: "query:v", accuracy: {slack: 2}, response: {sort: 1}}
)",
                                           "model.yaml");
  REQUIRE_FALSE(settings);
  const std::string& message = settings.error().message;
  CAPTURE(message);
  for (const char* expected :
       {"model.yaml:3: models.a.response.kind: expected regression or classification, got 'guess'",
        "model.yaml:3: models.a.request.match: is the same for all models; write it at the top "
        "level of the file",
        "model.yaml:3: models.a.truth.max_delay: is the same for all models",
        "model.yaml:5: models.b.limits: is the same for all models",
        "model.yaml:6: models.b.objectives: unknown key; known for one of several models: version, "
        "request, response, truth, accuracy, reference, segments",
        "model.yaml:7: models.b.truth.tolerance: expected 0 or more",
        "model.yaml:8: models.b.reference: expected text",
        "model.yaml:9: models.a: there is an entry for this model already",
        "model.yaml:10: models.c: expected a map of keys",
        "model.yaml:11: models.other: `other` is",
        "model.yaml:12: models.d.request.features[0].kind: expected numeric or categorical",
        "model.yaml:12: models.d.model: unknown key",
        "model.yaml:13: models.e.version: expected a name",
        "model.yaml:13: models.e.accuracy.slack: expected 0 to 0.5, got 2",
        "model.yaml:13: models.e.response.sort: unknown key"}) {
    CHECK_THAT(message, Catch::Contains(expected));
  }
}

TEST_CASE("an entry that no prediction can be of is a mistake") {
  const auto settings =
      parse_model_config("model: {name: house}\nmodels: {house: , fraud: }\n", "model.yaml");
  REQUIRE_FALSE(settings);
  CHECK(settings.error().message ==
        "model.yaml:2: models.fraud: model.name says that every prediction is of 'house'; leave it "
        "out, or write where in the traffic the name is");
}

TEST_CASE("there may be a thousand entries, and the page grows with them") {
  const auto with = [](int models, const std::string& more = "") {
    std::string text = more + "models:\n";
    for (int i = 0; i < models; ++i) text += "  m" + std::to_string(i) + ":\n";
    return parse_model_config(text, "model.yaml");
  };
  CHECK(with(3)->limits.series == 20'000);
  CHECK(with(200)->limits.series == 200'000);
  CHECK(warnings(*with(200)).empty());
  CHECK(with(1'000).has_value());
  REQUIRE_FALSE(with(1'001));
  CHECK_THAT(with(1'001).error().message, Catch::Contains("models: expected at most 1000 models"));

  const auto little = with(200, "limits: {series: 20000}\n");
  CHECK(little->limits.series == 20'000);  // What is written holds, and is told to be little.
  REQUIRE(warnings(*little).size() == 1);
  CHECK_THAT(warnings(*little)[0], Catch::Contains("limits.series=20000") &&
                                       Catch::Contains("200 models") &&
                                       Catch::Contains("write 200000"));
}

TEST_CASE("a file of descriptors is named once, for all models") {
  const auto settings =
      parse_model_config("request: {proto: shop.bin}\nmodels: {fraud: }\n", "model.yaml");
  REQUIRE(settings);
  CHECK(settings->descriptors == "shop.bin");
  const auto own =
      parse_model_config("models: {fraud: {request: {proto: shop.bin}}}\n", "model.yaml");
  REQUIRE_FALSE(own);
  CHECK_THAT(own.error().message, Catch::Contains("the same for all models"));
}

}  // namespace outrider::monitor
