// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/diagnosis.h"

#include <ctime>
#include <numeric>

#include "test/agent/diagnose/scene.h"
#include "test/support/catch.h"

using namespace outrider::diagnose;
using namespace outrider::diagnose::testing;

namespace {

constexpr std::size_t shop = 0, cart = 1, store = 2;

// shop -> cart -> store, all quiet.
Scene chain(int rows_before = 600, double step = scene_step) {
  Scene scene({"shop", "cart", "store"}, rows_before, step);
  scene.call(shop, cart);
  scene.call(cart, store);
  scene.metric_everywhere("cpu", 0.4);
  scene.metric_everywhere("memory", 200, 0.01);
  scene.metric_everywhere("latency_p95_ms", 12);
  scene.metric_everywhere("requests", 500);
  scene.metric_everywhere("errors", 0, 0);
  return scene;
}

}  // namespace

TEST_CASE(
    "a slow component is named with its figures, its unit and the time, and its callers are not "
    "blamed") {
  Scene scene = chain();
  for (const std::size_t component : {shop, cart})
    scene.since(component, "latency_p95_ms", 0, times(5));
  scene.since(cart, "cpu", 0, times(4));
  const Diagnosis found = scene.diagnose();
  REQUIRE(found.named);
  CHECK(scene.first(found) == "cart");
  const Cause& cause = found.causes.front();
  CHECK(cause.kind == "cpu");
  CHECK(cause.probability > 0.9);
  REQUIRE(cause.onset);
  CHECK(std::abs(*cause.onset - scene_at) <= 60);
  CHECK_THAT(all_of(cause.evidence), Catch::Contains("latency_p95_ms of cart is "));
  CHECK_THAT(all_of(cause.evidence), Catch::Contains(" times its normal 1"));
  CHECK_THAT(all_of(cause.evidence), Catch::Contains(" ms) since 22:13:20 UTC"));
  CHECK(found.causes.size() == 3);
}

TEST_CASE(
    "where nothing is wrong no cause is named, the ranking is whole, and the reason says what is "
    "lacking") {
  const Scene scene = chain();
  const Diagnosis found = scene.diagnose();
  CHECK_FALSE(found.named);
  CHECK(found.causes.size() == 3);
  CHECK_FALSE(found.blamed);
  CHECK_THAT(found.reason, Catch::Contains("(--logs)"));
  CHECK_THAT(found.reason, Catch::Contains("latency at the callers"));
  CHECK_THAT(found.reason, !Catch::Contains("call graph"));
  double sum = 0;
  for (const Cause& cause : found.causes) sum += cause.probability;
  CHECK(sum <= 0.5);
}

TEST_CASE("an excess that calm times reach too is insufficient evidence, with what would decide") {
  Scene scene = chain();
  // Of the day before: the same slowness, each two hours for four minutes.
  for (double start = -9 * 3600; start < -3600; start += 7200) {
    scene.since(store, "latency_p95_ms", start, times(2));
    scene.since(store, "latency_p95_ms", start + 240, times(0.5));
  }
  scene.since(store, "latency_p95_ms", 0, times(2.4));
  const Diagnosis found = scene.diagnose();
  CHECK_FALSE(found.named);
  CHECK(scene.first(found) == "store");
  CHECK_THAT(found.reason, Catch::Contains("the excess of store is no proof"));
  CHECK_THAT(found.reason, Catch::Contains(" would decide"));
}

TEST_CASE("a baseline that never varies gives no infinite effect, and a small step of it is none") {
  Scene scene = chain();
  scene.metric_everywhere("latency_p99_ms", 40, 0);
  scene.since(store, "latency_p99_ms", 0, plus(0.001));
  const Diagnosis small = scene.diagnose();
  CHECK_FALSE(small.named);
  CHECK(small.causes.front().score < 0.1);
  scene.since(store, "latency_p99_ms", 0, times(10));
  const Diagnosis large = scene.diagnose();
  CHECK(large.named);
  CHECK(scene.first(large) == "store");
  CHECK(std::isfinite(large.causes.front().score));
}

TEST_CASE("availability that was 100 % all along names the component where it falls") {
  Scene scene = chain();
  scene.metric_everywhere("availability", 100, 0);
  scene.since(cart, "availability", 0, times(0.7));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(scene.first(found) == "cart");
  CHECK_THAT(found.causes.front().evidence.front(),
             Catch::Contains("30 % of the requests of cart fail, normally 0 %"));
}

