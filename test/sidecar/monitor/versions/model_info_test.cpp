// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/model_info.h"

#include <array>
#include <cmath>

#include "sidecar/monitor/export/proxy_metrics.h"
#include "sidecar/monitor/versions/model_config.h"
#include "test/support/catch.h"

namespace outrider::monitor {
namespace {

ModelConfig settings_of(const std::string& text) {
  auto settings = parse_model_config(text, "model.yaml");
  if (!settings) FAIL(settings.error().message);
  return std::move(*settings);
}

std::string mistakes_of(const std::string& text) {
  const auto settings = parse_model_config(text, "model.yaml");
  return settings ? "" : settings.error().message;
}

}  // namespace

TEST_CASE("owner, labels and objectives are read") {
  const ModelConfig settings = settings_of(R"(
owner: risk
labels: {team: core, cost_centre: 4711}
objectives:
  availability: 99.9%
  latency: {within: 250ms, ratio: 95%}
  saturation: {in_flight: 20}
  accuracy: {slack: 3%}
)");
  CHECK(settings.info.labels ==
        Labels{{"owner", "risk"}, {"team", "core"}, {"cost_centre", "4711"}});
  const Objectives& objectives = settings.info.objectives;
  CHECK(objectives.availability.value() == Approx(0.999));
  CHECK(objectives.latency == Objectives::Latency{0.25, 0.95});
  CHECK(objectives.saturation == Objectives::Saturation{20, 10});
  // One number: the detector's, and what the rules are told.
  CHECK(objectives.accuracy_slack == 0.03);
  CHECK(settings.accuracy.slack == 0.03);
}

TEST_CASE("what is not promised is not exported, so that the rules' own objectives hold") {
  const ModelConfig settings = settings_of("model: {name: m}");
  CHECK(settings.info.labels.empty());
  CHECK(settings.info.objectives == Objectives{});
  CHECK(settings_of("accuracy: {slack: 2%}").info.objectives.accuracy_slack == 0.02);
}

TEST_CASE("a latency that no bucket counts is refused, with those that do") {
  CHECK(mistakes_of("objectives: {latency: {within: 300ms, ratio: 99%}}") ==
        "model.yaml:1: objectives.latency.within: expected one of the buckets that requests are "
        "counted by, 0.5ms, 1ms, 2.5ms, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms, 500ms, 1s, 2.5s, 5s, "
        "10s, 30s, 60s, 120s; got 300ms");
  for (const char* within : {"500us", "0.5ms", "2500ms", "2.5s", "10s"}) {
    CAPTURE(within);
    CHECK(mistakes_of(std::string("objectives: {latency: {within: ") + within + ", ratio: 0.9}}") ==
          "");
  }
}

TEST_CASE("every mistake in owner, labels and objectives is told, with its line") {
  const std::string message = mistakes_of(R"(
owner: ""
labels:
  owner: x
  job: x
  le: x
  __a: x
  cost-centre: x
  empty: ""
objectives:
  availability: 99.9
  latency: {within: 250ms}
  saturation: {in_flight: 0, wanted: 3}
  accuracy: {slack: 60%}
  speed: 1
)");
  CAPTURE(message);
  for (const char* expected :
       {"model.yaml:2: owner: expected a text of 1 to 200 bytes",
        "model.yaml:4: labels.owner: write owner: at the top of the file",
        "model.yaml:5: labels.job: this label says already which series it is",
        "model.yaml:6: labels.le: this label says already",
        "model.yaml:7: labels.__a: expected a label's name",
        "model.yaml:8: labels.cost-centre: expected a label's name",
        "model.yaml:9: labels.empty: expected a text",
        "model.yaml:11: objectives.availability: expected a share from 50% to below 100%, got "
        "9990%",
        "model.yaml:12: objectives.latency: 'ratio' is missing; e.g. {within: 250ms, ratio: 99%}",
        "model.yaml:13: objectives.saturation.in_flight: expected more than 0",
        "model.yaml:14: objectives.accuracy.slack: expected 0 to 0.5, got 0.6",
        "model.yaml:15: objectives.speed: unknown key; known here: availability, latency, "
        "saturation, accuracy"}) {
    CHECK_THAT(message, Catch::Contains(expected));
  }
  CHECK_THAT(mistakes_of("objectives: {saturation: {in_flight: 5, wanted: 6}}"),
             Catch::Contains(
                 "objectives.saturation.wanted: expected more than 0 and at most in_flight, 5"));
  CHECK_THAT(
      mistakes_of("accuracy: {slack: 1%}\nobjectives: {accuracy: {slack: 2%}}"),
      Catch::Contains("model.yaml:2: objectives.accuracy.slack: accuracy.slack says this already"));
  std::string many = "labels: {";
  for (int i = 0; i < 11; ++i) many += "l" + std::to_string(i) + ": x, ";
  CHECK_THAT(mistakes_of(many + "}"),
             Catch::Contains("labels: expected at most 10 labels, got 11"));
}

TEST_CASE(
    "requests are counted by whether they keep the objective for latency, exactly as the histogram "
    "has them") {
  auto file = tap::MemoryFile::create({.lanes = 2, .ring_bytes = 8192});
  REQUIRE(file);
  // A bound belongs to its bucket: 250 ms are within 250 ms.
  for (const auto& [lane, milliseconds] :
       {std::pair{0, 1}, {0, 249}, {1, 250}, {1, 251}, {0, 60'000}}) {
    const auto number = static_cast<std::size_t>(lane);
    tap::ModelTable models(file->models(number), file->latency_bounds(),
                           file->lane(number).counters);
    models.observe(tap::ModelTable::unknown, static_cast<std::uint64_t>(milliseconds) * 1'000'000);
  }
  exporting::ProxyMetrics metrics(*file);
  const auto page = [&] {
    wire::TextSink sink(wire::Format::text);
    metrics.collect(sink);
    return sink.finish();
  };
  CHECK_THAT(page(), !Catch::Contains("outrider_objective"));
  Objectives objectives;
  objectives.latency = Objectives::Latency{0.25, 0.95};
  objectives.availability = 0.999;
  objectives.saturation = Objectives::Saturation{20, 10};
  metrics.set_model("m", objectives);
  for (
      const char* line :
      {R"(outrider_objective_latency_requests_total{bound="0.25",model_name="m",within="true"} 3)",
       R"(outrider_objective_latency_requests_total{bound="0.25",model_name="m",within="false"} 2)",
       R"(outrider_request_duration_seconds_bucket{model_name="m",le="0.25"} 3)",
       R"(outrider_objective_latency_seconds{model_name="m"} 0.25)",
       R"(outrider_objective_latency_ratio{model_name="m"} 0.95)",
       R"(outrider_objective_availability_ratio{model_name="m"} 0.999)",
       R"(outrider_objective_in_flight_requests{model_name="m"} 20)",
       R"(outrider_objective_in_flight_wanted_requests{model_name="m"} 10)"}) {
    CHECK_THAT(page(), Catch::Contains(line));
  }
  // Where no name is configured, under the names that the proxy found: as outrider_requests_total.
  metrics.set_model("", objectives);
  CHECK_THAT(page(),
             Catch::Contains(R"(outrider_objective_latency_seconds{model_name="unknown"} 0.25)"));
  // Of an objective that is no bucket's bound nobody could say how many requests kept it.
  objectives.latency->seconds = 0.3;
  metrics.set_model("", objectives);
  CHECK_THAT(page(), !Catch::Contains("outrider_objective_latency"));
}

}  // namespace outrider::monitor
