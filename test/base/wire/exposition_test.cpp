// SPDX-License-Identifier: Apache-2.0
#include "base/wire/exposition.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include "test/support/catch.h"

using namespace outrider::wire;
using outrider::Labels;

namespace {
std::string page(Format format) {
  TextSink sink(format);
  sink.family(
      {"outrider_predictions_total", MetricType::counter, "Predictions \"seen\".\nBy outcome."});
  const Exemplar exemplar{{{"trace_id", "abc"}}, 1, 1'700'000'000'500};
  sink.value(SeriesKey({{"model_name", "a\"b\\c\nd"}}), 3, &exemplar);
  sink.family({"outrider_build_info", MetricType::info, "Build."});
  sink.value(SeriesKey({{"version", "1"}}), 1);
  sink.family({"latency_seconds", MetricType::histogram, "Latency."});
  const double bounds[] = {1, 2.5};
  const std::uint64_t counts[] = {2, 0, 1};
  sink.histogram(SeriesKey(), {bounds, counts, 7.25, {}});
  return sink.finish();
}
}  // namespace

TEST_CASE("text 0.0.4 keeps the full names and escapes labels and help") {
  CHECK(page(Format::text) ==
        "# HELP outrider_predictions_total Predictions \"seen\".\\nBy outcome.\n"
        "# TYPE outrider_predictions_total counter\n"
        "outrider_predictions_total{model_name=\"a\\\"b\\\\c\\nd\"} 3\n"
        "# HELP outrider_build_info Build.\n"
        "# TYPE outrider_build_info gauge\n"
        "outrider_build_info{version=\"1\"} 1\n"
        "# HELP latency_seconds Latency.\n"
        "# TYPE latency_seconds histogram\n"
        "latency_seconds_bucket{le=\"1\"} 2\n"
        "latency_seconds_bucket{le=\"2.5\"} 2\n"
        "latency_seconds_bucket{le=\"+Inf\"} 3\n"
        "latency_seconds_sum 7.25\n"
        "latency_seconds_count 3\n");
}

TEST_CASE("OpenMetrics drops the families' suffixes, carries exemplars and ends in EOF") {
  CHECK(page(Format::openmetrics) ==
        "# HELP outrider_predictions Predictions \\\"seen\\\".\\nBy outcome.\n"
        "# TYPE outrider_predictions counter\n"
        "outrider_predictions_total{model_name=\"a\\\"b\\\\c\\nd\"} 3 # {trace_id=\"abc\"} 1 "
        "1700000000.5\n"
        "# HELP outrider_build Build.\n"
        "# TYPE outrider_build info\n"
        "outrider_build_info{version=\"1\"} 1\n"
        "# HELP latency_seconds Latency.\n"
        "# TYPE latency_seconds histogram\n"
        "latency_seconds_bucket{le=\"1.0\"} 2\n"
        "latency_seconds_bucket{le=\"2.5\"} 2\n"
        "latency_seconds_bucket{le=\"+Inf\"} 3\n"
        "latency_seconds_sum 7.25\n"
        "latency_seconds_count 3\n"
        "# EOF\n");
}

TEST_CASE("bounds are written as Go writes them, so that texts of them agree") {
  const std::pair<double, const char*> bounds[] = {
      {.0005, "0.0005"}, {.00025, "0.00025"}, {.00001, "1e-05"}, {.001, "0.001"}, {2.5, "2.5"}};
  for (const auto& [bound, text] : bounds) {
    CHECK(canonical_bound(bound) == text);
    const double upper[] = {bound};
    const std::uint64_t counts[] = {1, 0};
    TextSink sink(Format::text);
    sink.family({"x", MetricType::histogram, ""});
    sink.histogram(SeriesKey(), {upper, counts, 0});
    CHECK_THAT(sink.finish(), Catch::Contains("x_bucket{le=\"" + std::string(text) + "\"} 1\n"));
  }
  CHECK(canonical_bound(10) == "10.0");
}

TEST_CASE("the Accept header chooses the format, as Prometheus and a browser send it") {
  CHECK(negotiate(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
            "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == Format::openmetrics);
  CHECK(negotiate("text/html,*/*;q=0.8") == Format::text);
  CHECK(negotiate("") == Format::text);
  CHECK(negotiate("application/openmetrics-text;q=0.1,text/plain") == Format::text);
}

TEST_CASE("a prometheus-cpp registry prints through the same sink") {
  prometheus::Registry registry;
  auto& family = prometheus::BuildCounter().Name("hits_total").Help("Hits.").Register(registry);
  family.Add({{"code", "200"}}).Increment(2);
  TextSink sink(Format::text);
  collect(registry, sink);
  CHECK(sink.finish() ==
        "# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total{code=\"200\"} 2\n");
}
