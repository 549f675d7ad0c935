// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/live_diagnosis.h"

#include "test/agent/suspects/system.h"
#include "test/support/catch.h"

namespace outrider::suspects::testing {
namespace {

using incident::Diagnosis;
using incident::Incident;
using incident::Topology;

const Labels checkout_alert = {
    {"alertname", "ErrorsHigh"}, {"namespace", "shop"}, {"job", "checkout"}};

bool tells(const std::vector<std::string>& lines, const std::string& part) {
  for (const std::string& line : lines) {
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

// checkout calls cart, cart calls stock; search stands aside.
void know_calls(System& system) {
  const auto component = [](const char* name) {
    return incident::Component{"", "shop", name, false};
  };
  for (const auto& [from, to] :
       {std::pair{"checkout", "cart"}, std::pair{"cart", "stock"}, std::pair{"web", "search"}}) {
    system.topology.learn(component(from), component(to), Topology::Source::service_graph,
                          looked - std::chrono::seconds(30));
  }
}

TEST_CASE("a release that makes errors and takes the machine's time is named in one sentence") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.service("shop", "checkout", times(200), times(8));
  system.service("shop", "cart");
  system.service("shop", "stock");
  const Diagnosis found = system.diagnose(
      incident,
      {deployment("checkout", "v2.1.3"), deployment("cart", "v7", std::chrono::hours(20))});
  REQUIRE(found.named);
  CHECK(found.causes.front().component == "shop/checkout");
  REQUIRE(found.change);
  CHECK(found.change->version == "v2.1.3");
  CHECK_THAT(found.sentence,
             Catch::Contains("root cause: deployment v2.1.3 of shop/checkout at 11:57:00 UTC"));
  CHECK(found.causes.size() == 3);
}

TEST_CASE("what checkout depends on is the cause, and a service that it never asks is no suspect") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  know_calls(system);
  system.service("shop", "checkout", times(50), {}, times(4));
  system.service("shop", "cart", times(60), {}, times(5));
  system.service("shop", "stock", times(200), times(9), times(8));
  system.service("shop", "search", times(300), times(30), times(30));
  const Diagnosis found = system.diagnose(incident);
  REQUIRE(found.named);
  CHECK(found.causes.front().component == "shop/stock");
  CHECK(found.suspects == 3);
  CHECK_THAT(found.scope,
             Catch::Contains("shop/checkout and what it depends on (3 edges, seen 30s ago)"));
}

TEST_CASE("what a component logs speaks with its metrics, and alone it makes no suspect") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.service("shop", "checkout");
  system.service("shop", "stock", times(200), times(9), times(8));
  for (const char* name : {"checkout", "stock", "jobs"}) {
    const auto more = std::string(name) == "checkout" ? std::function<double(double)>() : times(30);
    system.logs("shop", name, "INFO", 200);
    system.logs("shop", name, "ERROR", 6, more);
  }
  const Diagnosis found = system.diagnose(incident);
  REQUIRE(found.named);
  CHECK(found.causes.front().component == "shop/stock");
  CHECK(tells(found.causes.front().evidence, "more lines of shop/stock from ERROR: "));
  CHECK(found.suspects == 2);
  CHECK_FALSE(tells(found.causes.back().evidence, "lines of"));
  CHECK(tells(found.unknown, "log lines of 1 components: Prometheus has no other metrics"));
}

TEST_CASE("where no calls are known all of the namespace is suspected, and that is said") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.service("shop", "checkout");
  system.service("shop", "cart");
  system.service("bank", "ledger", times(300), times(30));
  const Diagnosis found = system.diagnose(incident);
  CHECK_FALSE(found.named);
  CHECK(found.suspects == 2);
  CHECK_THAT(found.scope, Catch::Contains("all components of namespace shop"));
  CHECK(tells(found.unknown, "what shop/checkout depends on"));
  CHECK_THAT(found.sentence, Catch::StartsWith("insufficient evidence: "));
}

TEST_CASE("a change of a component that is well is not blamed") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  know_calls(system);
  system.service("shop", "checkout", times(50), {}, times(4));
  system.service("shop", "cart", times(60), {}, times(5));
  system.service("shop", "stock", times(200), times(9), times(8));
  const Diagnosis found = system.diagnose(incident, {deployment("checkout", "v2")});
  CHECK(found.causes.front().component == "shop/stock");
  CHECK_FALSE(found.change);
}

