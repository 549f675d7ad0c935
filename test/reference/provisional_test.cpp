// SPDX-License-Identifier: Apache-2.0
#include "reference/provisional.h"

#include <random>

#include "detectors/version_watch.h"
#include "reference/reference_json.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::reference;
using detectors::Value;

namespace {
const Time began{std::chrono::hours(24 * 7 * 2600 + 9)};  // A Thursday, nine o'clock.
}

TEST_CASE("the first predictions become a reference that says it is provisional") {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  ProvisionalReference learning({"x", "colour", "prediction"}, 2000);
  for (int i = 0; i < 2000; ++i) {
    CHECK_FALSE(learning.complete());
    const double x = normal(random);
    const Value row[] = {Value::of(x), Value::of(i % 3 ? "red" : "blue"),
                         Value::of(normal(random))};
    CHECK(learning.add(row, Value::of(2 * x), began + i * std::chrono::seconds(2)) == (i == 1999));
  }
  CHECK(learning.complete());
  CHECK(learning.add({}, Value::none(), began));
  CHECK(learning.rows() == 2000);
  const auto reference = learning.build("m", "v1", Time{});
  REQUIRE(reference);
  CHECK(reference->statistics->provisional);
  CHECK(reference->statistics->features.size() == 3);
  CHECK(reference->statistics->features[1].bins.categories() ==
        std::vector<std::string>{"red", "blue"});
  REQUIRE(reference->statistics->prediction);
  CHECK(reference->statistics->prediction->name == "prediction");
  CHECK(reference->kind == ModelKind::regression);
  CHECK_FALSE(reference->accuracy);
  CHECK(parse(to_json(*reference)));
  // It is of that hour, and of the next.
  REQUIRE(reference->statistics->timed);
  CHECK(reference->statistics->timed->rows[3 * 24 + 9] == 1800);
  CHECK(reference->statistics->timed->rows[3 * 24 + 10] == 200);
  CHECK(reference->statistics->timed->weeks[3 * 24 + 10] == 1);
  CHECK(detectors::VersionWatch(reference->statistics).verdicts().size() == 5);
}

TEST_CASE(
    "learning is bounded: many features need fewer rows, texts beyond the limit are missing and "
    "counted") {
  ProvisionalReference wide(std::vector<std::string>(4000, "x"));
  CHECK(wide.rows_max() < 1000);
  ProvisionalReference texts({"t"}, 100);
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) {
    const Value row[] = {Value::of(std::string_view(large))};
    texts.add(row, Value::none(), began);
  }
  CHECK(texts.texts_dropped() == 8);
}

TEST_CASE("without a row, or without a feature that can be learned, there is no reference") {
  CHECK(ProvisionalReference({"x"}, 10).build("m", "v", Time{}).error().code == "no_rows");
  ProvisionalReference empty({"x"}, 10);
  empty.add({}, Value::none(), began);
  CHECK(empty.build("m", "v", Time{}).error().code == "no_features");
}

TEST_CASE("a version whose rows come at one time of the day has its reference all the same") {
  ProvisionalReference learning({"x"}, 1000);
  for (int i = 0; i < 1000; ++i) {
    const Value row[] = {Value::of(0.001 * i)};
    learning.add(row, Value::of(0.002 * i), began + (i % 7) * std::chrono::hours(24));
  }
  const auto reference = learning.build("m", "v1", Time{});
  REQUIRE(reference);
  CHECK_FALSE(reference->statistics->timed);
}
