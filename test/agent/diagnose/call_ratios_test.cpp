// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/call_ratios.h"

#include <cmath>

#include "test/agent/diagnose/scene.h"
#include "test/support/catch.h"

using namespace outrider::diagnose;
using namespace outrider::diagnose::testing;

namespace {
CallRatios ratios(const Scene& scene, std::size_t component) {
  const Question& question = scene.question;
  return call_ratios(timeline(question.metrics, {}, question.at, question.window), question.graph,
                     question.components, component);
}
Scene pair(int rows_before = 100) {
  Scene scene({"shop", "cart"}, rows_before);
  scene.call(0, 1);
  return scene;
}
}  // namespace

TEST_CASE(
    "the ratio of two rates is a channel of the caller, and one request of its is the least that "
    "counts") {
  Scene scene = pair();
  scene.metric(0, "requests", 20, 0);
  scene.metric(1, "requests", 40, 0);
  const CallRatios found = ratios(scene, 0);
  REQUIRE(found.now.size() == 1);
  CHECK(found.now[0].name == "asks cart");
  CHECK(found.now[0].worse == Worse::lower);
  CHECK(found.now[0].values.back() == 2);
  CHECK(found.now[0].least.back() == 0.05);
  CHECK(found.calm[0].values.front() == 2);
  CHECK(ratios(scene, 1).now.empty());
}

TEST_CASE("a rate a second counts as many requests as its row has seconds") {
  Scene scene = pair();
  scene.metric_everywhere("pod_workload_ops", 0.5, 0);
  CHECK(ratios(scene, 0).now[0].least.back() == Approx(1 / 30.0));
}

TEST_CASE("the rate with more rows is taken, and none of fewer than thirty") {
  Scene scene = pair();
  scene.metric_everywhere("pod_workload_ops", 4, 0);
  scene.metric_everywhere("requests", 0, 0);
  for (double& value : scene.question.metrics[1].metrics["requests"]) value = std::nan("");
  CHECK(ratios(scene, 0).now[0].values.back() == 1);
  Scene few = pair(25);
  few.metric_everywhere("requests", 10);
  CHECK(ratios(few, 0).now.empty());
}

TEST_CASE("a row in which nobody asks the caller has no ratio") {
  Scene scene = pair();
  scene.metric_everywhere("requests", 10, 0);
  scene.since(0, "requests", 0, times(0));
  CHECK(std::isnan(ratios(scene, 0).now[0].values.back()));
}
