// SPDX-License-Identifier: Apache-2.0
#include "truth/sample.h"

#include "test/support/catch.h"
#include "test/truth/log_fixture.h"

namespace outrider::truth {
namespace {

using namespace std::chrono_literals;
using test::LogFixture;

TEST_CASE("a name is in the sample by the first 8 bytes of its SHA-256") {
  // FIPS 180-4's own example: SHA-256 of "abc" begins with ba7816bf8f01cfea, 0.72839… of 2^64.
  CHECK(in_sample("abc", 0.7284));
  CHECK_FALSE(in_sample("abc", 0.7283));
  CHECK(in_sample("anything", 1));
}

TEST_CASE("a sample has its share of the names, and a larger one has all of a smaller one") {
  int small = 0, large = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "order-" + std::to_string(i);
    const bool in = in_sample(name, 0.1);
    small += in ? 1 : 0;
    large += in_sample(name, 0.3) ? 1 : 0;
    if (in) CHECK(in_sample(name, 0.3));
  }
  CHECK(small > 1'850);  // 2 000 +- 3.5 standard deviations.
  CHECK(small < 2'150);
  CHECK(large > 5'770);
  CHECK(large < 6'230);
}

TEST_CASE("what is left out is certain only where every sidecar leaves it out") {
  SampleBounds nobody;
  CHECK(nobody.by_id() == 1);
  CHECK(nobody.by_key() == 1);

  SampleBounds ids;
  ids.widen({.share = 0.1});
  CHECK(ids.by_id() == 0.1);
  CHECK(ids.by_key() == 1);  // An order's number may be an alias of a prediction that is kept.
  ids.widen({.share = 0.25});
  CHECK(ids.by_id() == 0.25);
  ids.widen({.share = 0.1, .by_id = false, .by_key = true});
  CHECK(ids.by_id() == 1);  // Kept by its key, whatever its id.

  SampleBounds keys;
  keys.widen({.share = 0.1, .by_id = false, .by_key = true});
  CHECK(keys.by_id() == 1);
  CHECK(keys.by_key() == 0.1);
}

// The first ids that are in and out of a sample.
struct Ids {
  std::string in, out;
};
Ids ids_of(LogFixture& f, double share) {
  Ids ids;
  while (ids.in.empty() || ids.out.empty()) {
    const std::string id = f.new_id();
    (in_sample(id, share) ? ids.in : ids.out) = id;
  }
  return ids;
}

TEST_CASE("a label outside of the sample is told from one whose prediction is lost") {
  LogFixture f;
  f.settings.sample.share = 0.2;
  f.open();
  const Ids ids = ids_of(f, 0.2);
  f.clock.advance(1h);
  CHECK(f.label(ids.in, 1.0) == LabelResult::unknown);
  CHECK(f.label(ids.out, 1.0) == LabelResult::sampled_out);
  CHECK(f.label(ids.out + "_3", 1.0) == LabelResult::sampled_out);
  CHECK(f.counted(LabelResult::sampled_out) == 2);
  CHECK(f.counted(LabelResult::unknown) == 1);
}

TEST_CASE("a label outside of the sample is not held for its prediction, one within is") {
  LogFixture f;
  f.settings.sample.share = 0.2;
  f.open();
  const Ids ids = ids_of(f, 0.2);
  CHECK(f.label(ids.out, 1.0) == LabelResult::sampled_out);
  CHECK(f.label(ids.in, 1.0) == LabelResult::early);
  CHECK(f.label("order-7", 1.0) == LabelResult::early);  // An alias says nothing.
}

TEST_CASE("a key decides where the data has one, and an id then says nothing") {
  LogFixture f;
  f.settings.sample = {.share = 0.2, .by_id = false, .by_key = true};
  f.open();
  std::string in, out;
  for (int i = 0; in.empty() || out.empty(); ++i) {
    const std::string key = "order-" + std::to_string(i);
    (in_sample(key, 0.2) ? in : out) = key;
  }
  CHECK(f.label(out, 1.0) == LabelResult::sampled_out);
  CHECK(f.label(in, 1.0) == LabelResult::early);
  CHECK(f.label(ids_of(f, 0.2).out, 1.0) == LabelResult::early);
}

TEST_CASE("what was kept before the sample was set is joined") {
  LogFixture f;
  f.open();
  const std::string id = ids_of(f, 0.2).out;
  f.append(id, {RowView{.prediction = 1.0}});
  f.log->flush(test::patience);
  f.settings.sample.share = 0.2;
  f.open();
  CHECK(f.label(id, 1.0) == LabelResult::joined);
}

TEST_CASE("a label that brings its prediction along is joined whatever the sample") {
  LogFixture f;
  f.settings.sample.share = 0.2;
  f.open();
  GroundTruth label = LogFixture::truth(ids_of(f, 0.2).out, 1.0);
  label.brought = BroughtPrediction{.prediction = 1.0, .model_version = "v1"};
  CHECK(f.join(label).result == LabelResult::joined);
}

}  // namespace
}  // namespace outrider::truth