TEST_CASE(
    "one failed request of five is no evidence, and a fifth of few says less than a fifth of "
    "many") {
  Scene single = chain();
  single.metric(store, "requests", 5, 0);
  single.since(store, "errors", 60, plus(1));
  single.since(store, "errors", 120, plus(-1));
  CHECK_FALSE(single.diagnose().named);
  const auto fifth_of = [](double requests) {
    Scene scene = chain();
    scene.metric(store, "requests", requests, 0);
    scene.since(store, "errors", 0, plus(requests / 5));
    return scene.diagnose().causes.front().score;
  };
  CHECK(fifth_of(5) < fifth_of(500) / 2);
}

TEST_CASE(
    "failures that callees may have to answer for are shared, but as sure as if they were one's "
    "own") {
  Scene scene = chain();
  for (const std::size_t mute : {cart, store}) {
    scene.question.metrics[mute].metrics.erase("errors");
    scene.call(shop, mute);
  }
  scene.since(shop, "errors", 0, plus(100));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(found.causes[0].score == found.causes[1].score);
  CHECK(found.causes[0].probability < 0.6);
}

TEST_CASE(
    "a component that no longer asks its callee, as busy as ever, is named though nothing is "
    "slow") {
  Scene scene = chain();
  scene.since(store, "requests", 0, times(0));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(scene.first(found) == "cart");
  CHECK(found.causes.front().kind == "code");
  CHECK_THAT(found.causes.front().evidence.front(),
             Catch::Contains("cart asks store 0 times a request, normally 1"));
  // Where everybody is asked less, nobody is blamed for it.
  Scene night = chain();
  for (const std::size_t component : {shop, cart, store})
    night.since(component, "requests", 0, times(0.05));
  const Diagnosis idle = night.diagnose();
  CHECK_FALSE(idle.named);
}

TEST_CASE("a network delay is blamed on the component behind the wire, not on the slow caller") {
  Scene scene = chain();
  scene.metric_everywhere("latency_mean_ms", 10);
  scene.metric_everywhere("latency_at_callers_mean_ms", 12);
  scene.since(store, "latency_at_callers_mean_ms", 0, plus(100));
  scene.since(cart, "latency_mean_ms", 0, plus(100));
  scene.since(cart, "latency_at_callers_mean_ms", 0, plus(100));
  scene.since(cart, "latency_p95_ms", 0, plus(100));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(scene.first(found) == "store");
  CHECK(found.causes.front().kind == "network");
  CHECK_THAT(found.causes.front().evidence.front(),
             Catch::Contains("what callers wait for store beyond its own latency"));
}

TEST_CASE("a component whose lines stop is named by the silent site") {
  Scene scene = chain();
  scene.lines(cart, "INFO OrderPlaced#40", 40, 0);
  scene.lines(cart, "INFO Request#12", 100, 100);
  const Diagnosis found = scene.diagnose();
  CHECK(scene.first(found) == "cart");
  CHECK_THAT(all_of(found.causes.front().evidence),
             Catch::Contains("fewer lines of cart from INFO OrderPlaced#40: 0, expected "));
  CHECK(found.causes.front().onset);
}

TEST_CASE("the change at the cause is blamed among decoys elsewhere and six hours before") {
  Scene scene = chain();
  scene.since(cart, "latency_p95_ms", 0, times(6));
  scene.question.changes = {{shop, scene_at - 60, "deployment", "shop v2"},
                            {cart, scene_at - 6 * 3600, "deployment", "cart v1"},
                            {cart, scene_at - 60, "deployment", "cart v2"}};
  const Diagnosis found = scene.diagnose();
  REQUIRE(found.blamed);
  CHECK(scene.question.changes[*found.blamed].what == "cart v2");
  CHECK_THAT(all_of(found.causes.front().evidence),
             Catch::Contains("deployment of cart at 22:12:20 UTC: cart v2"));
  for (const std::size_t decoy : {0, 1}) {
    Scene one = scene;
    one.question.changes = {scene.question.changes[decoy]};
    const Diagnosis with_decoy = one.diagnose();
    CHECK(one.first(with_decoy) == "cart");
    CHECK_FALSE(with_decoy.blamed);
  }
}

TEST_CASE("a change alone is no evidence") {
  Scene scene = chain();
  scene.question.changes = {{cart, scene_at - 60, "deployment", "cart v2"}};
  const Diagnosis found = scene.diagnose();
  CHECK_FALSE(found.named);
  CHECK_FALSE(found.blamed);
}

TEST_CASE(
    "memory that changed for good when a pod restarted hours ago is no finding, a leak now is") {
  Scene scene = chain();
  scene.since(store, "memory", -4 * 3600, times(3));
  CHECK_FALSE(scene.diagnose().named);
  scene.since(store, "memory", 0, times(4));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(scene.first(found) == "store");
  CHECK(found.causes.front().kind == "memory");
  CHECK_THAT(found.causes.front().evidence.front(), Catch::Contains("that of the minutes before"));
}

