// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "test/agent/diagnose/scene.h"
#include "test/support/catch.h"

using namespace outrider::diagnose;
using namespace outrider::diagnose::testing;

// Sanitizers make it several times slower; scripts/bench diagnose measures the release build.
TEST_CASE(
    "a thousand components of ten metrics and sixty rows take a few CPU-seconds under sanitizers") {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("service-" + std::to_string(1000 + i));
  Scene scene(names, 55);
  for (const char* metric :
       {"cpu", "memory", "requests", "errors", "latency_mean_ms", "latency_p50_ms",
        "latency_p95_ms", "latency_p99_ms", "self_latency_ms", "latency_at_callers_mean_ms"})
    scene.metric_everywhere(metric, 10);
  for (std::size_t i = 1; i < names.size(); ++i) scene.call((i - 1) / 3, i);
  scene.since(500, "self_latency_ms", 0, times(8));
  scene.since(500, "cpu", 0, times(8));
  const std::clock_t begin = std::clock();
  const Diagnosis found = scene.diagnose();
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  CHECK(scene.first(found) == "service-1500");
  CHECK(seconds < 10);
}
