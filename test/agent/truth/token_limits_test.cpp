// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/token_limits.h"

#include "test/support/catch.h"
#include "truth/scope.h"

namespace outrider::fleet {
namespace {

truth::DecodedShipment shipment_of(const truth::Workload& workload, const std::string& model) {
  truth::DecodedShipment shipment;
  shipment.sender.workload = workload;
  shipment.models.push_back({truth::scoped_name(workload, model), "v1", {}, {}, {}});
  return shipment;
}

net::HttpRequest request(const net::Scope& limits, const std::string& query) {
  net::HttpRequest made;
  made.query = query;
  made.scope = std::make_shared<const net::Scope>(limits);
  return made;
}

}  // namespace

TEST_CASE("a sidecar's token is for its own cluster, namespace, workload and models") {
  const auto shipment = shipment_of({"eu", "shop", "price"}, "house");
  const net::Scope own{
      .namespaces = {"shop"}, .models = {"house"}, .clusters = {"eu"}, .workloads = {"price"}};
  CHECK_FALSE(outside_of(own, shipment));
  CHECK_FALSE(outside_of({}, shipment));
  for (const net::Scope& other : {net::Scope{.namespaces = {"bank"}}, net::Scope{.models = {"x"}},
                                  net::Scope{.clusters = {"us"}}, net::Scope{.workloads = {"y"}}}) {
    const auto why = outside_of(other, shipment);
    REQUIRE(why);
    CHECK(why->find("give the sidecar the token of its own workload") != std::string::npos);
  }
  CHECK(outside_of({.workloads = {"price", "fraud"}}, shipment_of({"", "", "other"}, "m"))
            ->find("workload other, and the token is limited to price, fraud") !=
        std::string::npos);
  // Who says no cluster is of none that a limit names.
  CHECK(outside_of({.clusters = {"eu"}}, shipment_of({"", "", "price"}, "m"))
            ->find("cluster (none)") != std::string::npos);
}

TEST_CASE("a request of a limited token is about what the token is for alone") {
  const net::Scope one{.namespaces = {"shop"}, .workloads = {"price"}};
  const auto own = narrowed(request(one, "since=2026"));
  REQUIRE(own);
  CHECK(own->query_value("workload") == "price");
  CHECK(own->query_value("namespace") == "shop");
  CHECK(own->query_value("since") == "2026");
  CHECK(narrowed(request(one, "workload=price"))->query_value("workload") == "price");
  CHECK(narrowed(request(one, "workload=fraud")).error().code == "out_of_scope");
  CHECK(narrowed(request(one, "workload=price&namespace=bank")).error().code == "out_of_scope");
  // An empty value, and another one behind it, are no way out.
  const auto twice = narrowed(request(one, "workload=&workload=fraud"));
  REQUIRE(twice);
  CHECK(twice->query_value("workload") == "price");
}

TEST_CASE("a token of several workloads has to say which") {
  const net::Scope two{.workloads = {"price", "fraud"}};
  CHECK(narrowed(request(two, "workload=fraud"))->query_value("workload") == "fraud");
  const auto refused = narrowed(request(two, ""));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("price, fraud; say which one with ?workload=") !=
        std::string::npos);
}

TEST_CASE("a list has what the token reaches to") {
  const std::string house = truth::scoped_name({"eu", "shop", "price"}, "house");
  const net::Scope shop{.namespaces = {"shop"}}, bank{.namespaces = {"bank"}};
  CHECK(reaches(nullptr, house));
  CHECK(reaches(&shop, house));
  CHECK_FALSE(reaches(&bank, house));
  CHECK_FALSE(reaches(&shop, truth::scoped_name({"eu", "", "price"}, "house")));
}

}  // namespace outrider::fleet