TEST_CASE("an alert that comes up to two minutes late changes neither the cause nor its onset") {
  for (const double late : {0.0, 60.0, 120.0}) {
    Scene scene = chain();
    scene.since(store, "latency_p95_ms", 0, times(5));
    scene.question.at += late;
    const Diagnosis found = scene.diagnose();
    CHECK(found.named);
    CHECK(scene.first(found) == "store");
    CHECK(std::abs(*found.causes.front().onset - scene_at) <= 60);
  }
}

TEST_CASE("what happens after the window is not read") {
  Scene scene = chain();
  scene.since(store, "latency_p95_ms", 60, times(9));
  Scene early = scene;
  early.question.window = 60;
  CHECK_FALSE(early.diagnose().named);
  CHECK(scene.diagnose().named);
}

TEST_CASE("a symptom with its metric leads past louder components to where most of it arises") {
  Scene scene = chain();
  scene.metric_everywhere("latency_mean_ms", 20);
  // A quiet side component moves by a larger ratio, but on few requests.
  Scene side = scene;
  side.metric(shop, "requests", 1000);
  side.since(shop, "latency_mean_ms", 0, plus(40));
  side.since(cart, "latency_mean_ms", 0, plus(80));
  side.metric(store, "requests", 5);
  side.since(store, "latency_mean_ms", 0, times(20));
  side.question.symptom = Symptom{shop, "latency_mean_ms"};
  const Diagnosis found = side.diagnose();
  CHECK(found.named);
  CHECK(side.first(found) == "cart");
  CHECK(found.causes.front().kind == "latency");
  CHECK_THAT(found.causes.front().evidence.front(), Catch::Contains("latency_mean_ms of shop"));
}

TEST_CASE("slowness alone is called latency where no metric could tell the network") {
  Scene scene = chain();
  scene.since(store, "latency_p95_ms", 0, times(5));
  CHECK(scene.diagnose().causes.front().kind == "latency");
  scene.metric_everywhere("latency_mean_ms", 10);
  scene.metric_everywhere("latency_at_callers_mean_ms", 12);
  CHECK(scene.diagnose().causes.front().kind == "code");
}

TEST_CASE("without the graph nothing is explained by callees, and the reason asks for it") {
  Scene scene = chain();
  scene.question.graph = {std::vector<std::vector<std::size_t>>(3),
                          std::vector<std::vector<std::size_t>>(3)};
  scene.question.has_graph = false;
  CHECK_THAT(scene.diagnose().reason, Catch::Contains("the call graph (--graph)"));
}

TEST_CASE("without any row before the window it is said that nothing is known to be normal") {
  Scene scene = chain(2);
  scene.since(store, "latency_p95_ms", 0, times(50));
  const Diagnosis found = scene.diagnose();
  CHECK_FALSE(found.named);
  CHECK_THAT(found.reason, Catch::Contains("nothing says what is normal"));
  CHECK(found.causes.size() == 3);
  CHECK(found.causes.front().kind == "unknown");
  CHECK_FALSE(found.causes.front().onset);
}

TEST_CASE("components without a value in the window are named as missing evidence") {
  Scene scene = chain();
  for (auto& [name, values] : scene.question.metrics[store].metrics) {
    for (std::size_t i = values.size() - 10; i < values.size(); ++i) values[i] = std::nan("");
  }
  CHECK_THAT(scene.diagnose().reason, Catch::Contains("values in the window for store"));
}

TEST_CASE("rows of a second with ten minutes before them find a busy component") {
  Scene scene({"front-end", "carts", "orders"}, 600, 1);
  scene.question.window = 180;
  scene.metric_everywhere("cpu", 5, 0.5);
  scene.metric_everywhere("memory", 300, 0.01);
  scene.metric_everywhere("latency_p90_ms", 8, 0.5);
  CHECK_FALSE(scene.diagnose().named);
  scene.since(2, "cpu", 0, times(12));
  const Diagnosis found = scene.diagnose();
  CHECK(found.named);
  CHECK(scene.first(found) == "orders");
  CHECK(found.causes.front().kind == "cpu");
}

TEST_CASE("no component, and components without metrics, are answered without a cause") {
  Question empty;
  empty.window = 60;
  CHECK_FALSE(diagnose(empty).named);
  empty.components = {"a", "b"};
  empty.metrics.resize(2);
  empty.graph = {std::vector<std::vector<std::size_t>>(2),
                 std::vector<std::vector<std::size_t>>(2)};
  const Diagnosis found = diagnose(empty);
  CHECK_FALSE(found.named);
  CHECK(found.causes.size() == 2);
}
