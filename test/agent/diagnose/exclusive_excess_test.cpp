// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/exclusive_excess.h"

#include "test/agent/diagnose/scene.h"
#include "test/support/catch.h"

using namespace outrider::diagnose;
using namespace outrider::diagnose::testing;

namespace {
std::optional<SymptomExcess> excess(const Scene& scene, std::size_t component,
                                    const std::string& metric) {
  const Question& question = scene.question;
  return exclusive_excess(timeline(question.metrics, {}, question.at, question.window),
                          question.graph, component, metric);
}
Scene pair() {
  Scene scene({"shop", "cart"});
  scene.call(0, 1);
  scene.metric_everywhere("requests", 100, 0);
  scene.metric_everywhere("latency_mean_ms", 20, 0);
  scene.metric_everywhere("availability", 100, 0);
  return scene;
}
}  // namespace

TEST_CASE(
    "what a callee's excess explains is taken off its caller's, in requests times milliseconds") {
  Scene scene = pair();
  scene.since(0, "latency_mean_ms", 0, plus(40));
  scene.since(1, "latency_mean_ms", 0, plus(30));
  const auto found = excess(scene, 0, "latency_mean_ms");
  REQUIRE(found);
  CHECK(found->share[0] == Approx(0.25));
  CHECK(found->share[1] == Approx(0.75));
  CHECK(found->value == 60);
  CHECK(found->normal == 20);
  CHECK(found->p < 0.01);
}

TEST_CASE("of availability less is worse") {
  Scene scene = pair();
  scene.since(1, "availability", 60, times(0.5));
  scene.since(0, "availability", 60, times(0.5));
  const auto found = excess(scene, 0, "availability");
  REQUIRE(found);
  CHECK(found->share[1] == 1);
  CHECK(found->time >= scene_at + 60);
}

TEST_CASE("without the metric, and without any excess, a symptom leads nowhere") {
  CHECK_FALSE(excess(pair(), 0, "latency_p50_ms"));
  CHECK_FALSE(excess(pair(), 0, "latency_mean_ms"));
}
