// SPDX-License-Identifier: Apache-2.0
#include "agent/forecast/rules.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::forecast;
using namespace std::chrono_literals;

TEST_CASE("a file of rules is read whole, and a capacity's load is forecast first") {
  const auto rules = parse_rules("ahead.yaml", R"(
step: 5m
history: 14d
horizons: [30m, 2h]
series:
  - {name: queue, query: sum(queue_length), horizons: [1h]}
  - {name: disk, query: used_bytes, limit: size_bytes}
capacity:
  - {name: shop, load: a, replicas: b, latency: c, mean_latency: d, objective: 500ms, cold_start: 90s}
  - {name: store, load: a, replicas: b, latency: c, mean_latency: d, objective: 1s, miss_cost: 0.5}
)");
  REQUIRE(rules);
  CHECK(rules->step == 5min);
  CHECK(rules->history == 14 * 24h);
  REQUIRE(rules->series.size() == 4);
  CHECK(rules->series[0].name == "shop");
  CHECK(rules->series[0].query == "a");
  CHECK(rules->series[0].horizons == std::vector<Duration>{30min, 2h});
  CHECK(rules->series[2].horizons == std::vector<Duration>{1h});
  CHECK(rules->series[3].limit == "size_bytes");
  REQUIRE(rules->capacity.size() == 2);
  CHECK(rules->capacity[0].objective == 500ms);
  CHECK(rules->capacity[0].cold_start == 90s);
  CHECK(rules->capacity[0].miss_cost == 2);
  CHECK(rules->capacity[1].miss_cost == 0.5);
}

TEST_CASE("every mistake of a file is told at once, with its line") {
  const auto rules = parse_rules("ahead.yaml", R"(step: 5s
series:
  - {name: queue}
  - {name: queue, query: up, horizons: [7m]}
  - {query: up, colour: red}
capacity:
  - {name: shop, load: a, replicas: b, latency: c, mean_latency: d}
)");
  REQUIRE_FALSE(rules);
  const std::string& all = rules.error().message;
  CHECK_THAT(all, Catch::Contains("ahead.yaml:1: step: expected between 1m and 24h"));
  CHECK_THAT(all, Catch::Contains("query is missing: expected a PromQL expression"));
  CHECK_THAT(all, Catch::Contains("the name 'queue' stands twice"));
  CHECK_THAT(all, Catch::Contains("'7m': expected a multiple of the step"));
  CHECK_THAT(all, Catch::Contains("name is missing"));
  CHECK_THAT(all, Catch::Contains("colour"));
  CHECK_THAT(all, Catch::Contains("objective is missing"));
}

TEST_CASE("a file without anything to forecast is a mistake") {
  CHECK_FALSE(parse_rules("ahead.yaml", "step: 15m\n"));
}

TEST_CASE(
    "without a file the usual exporters' series are forecast, disks with their size as limit") {
  const Rules rules = Rules::defaults();
  CHECK(rules.capacity.empty());
  REQUIRE(rules.series.size() == 6);
  CHECK(rules.series[4].name == "disk");
  CHECK_THAT(rules.series[4].limit, Catch::StartsWith("node_filesystem_size_bytes"));
}

TEST_CASE("a miss costs something, and not more than a thousand hours of the fleet") {
  for (const std::string cost : {"0", "-1", "1001", ".nan"}) {
    const auto rules = parse_rules("ahead.yaml", R"(
capacity:
  - {name: shop, load: a, replicas: b, latency: c, mean_latency: d, objective: 1s, miss_cost: )" +
                                                     cost + "}\n");
    INFO(cost);
    REQUIRE_FALSE(rules);
    CHECK_THAT(rules.error().message, Catch::Contains("miss_cost"));
  }
}
