// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/metric_query.h"

#include <algorithm>

#include "agent/diagnose/channels.h"
#include "test/support/catch.h"

namespace outrider::suspects {
namespace {

TEST_CASE(
    "what is asked for by default is what the diagnosis reads, and every query has its scope") {
  const QuerySet queries = default_queries();
  CHECK(queries.metrics.size() > 25);
  for (const MetricQuery& one : queries.metrics) {
    INFO(one.family << " " << one.metric << ": " << one.promql);
    CHECK(diagnose::is_read(one.metric));
    CHECK(one.promql.find("$scope") != std::string::npos);
    CHECK(std::count(one.promql.begin(), one.promql.end(), '(') ==
          std::count(one.promql.begin(), one.promql.end(), ')'));
  }
}

TEST_CASE(
    "scope and rate are filled in, and no scope leaves a trailing comma, which PromQL takes") {
  CHECK(filled("rate(a{x=\"1\",$scope}[$rate])", "cluster=\"eu\"", "2m") ==
        "rate(a{x=\"1\",cluster=\"eu\"}[2m])");
  CHECK(filled("a{$scope} + b{$scope}", "", "2m") == "a{} + b{}");
  // Loki's LogQL takes none.
  CHECK(filled("{app=~\".+\", $scope}[$rate]", "", "2m") == "{app=~\".+\"}[2m]");
  CHECK(filled("{app=~\".+\", $scope}[$rate]", "cluster=\"eu\"", "2m") ==
        "{app=~\".+\", cluster=\"eu\"}[2m]");
}

TEST_CASE("a file adds to the defaults") {
  const auto queries = parse_queries("q.yaml", R"yaml(
queries:
  - metric: memory
    query: sum by (namespace, workload) (heap_bytes{$scope}) / 2^20
    needs: heap_bytes
    component: [workload]
    pods: largest
calls:
  - {query: "sum by (client, server) (rate(calls_total{$scope}[$rate]))", caller: client, callee: server}
logs:
  - {query: "sum by (app, template) (increase(lines_total{$scope}[$rate]))", component: [app], site: [template]}
  - {from: loki, query: 'sum by (app, level) (count_over_time({app=~".+", $scope} | json [$rate]))'}
)yaml");
  REQUIRE(queries);
  CHECK(queries->logs.size() == default_queries().logs.size() + 2);
  CHECK(queries->logs[0].site == std::vector<std::string>{"template"});
  CHECK(queries->logs[1].from == LogStore::loki);
  CHECK(asks_loki(*queries));
  CHECK_FALSE(asks_loki(default_queries()));
  CHECK(queries->metrics.size() == default_queries().metrics.size() + 1);
  CHECK(queries->metrics.back().combine == Combine::largest);
  CHECK(queries->calls.back().callee == "server");
}

TEST_CASE("every mistake of a file is reported at once, with its line") {
  const auto queries = parse_queries("q.yaml", R"yaml(queries:
  - {metric: heap, query: heap_bytes, role: thing, pods: all}
  - {metric: cpu, qurey: x}
calls:
  - {query: x, caller: client}
logs:
  - {query: lines_total}
  - {query: "{}[$rate]", from: splunk}
  - {query: "{}[$rate]", from: loki, needs: lines_total}
)yaml");
  REQUIRE_FALSE(queries);
  for (const char* part : {"q.yaml:2", "metric 'heap'", "role 'thing'", "pods 'all'", "q.yaml:3",
                           "qurey", "query is missing", "caller and callee",
                           "counts lines within $rate", "from 'splunk'", "Loki has none"}) {
    CHECK_THAT(queries.error().message, Catch::Contains(part));
  }
}

}  // namespace
}  // namespace outrider::suspects
