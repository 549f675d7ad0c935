// SPDX-License-Identifier: Apache-2.0
#include "base/wire/registry.h"

#include <stdexcept>

#include "test/support/catch.h"

using namespace outrider;

namespace {

std::string page(wire::Registry& metrics) {
  wire::TextSink sink(wire::Format::text);
  metrics.collect(sink);
  return sink.finish();
}

}  // namespace

TEST_CASE("an ordinary counter stands on the page at 0 before anything is counted") {
  wire::Registry metrics;
  metrics.counter("jobs_total", "Jobs that ended, by how.", {{"state", "failed"}});
  CHECK(page(metrics) ==
        "# HELP jobs_total Jobs that ended, by how.\n# TYPE jobs_total counter\n"
        "jobs_total{state=\"failed\"} 0\n");
}

TEST_CASE("the same name and labels are the same series, other labels another one of the family") {
  wire::Registry metrics;
  prometheus::Counter& one = metrics.counter("jobs_total", "Jobs.", {{"state", "failed"}});
  prometheus::Counter& same = metrics.counter("jobs_total", "Jobs.", {{"state", "failed"}});
  prometheus::Counter& other = metrics.counter("jobs_total", "Jobs.", {{"state", "done"}});
  CHECK(&one == &same);
  CHECK(&one != &other);
  one.Increment(2);
  const std::string text = page(metrics);
  CHECK_THAT(text, Catch::Contains("jobs_total{state=\"failed\"} 2\n") &&
                       Catch::Contains("jobs_total{state=\"done\"} 0\n"));
  CHECK(text.find("# TYPE") == text.rfind("# TYPE"));
}

TEST_CASE("one name has one type") {
  wire::Registry metrics;
  metrics.counter("jobs", "Jobs.");
  CHECK_THROWS_AS(metrics.gauge("jobs", "Jobs."), std::invalid_argument);
}

TEST_CASE("a latency has the field's buckets, in seconds") {
  wire::Registry metrics;
  metrics.latency("took_seconds", "How long it took.").Observe(0.3);
  const std::string text = page(metrics);
  CHECK_THAT(text, Catch::Contains("took_seconds_bucket{le=\"0.25\"} 0\n") &&
                       Catch::Contains("took_seconds_bucket{le=\"0.5\"} 1\n") &&
                       Catch::Contains("took_seconds_bucket{le=\"+Inf\"} 1\n") &&
                       Catch::Contains("took_seconds_sum 0.3\n"));
}
