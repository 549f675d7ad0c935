// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/collection.h"

#include <cmath>

#include "test/agent/suspects/system.h"
#include "test/support/catch.h"

namespace outrider::suspects::testing {
namespace {

using namespace std::chrono_literals;
using incident::Incident;

const Labels alert = {{"alertname", "A"}, {"namespace", "shop"}, {"job", "checkout"}};

const Collection::Metrics* find(const Collection& collection, const std::string& name) {
  for (const auto& [suspect, metrics] : collection.suspects()) {
    if (suspect.name() == name) return &metrics;
  }
  return nullptr;
}

TEST_CASE("the onset is what the alert estimates, else a lead before it, and rows are whole") {
  Incident incident = incident_of({alert});
  Plan plan = plan_of(incident, looked, Times{});
  CHECK(plan.at == alerted - 3min);
  CHECK(plan.step == 30s);
  CHECK(plan.at - plan.from == 4h);
  CHECK(plan.to <= looked);
  CHECK(plan.to > looked - plan.step);
  CHECK((plan.to - plan.from) % plan.step == 0s);

  incident.since = alerted - 5h;
  plan = plan_of(incident, looked, Times{});
  CHECK(plan.at == alerted - 5h);
  CHECK(plan.step > 14min);
  CHECK(plan.at - plan.from == 480 * plan.step);
}

TEST_CASE("pods of a workload are one suspect: requests add up, of memory the largest counts") {
  const Incident incident = incident_of({alert});
  System system(incident);
  const auto pod = [&](const std::string& name, double value) {
    Series series{{{"namespace", "shop"}, {"pod", name}}, {}};
    series.samples.push_back({to_unix_ms(system.collection.plan().from), value});
    return series;
  };
  system.tell("container_memory_working_set_bytes", "memory",
              {pod("cart-7d9f8b6c5-x2x1z", 100), pod("cart-7d9f8b6c5-q8k7p", 300)});
  system.tell("kube_pod_container_status_restarts_total", "restarts",
              {pod("cart-7d9f8b6c5-x2x1z", 1), pod("cart-7d9f8b6c5-q8k7p", 2)});
  const Collection::Metrics* cart = find(system.collection, "shop/cart");
  REQUIRE(cart != nullptr);
  CHECK(cart->values.at("memory").front() == 300);
  CHECK(cart->values.at("restarts").front() == 3);
  CHECK(std::isnan(cart->values.at("memory").back()));
}

TEST_CASE("a name without a namespace is the only component of that name") {
  const Incident incident = incident_of({alert});
  System system(incident);
  const Labels traced = {{"service_name", "cart"}};
  system.tell("traces_span_metrics_calls_total", "requests", {system.series(traced, 9)});
  system.tell("container_cpu_usage_seconds_total", "cpu",
              {system.series({{"namespace", "shop"}, {"pod", "cart-7d9f8b6c5-x2x1z"}}, 1)});
  SECTION("one") {
    system.collection.merge_names();
    CHECK(system.collection.suspects().size() == 1);
    CHECK(find(system.collection, "shop/cart")->values.size() == 2);
  }
  SECTION("of two nobody knows which") {
    system.tell("container_cpu_usage_seconds_total", "cpu",
                {system.series({{"namespace", "other"}, {"pod", "cart-7d9f8b6c5-x2x1z"}}, 1)});
    system.collection.merge_names();
    CHECK(find(system.collection, "cart") != nullptr);
  }
}

TEST_CASE("errors are those of the family that tells of the requests") {
  const Incident incident = incident_of({alert});
  System system(incident);
  system.service("shop", "cart");
  const Labels mesh = {{"destination_workload", "cart"},
                       {"destination_workload_namespace", "shop"}};
  system.tell("istio_requests_total", "errors", {system.series(mesh, 77)});
  CHECK(find(system.collection, "shop/cart")->values.at("errors").front() < 77);
}

TEST_CASE("of log lines the sites are counted, their figures and what is too long left out") {
  const Incident incident = incident_of({alert});
  System system(incident);
  system.service("shop", "cart");
  const auto lines = [&](const std::string& site, const std::string& job) {
    return Series{{{"namespace", "shop"}, {"job", job}, {"level", site}},
                  {{to_unix_ms(system.collection.plan().from), 7}}};
  };
  system.collection.add_logs(
      system.queries.logs.front(),
      {lines("order 4711 of card 1234 5678", "cart"), lines("order 12 of card 9 9", "cart"),
       lines(std::string(500, 'x'), "cart"), lines("", "cart"), lines("ERROR", "")});
  system.collection.merge_names();
  CHECK(system.collection.log_sites() ==
        std::vector<std::string>{"order # of card # #",
                                 std::string(Collection::log_site_bytes_max, 'x')});
  const Collection::Metrics* cart = find(system.collection, "shop/cart");
  REQUIRE(cart->logs.size() == 3);
  CHECK(cart->logs[1].site == cart->logs[0].site);
  CHECK(cart->logs[0].lines == 7);
  CHECK_THAT(system.collection.unknown().back(),
             Catch::Contains("2 series of log lines (log lines by level) name no component"));
}

TEST_CASE("a component's lines are of one source, or a line would count twice") {
  const Incident incident = incident_of({alert});
  System system(incident);
  system.service("shop", "cart");
  const Labels labels = {{"namespace", "shop"}, {"job", "cart"}, {"level", "ERROR"}};
  const Series lines{labels, {{to_unix_ms(system.collection.plan().from), 7}}};
  LogsQuery other = system.queries.logs.front();
  other.family = "another";
  system.collection.add_logs(system.queries.logs.front(), {lines});
  system.collection.add_logs(system.queries.logs.front(), {lines});  // Of one source they add up.
  system.collection.add_logs(other, {lines});
  system.collection.merge_names();
  CHECK(find(system.collection, "shop/cart")->logs.size() == 2);
}

TEST_CASE("series that name no component, and those past the limit, are said to be unknown") {
  const Incident incident = incident_of({alert});
  System system(incident);
  std::vector<Series> many;
  for (int i = 0; i < 1'005; ++i)
    many.push_back({{{"namespace", "shop"}, {"job", "w" + std::to_string(i)}}, {}});
  many.push_back({{{"cluster", "eu"}}, {}});
  system.tell("process_cpu_seconds_total", "cpu", many);
  CHECK(system.collection.suspects().size() == Collection::suspects_max);
  REQUIRE(system.collection.unknown().size() == 2);
  CHECK(system.collection.unknown()[0] == "more than 1000 suspects: the rest");
  CHECK(system.collection.unknown()[1] == "1 series of cpu (process) name no component");
}

TEST_CASE("a version that answered from the first row on is no promotion") {
  const Incident incident = incident_of({alert});
  System system(incident);
  system.collection.add_versions(
      {system.series({{"model_name", "m"}, {"model_version", "v1"}}, 5)});
  CHECK(system.collection.promotions().empty());
}

}  // namespace
}  // namespace outrider::suspects::testing
