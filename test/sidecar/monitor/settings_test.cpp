// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/settings.h"

#include <catch2/catch.hpp>

namespace outrider::monitor {

TEST_CASE("the whole model configuration is read") {
  const auto settings = parse_settings(R"(
model:    {name: house-price, version: "header:X-Model-Version"}
request:
  match: {method: [GET, POST], path: /predict}
  features:
    - {name: size,     from: "query:size",     kind: numeric}
    - {name: bedrooms, from: "json:/bedrooms", kind: categorical}
response: {prediction: "json:/price", score: "json:/probability", kind: regression, streams: skip}
truth:    {tolerance: 5%, absolute_tolerance: 2, max_delay: 7d}
accuracy: {slack: 2%, false_alarms: 2 per 30d}
log:      {max_bytes: 64MiB, keep_features: true}
sampling: {rate: 10%}
reference: /etc/outrider/references/
segments: [bedrooms]
limits:   {models: 3, exported_features: 5, body: 2MiB}
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
  CHECK(settings->accuracy.slack == 0.02);
  CHECK(settings->accuracy.false_alarm_every == std::chrono::hours(24 * 15));
  CHECK(settings->log.keep_features);
  CHECK(settings->rules.sample_rate == 0.1);
  CHECK(settings->limits.models == 3);
  CHECK(settings->limits.body_bytes == 2 << 20);
}

TEST_CASE("an empty file is all defaults") {
  const auto settings = parse_settings("", "model.yaml");
  REQUIRE(settings);
  CHECK(settings->default_model() == "unknown");
  CHECK_FALSE(settings->truth.tolerance);
}

TEST_CASE("every mistake is told at once, with its line") {
  const auto settings = parse_settings(R"(
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
)",
                                       "model.yaml");
  REQUIRE_FALSE(settings);
  const std::string& message = settings.error().message;
  CAPTURE(message);
  for (const char* expected :
       {"model.yaml:2: model.name: expected a name, header:FIELD",
        "model.yaml:3: requests: unknown key", "model.yaml:6: request.features[0]: expected a name",
        "request.features[0].from: expected query:NAME or json:/json/pointer",
        "model.yaml:7: request.features[1].kind: expected numeric or categorical, got 'number'",
        "model.yaml:8: request.features[2]: there is a feature 'a' already",
        "response.kind: expected regression or classification, got 'guess'",
        "response.prediction: expected json:/json/pointer, got 'price'",
        "truth.tolerance: expected 0 or more", "truth.max_delay: expected a duration",
        "accuracy.slack: expected 0 to 0.5, got 0.8",
        "accuracy.false_alarms: expected a rate such as '1 per 30d', got 'often'",
        "sampling.rate: expected 0 to 1, got 2", "limits.models: expected 1 to 1000, got 0"}) {
    CHECK_THAT(message, Catch::Contains(expected));
  }
}

}  // namespace outrider::monitor
