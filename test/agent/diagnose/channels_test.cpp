// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/channels.h"

#include <cmath>
#include <limits>

#include "test/support/catch.h"

using namespace outrider::diagnose;

namespace {
const double none = std::numeric_limits<double>::quiet_NaN();

Rows rows_of(std::map<std::string, Values, std::less<>> metrics) {
  Rows rows;
  rows.times = Values(metrics.begin()->second.size(), 0);
  rows.metrics = std::move(metrics);
  return rows;
}
const Channel* find(const std::vector<Channel>& channels, std::string_view name) {
  for (const Channel& one : channels) {
    if (one.name == name) return &one;
  }
  return nullptr;
}
}  // namespace

TEST_CASE(
    "latencies of the component's own side are channels in milliseconds, a client's are not") {
  const auto channels = channels_of(rows_of({{"latency_p95_ms", {12}},
                                             {"pod_server_latency_p99_s", {0.5}},
                                             {"pod_client_latency_p99_s", {0.5}},
                                             {"latency_at_callers_mean_ms", {9}},
                                             {"latency_p42_ms", {9}},
                                             {"nolatency_p95_ms", {9}}}));
  REQUIRE(channels.size() == 2);
  CHECK(find(channels, "latency latency_p95_ms")->values == Values{12});
  CHECK(find(channels, "latency pod_server_latency_p99_s")->values == Values{500});
}

TEST_CASE(
    "the wire is what callers wait beyond the component's own latency, of a mesh the worst "
    "caller's") {
  const auto channels = channels_of(rows_of({{"latency_at_callers_mean_ms", {30, none}},
                                             {"latency_mean_ms", {10, 10}},
                                             {"latency_p50_s_at_caller_a", {0.2, none}},
                                             {"latency_p50_s_of_calls_from_a", {0.1, 0.1}},
                                             {"latency_p50_s_at_caller_b", {0.5, 0.3}},
                                             {"latency_p50_s_of_calls_from_b", {0.1, 0.1}},
                                             {"latency_p50_s_at_caller_c", {9, 9}}}));
  CHECK(find(channels, "wire")->values[0] == 20);
  CHECK(std::isnan(find(channels, "wire")->values[1]));
  CHECK(find(channels, "mesh wire")->values[0] == Approx(400));
  CHECK(find(channels, "mesh wire")->values[1] == Approx(200));
}

TEST_CASE(
    "callers that wait less than the component's own latency are noise, not a negative wire") {
  const auto channels = channels_of(
      rows_of({{"latency_at_callers_mean_ms", {8, none}}, {"latency_mean_ms", {10, 10}}}));
  CHECK(find(channels, "wire")->values[0] == 0);
  CHECK(std::isnan(find(channels, "wire")->values[1]));
}

TEST_CASE("errors are a share of the requests, and availability says it where both are there") {
  const auto counted = channels_of(rows_of({{"errors", {1, 0}}, {"requests", {4, 0}}}));
  CHECK(find(counted, "errors")->values == Values{0.25, 0});
  CHECK(find(counted, "errors")->least == Values{0.25, 1});
  const auto available =
      channels_of(rows_of({{"availability", {99}}, {"errors", {1}}, {"requests", {4}}}));
  CHECK(find(available, "errors")->values[0] == Approx(0.01));
  CHECK(find(channels_of(rows_of({{"errors", {1}}})), "errors") == nullptr);
}

TEST_CASE("calls and spans count a request, and a row without a request divides by one") {
  const auto channels =
      channels_of(rows_of({{"calls_out", {20, 3}}, {"spans", {50, 0}}, {"requests", {10, 0}}}));
  CHECK(find(channels, "calls")->values == Values{2, 3});
  CHECK(find(channels, "spans")->values == Values{5, 0});
  CHECK(find(channels, "calls")->worse == Worse::either);
}

TEST_CASE("node metrics and names that nobody knows are not read") {
  CHECK(channels_of(rows_of({{"node_cpu_usage_rate_percent", {1}}, {"mystery", {1}}})).empty());
  CHECK_FALSE(is_read("node_cpu_usage_rate_percent"));
  CHECK(is_read("requests"));
  CHECK(is_read("latency_p50_s_at_caller_x"));
  CHECK(is_read("front_latency_p90_s"));
}