TEST_CASE("a machine that is busy is a suspect of what runs on it") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.topology.learn({"", "shop", "checkout", false}, {"", "", "10.0.0.7", true},
                        Topology::Source::labels, looked);
  system.service("shop", "checkout", {}, {}, times(1.5));
  for (const auto& [instance, factor] :
       {std::pair{"10.0.0.7:9100", 12.0}, std::pair{"10.0.0.8:9100", 1.0}}) {
    const Labels labels = {{"job", "node"}, {"instance", instance}};
    system.tell("node_cpu_seconds_total", "cpu", {system.series(labels, 0.6, times(factor))});
  }
  const Diagnosis found = system.diagnose(incident);
  REQUIRE(found.named);
  CHECK(found.causes.front().component == "machine 10.0.0.7");
  CHECK(found.causes.front().kind == "cpu");
}

TEST_CASE("a model is a suspect with kinds of its own") {
  const Labels labels = {{"namespace", "homes"}, {"job", "house-price"}, {"model_name", "house"}};
  Labels alert = labels;
  alert.set("alertname", "ModelAccuracyDropped");
  Incident incident = incident_of({alert});
  System system(incident);
  system.tell("outrider_requests_total", "requests", {system.series(labels, 50)});
  const auto constant = [&](double before, double after) {
    return system.series(labels, before, [after](double) { return after; });
  };
  SECTION("inputs that moved are drift") {
    system.tell("outrider_drift_ratio", "drift_ratio", {constant(0.3, 6)});
    const Diagnosis found = system.diagnose(incident);
    REQUIRE(found.named);
    CHECK(found.causes.front().component == "model house of homes/house-price");
    CHECK(found.causes.front().kind == "drift");
  }
  SECTION("predictions that are wrong of inputs that stayed are concept drift") {
    system.tell("outrider_outcomes_total", "wrong_predictions", {constant(0.04, 0.5)});
    system.tell("outrider_drift_ratio", "drift_ratio", {system.series(labels, 0.3)});
    incident.inputs = incident::Inputs::unchanged;
    CHECK(system.diagnose(incident).causes.front().kind == "concept");
    incident.inputs = incident::Inputs::changed;
    CHECK(system.diagnose(incident).causes.front().kind == "drift");
  }
  SECTION("values that fail their checks are the data's quality") {
    system.tell("outrider_feature_quality_total", "quality_failures", {constant(0.01, 0.6)});
    CHECK(system.diagnose(incident).causes.front().kind == "data quality");
  }
  SECTION("a version that begins to answer is a promotion, and blamed") {
    system.tell("outrider_outcomes_total", "wrong_predictions", {constant(0.04, 0.5)});
    Labels old = labels, young = labels;
    old.set("model_version", "v1");
    young.set("model_version", "v2");
    Series first = system.series(old, 50), second = system.series(young, 0);
    for (Sample& sample : second.samples)
      sample.value =
          from_unix_ms(sample.timestamp_ms) >= alerted - std::chrono::minutes(3) ? 50 : 0;
    system.collection.add_versions({first, second});
    const Diagnosis found = system.diagnose(incident);
    REQUIRE(found.change);
    CHECK(found.change->version == "v2");
    CHECK(found.causes.front().kind == "version");
  }
}

TEST_CASE("a change of a component without metrics is said to be no suspect") {
  const Incident incident = incident_of({checkout_alert});
  System system(incident);
  know_calls(system);
  system.service("shop", "checkout", times(200));
  const Diagnosis found =
      system.diagnose(incident, {deployment("cart", "v9"), deployment("search", "v1")});
  CHECK(tells(found.unknown, "whether the deployment of shop/cart did it"));
  CHECK_FALSE(tells(found.unknown, "search"));
}

TEST_CASE("a diagnosis outlives the journal") {
  Incident incident = incident_of({checkout_alert});
  System system(incident);
  system.service("shop", "checkout", times(200), times(8));
  incident.diagnosis = system.diagnose(incident, {deployment("checkout", "v2.1.3")});
  const auto again = incident::incident_from_json(to_json(incident));
  REQUIRE(again);
  REQUIRE(again->diagnosis);
  CHECK(to_json(*again->diagnosis) == to_json(*incident.diagnosis));
}

}  // namespace
}  // namespace outrider::suspects::testing
