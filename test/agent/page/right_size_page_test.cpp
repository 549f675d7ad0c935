// SPDX-License-Identifier: Apache-2.0
#include "agent/page/right_size_page.h"

#include "base/core/text.h"
#include "test/support/catch.h"

namespace outrider::page {
namespace {

using wire::Json;

const Time noon = *parse_rfc3339("2026-01-31T12:00:00Z");

Json container(const std::string& workload, double cpu_saved) {
  return {{"cluster", "eu-1"},
          {"namespace", "shop"},
          {"workload", workload},
          {"container", "model"},
          {"pods", 2},
          {"idle", false},
          {"cpu", {{"request", 2}, {"proposed", 0.4}}},
          {"memory_bytes", {{"request", 4.0 * (1 << 30)}, {"proposed", 1150.0 * (1 << 20)}}},
          {"saved", {{"cpu", cpu_saved}, {"memory_bytes", 0}}},
          {"notes", Json::array()}};
}

Json report() {
  Json json = {{"asked_at", "2026-01-31T11:59:00Z"},
               {"history_seconds", 604800},
               {"containers", {container("price", 3.2), container("rent", -1)}},
               {"others", 7},
               {"left_out", 0},
               {"trouble", ""}};
  json["containers"][1]["idle"] = true;
  json["containers"][1]["memory_bytes"]["proposed"] = nullptr;
  json["containers"][1]["notes"] = {"throttled in 40 % of its periods"};
  return json;
}

TEST_CASE("each container is told with what it asks for, should ask for, saves and risks") {
  const std::string html = right_size_main({.now = noon, .report = report()});
  CHECK_THAT(html, Catch::Contains("2000m<br><b>should be 400m</b>"));
  CHECK_THAT(html, Catch::Contains("4096Mi<br><b>should be 1150Mi</b>"));
  CHECK_THAT(html, Catch::Contains("4096Mi<br><span class=\"dim\">no proposal</span>"));
  CHECK_THAT(html, Catch::Contains("saves 3200m of CPU"));
  CHECK_THAT(html, Catch::Contains("costs 1000m of CPU"));
  CHECK_THAT(html, Catch::Contains("<li>throttled in 40 % of its periods</li>"));
  CHECK_THAT(html, Catch::Contains("In all 2200m less of CPU and 0Mi less of memory"));
  CHECK_THAT(html, Catch::Contains("1 idle container"));
  CHECK_THAT(html, Catch::Contains("7 other containers have no sidecar"));
  CHECK_THAT(html, Catch::Contains("in 7 days, asked"));
  CHECK(html.find("<b>price</b>") < html.find("<b>rent</b>"));
}

TEST_CASE("a reader with limits sees his containers, in the sums too, and no count of the others") {
  RightSizeContent content{.now = noon, .report = report()};
  content.may_see = [](const incident::Identity& who) { return who.workload == "rent"; };
  const std::string html = right_size_main(content);
  CHECK(html.find("price") == std::string::npos);
  CHECK_THAT(html, Catch::Contains("In all 1000m more of CPU"));
  CHECK(html.find("other containers") == std::string::npos);
}

TEST_CASE("what is searched is found by any part of its place") {
  CHECK_THAT(right_size_main({.now = noon, .report = report(), .search = "EU-1"}),
             Catch::Contains("<b>price</b>"));
  CHECK_THAT(right_size_main({.now = noon, .report = report(), .search = "<b>"}),
             Catch::Contains("No container is like that."));
}

TEST_CASE("where nobody asks, or nothing came, what to change is said") {
  CHECK_THAT(right_size_main({.now = noon}), Catch::Contains("--right-size.every"));
  Json empty = {{"asked_at", nullptr}, {"containers", Json::array()}};
  CHECK_THAT(right_size_main({.now = noon, .report = empty}),
             Catch::Contains("Prometheus has not answered yet."));
  empty["trouble"] = "cpu_p95: timeout";
  CHECK_THAT(right_size_main({.now = noon, .report = empty}), Catch::Contains("cpu_p95: timeout"));
}

TEST_CASE("a report of other kinds of values is no reason to fail") {
  const Json odd = {{"containers", {3, {{"cpu", 7}, {"saved", "x"}, {"notes", 1}, {"idle", "y"}}}},
                    {"history_seconds", "x"},
                    {"others", "many"}};
  CHECK_THAT(right_size_main({.now = noon, .report = odd}), Catch::Contains("no proposal"));
}

}  // namespace
}  // namespace outrider::page
