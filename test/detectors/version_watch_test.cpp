// SPDX-License-Identifier: Apache-2.0
#include "detectors/version_watch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "test/detectors/watch_fixture.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace outrider::test;
using namespace std::chrono_literals;

namespace {

// Five minutes of `rows` rows from `start` on, each made by `make`.
template <class Make>
void feed(VersionWatch& watch, Time begin, int rows, Make make) {
  const Duration step = Duration(5min) / rows;
  for (int i = 0; i < rows; ++i) {
    const LiveRow row = make();
    watch.observe(row.features, row.prediction, row.score, begin + i * step);
  }
}

State state_of(const VersionWatch& watch, std::string_view subject) {
  for (const Verdict& verdict : watch.verdicts()) {
    if (verdict.subject == subject) return verdict.state;
  }
  FAIL("no subject " << subject);
  return State::warming_up;
}

}  // namespace

TEST_CASE("before enough rows every subject is warming up") {
  VersionWatch watch(shared_reference());
  LiveRows rows(1);
  feed(watch, watch_start, 400, [&] { return rows.next(); });
  watch.advance(watch_start + 5min);
  for (const Verdict& verdict : watch.verdicts()) CHECK(verdict.state == State::warming_up);
  CHECK(watch.panes_judged() == 0);
}

TEST_CASE("traffic like the reference's is stable") {
  VersionWatch watch(shared_reference());
  LiveRows rows(2);
  for (int pane = 0; pane < 12; ++pane) {
    feed(watch, watch_start + pane * 5min, 2000, [&] { return rows.next(); });
  }
  watch.advance(watch_start + 60min);
  CHECK(watch.panes_judged() == 12);
  REQUIRE(watch.verdicts().size() == 5);
  for (const Verdict& verdict : watch.verdicts()) {
    INFO(verdict.subject);
    CHECK(verdict.state == State::stable);
    CHECK(verdict.n == 2000);
  }
}

TEST_CASE("a shifted feature warns in the first pane, drifts in the second, and recovers") {
  VersionWatch watch(shared_reference());
  LiveRows rows(3);
  const auto shifted = [&] {
    LiveRow row = rows.next();
    row.features[0].number += 1;
    return row;
  };
  feed(watch, watch_start, 2000, [&] { return rows.next(); });
  feed(watch, watch_start + 5min, 2000, shifted);
  watch.advance(watch_start + 10min);
  CHECK(state_of(watch, "size") == State::warning);
  CHECK(state_of(watch, "age") == State::stable);
  CHECK(state_of(watch, "colour") == State::stable);
  feed(watch, watch_start + 10min, 2000, shifted);
  watch.advance(watch_start + 15min);
  CHECK(state_of(watch, "size") == State::drift);
  for (int pane = 3; pane < 6; ++pane) {
    feed(watch, watch_start + pane * 5min, 2000, [&] { return rows.next(); });
  }
  watch.advance(watch_start + 30min);
  CHECK(state_of(watch, "size") == State::stable);
}

TEST_CASE("a broken relation between features is multivariate drift, with no feature drifting") {
  VersionWatch watch(shared_reference());
  LiveRows rows(4), others(5);
  for (int pane = 0; pane < 2; ++pane) {
    feed(watch, watch_start + pane * 5min, 2000, [&] {
      LiveRow row = rows.next();
      row.features[1] = others.next().features[1];  // age no longer goes with size
      return row;
    });
  }
  watch.advance(watch_start + 10min);
  CHECK(state_of(watch, "size") == State::stable);
  CHECK(state_of(watch, "age") == State::stable);
  CHECK(state_of(watch, "multivariate") == State::drift);
}

// A busy model: so many rows in each ten seconds, the first feature moved by `shift`.
namespace {
void ten_seconds(VersionWatch& watch, LiveRows& rows, Time at, int count, double shift) {
  for (int i = 0; i < count; ++i) {
    LiveRow row = rows.next();
    row.features[0].number += shift;
    watch.observe(row.features, row.prediction, row.score, at + i * (Duration(10s) / count));
  }
  watch.advance(at + 10s);
}
}  // namespace

TEST_CASE("a busy model has its first verdict as soon as it has rows enough") {
  VersionWatch watch(shared_reference());
  LiveRows rows(21);
  ten_seconds(watch, rows, watch_start, 400, 0);
  CHECK(state_of(watch, "size") == State::warming_up);
  CHECK(watch.judgements() == 0);
  ten_seconds(watch, rows, watch_start + 10s, 400, 0);
  CHECK(state_of(watch, "size") == State::stable);
  CHECK(watch.verdicts()[0].n == 800);
  CHECK(watch.judgements() == 1);
  CHECK(watch.panes_judged() == 0);
}

TEST_CASE(
    "a change is a warning in the pane that it is seen in, a drift in the next, each without "
    "waiting") {
  VersionWatch watch(shared_reference());
  LiveRows rows(22);
  for (int i = 0; i < 30; ++i) ten_seconds(watch, rows, watch_start + i * 10s, 1000, 0);
  REQUIRE(state_of(watch, "size") == State::stable);
  CHECK(watch.verdicts()[0].n == 30'000);
  const Time second = watch_start + 5min;
  ten_seconds(watch, rows, second, 1000, 1);
  CHECK(state_of(watch, "size") == State::warning);
  CHECK(watch.verdicts()[0].n == 1000);
  CHECK(watch.verdicts()[0].ratio > 1);
  CHECK(state_of(watch, "colour") == State::stable);
  CHECK(watch.verdicts()[2].n == 30'000);  // Nothing new of it before its pane ends.
  for (int i = 1; i < 30; ++i) ten_seconds(watch, rows, second + i * 10s, 1000, 1);
  CHECK(state_of(watch, "size") == State::warning);  // However often it was seen: one vote.
  ten_seconds(watch, rows, second + 5min, 1000, 1);
  CHECK(state_of(watch, "size") == State::drift);
}

TEST_CASE(
    "what exceeded in one look has its pane's vote, though the pane as a whole does not exceed") {
  VersionWatch watch(shared_reference());
  LiveRows rows(23);
  ten_seconds(watch, rows, watch_start, 1000, 1);
  REQUIRE(state_of(watch, "size") == State::warning);
  for (int i = 1; i < 30; ++i) ten_seconds(watch, rows, watch_start + i * 10s, 1000, 0);
  CHECK(watch.panes_judged() == 1);
  CHECK(state_of(watch, "size") == State::warning);
  CHECK(watch.verdicts()[0].n == 1000);  // The look that voted says why.
  CHECK(watch.verdicts()[0].exceeded);
  for (int i = 30; i < 90; ++i) ten_seconds(watch, rows, watch_start + i * 10s, 1000, 0);
  CHECK(state_of(watch, "size") == State::warning);  // Of the last three panes.
  for (int i = 90; i < 120; ++i) ten_seconds(watch, rows, watch_start + i * 10s, 1000, 0);
  CHECK(state_of(watch, "size") == State::stable);
}

TEST_CASE(
    "a watch restored in the middle of a pane neither forgets its vote nor spends its budget "
    "twice") {
  VersionWatch watch(shared_reference());
  LiveRows rows(24);
  for (int i = 0; i < 3; ++i) ten_seconds(watch, rows, watch_start + i * 10s, 1000, 1);
  VersionWatch restored(shared_reference());
  REQUIRE(restored.restore(watch.serialise()));
  CHECK(restored.filling_pane(watch_start + 30s).look_at == 4000);
  CHECK(restored.judgements() == watch.judgements());
  for (int i = 3; i < 30; ++i) ten_seconds(restored, rows, watch_start + i * 10s, 1000, 0);
  CHECK(state_of(restored, "size") == State::warning);
  ten_seconds(restored, rows, watch_start + 5min, 1000, 1);
  CHECK(state_of(restored, "size") == State::drift);
}

TEST_CASE("the pane that is filling tells its rows, its scores so far and when it ends") {
  VersionWatch watch(shared_reference());
  LiveRows rows(25);
  const FillingPane empty = watch.filling_pane(watch_start + 61s);
  CHECK(empty.rows == 0);
  CHECK(empty.since == watch_start);
  CHECK(empty.ends == watch_start + 5min);
  CHECK(empty.look_at == 500);
  feed(watch, watch_start, 150, [&] { return rows.next(); });
  FillingPane pane = watch.filling_pane(watch_start + 299s);
  CHECK(pane.rows == 150);
  REQUIRE(pane.verdicts.size() == watch.verdicts().size());
  CHECK(pane.verdicts[0].n == 150);
  CHECK(pane.verdicts[0].state == State::warming_up);
  CHECK(pane.verdicts[0].scores.ks > 0);
  // Too few for a judgement: the next five minutes join it.
  feed(watch, watch_start + 5min, 150, [&] { return rows.next(); });
  pane = watch.filling_pane(watch_start + 10min - 1s);
  CHECK(pane.rows == 300);
  CHECK(pane.since == watch_start);
  CHECK(pane.ends == watch_start + 10min);
  CHECK(pane.ends_at_most == watch_start + 1h);
  CHECK(watch.verdicts()[0].n == 0);  // Nothing of this was a judgement.
}

TEST_CASE("a new mix of categories and other predictions are drift") {
  VersionWatch watch(shared_reference());
  LiveRows rows(6);
  for (int pane = 0; pane < 2; ++pane) {
    feed(watch, watch_start + pane * 5min, 2000, [&] {
      LiveRow row = rows.next();
      row.features[2] = Value::of("red");
      row.prediction.number *= 2;
      return row;
    });
  }
  watch.advance(watch_start + 10min);
  CHECK(state_of(watch, "colour") == State::drift);
  CHECK(state_of(watch, "prediction") == State::drift);
}

TEST_CASE("slow traffic is judged over joined panes, and is warming up again when it dries out") {
  VersionWatch watch(shared_reference());
  LiveRows rows(7);
  for (int pane = 0; pane < 4; ++pane) {
    feed(watch, watch_start + pane * 5min, 150, [&] { return rows.next(); });
  }
  watch.advance(watch_start + 20min);
  CHECK(watch.panes_judged() == 1);
  CHECK(state_of(watch, "size") == State::stable);
  CHECK(watch.verdicts()[0].n == 600);
  for (int pane = 4; pane < 17; ++pane) {
    feed(watch, watch_start + pane * 5min, 10, [&] { return rows.next(); });
  }
  watch.advance(watch_start + 90min);
  CHECK(state_of(watch, "size") == State::warming_up);
}

TEST_CASE("quality counts what is missing, of a wrong type, out of range and unseen") {
  VersionWatch watch(shared_reference());
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const auto observe = [&](Value size, Value colour) {
    watch.observe(std::vector<Value>{size, Value::of(0.0), colour}, Value::of(1.0), nan,
                  watch_start);
  };
  observe(Value::none(), Value::of("red"));
  observe(Value::of("large"), Value::of("red"));
  observe(Value::of(1e9), Value::of("purple"));
  observe(Value::of(infinity), Value::none());
  observe(Value::of(nan), Value::of("red"));
  watch.observe({}, Value::none(), nan, watch_start);
  CHECK(watch.quality(0) == Quality{3, 1, 2, 0});
  CHECK(watch.quality(2) == Quality{2, 0, 0, 1});
  const BinCounts size = watch.totals(0);
  const auto& bins = watch.subject(0).bins;
  CHECK(size.counts[bins.missing_slot()] == 2);
  CHECK(size.counts[bins.missing_slot() + 1] == 1);
  CHECK(size.counts[bins.missing_slot() + 3] == 1);
  CHECK(size.total() == 5);  // The text is in no bin.
  CHECK(watch.rows() == 6);
}

TEST_CASE("an unusual row has a small p-value, an ordinary one does not") {
  VersionWatch watch(shared_reference());
  LiveRows rows(8);
  std::vector<double> p;
  for (int i = 0; i < 2000; ++i) {
    const LiveRow row = rows.next();
    const Surprise surprise = watch.observe(row.features, row.prediction, row.score, watch_start);
    REQUIRE(surprise.scored);
    p.push_back(surprise.p);
  }
  const auto below = std::count_if(p.begin(), p.end(), [](double x) { return x <= 0.05; });
  CHECK(below <= 140);
  CHECK(below >= 40);
  LiveRow odd = rows.next();
  odd.features[0].number =
      3;  // Each is ordinary alone; together, against a correlation of 0.8, they are not.
  odd.features[1].number = -3;
  CHECK(watch.observe(odd.features, odd.prediction, odd.score, watch_start).p < 0.001);
}

TEST_CASE("summed bins of replicas are those of one watch that saw all, exactly") {
  const auto reference = shared_reference();
  std::vector<VersionWatch> pods(3, VersionWatch(reference));
  VersionWatch one(reference);
  LiveRows rows(9);
  for (int i = 0; i < 9000; ++i) {
    const LiveRow row = rows.next();
    one.observe(row.features, row.prediction, row.score, watch_start);
    pods[static_cast<std::size_t>(i * 7919 % 3)].observe(row.features, row.prediction, row.score,
                                                         watch_start);
  }
  for (std::size_t subject = 0; subject < one.subjects(); ++subject) {
    BinCounts sum = pods[0].totals(subject);
    sum.add(pods[1].totals(subject));
    sum.add(pods[2].totals(subject));
    CHECK(sum.counts == one.totals(subject).counts);
    CHECK(sum.tails.sum == Approx(one.totals(subject).tails.sum));
    CHECK(sum.tails.above == Approx(one.totals(subject).tails.above));
  }
}

TEST_CASE("a canary is judged against production over the same bins") {
  const auto reference = shared_reference();
  VersionWatch production(reference), canary(reference), drifted(reference);
  LiveRows rows(10);
  for (int i = 0; i < 3000; ++i) {
    const auto observe = [&](VersionWatch& watch, double shift) {
      LiveRow row = rows.next();
      row.prediction.number += shift;
      watch.observe(row.features, row.prediction, row.score, watch_start);
    };
    observe(production, 0);
    observe(canary, 0);
    observe(drifted, 1);
  }
  const auto fine = compare_versions(canary, production, Window::five_minutes);
  REQUIRE(fine.size() == 4);
  for (const Verdict& verdict : fine) CHECK(verdict.state == State::stable);
  const auto bad = compare_versions(drifted, production, Window::five_minutes);
  CHECK(bad[3].subject == "prediction");
  CHECK(bad[3].state == State::drift);
  CHECK(bad[0].state == State::stable);
  CHECK(bad[0].m == 3000);
}

TEST_CASE("accuracy is estimated from scores alone") {
  VersionWatch watch(shared_reference());
  CHECK_FALSE(watch.estimated_accuracy());
  LiveRows rows(11);
  feed(watch, watch_start, 3000, [&] { return rows.next(); });
  REQUIRE(watch.estimated_accuracy());
  // Scores are uniform and calibrated: the mean of max(s, 1 - s) is 3/4.
  CHECK(*watch.estimated_accuracy() == Approx(0.75).margin(0.02));
  CHECK(*watch.estimated_accuracy(Window::five_minutes) == Approx(0.75).margin(0.02));
}

TEST_CASE("a feature named as a built-in subject keeps its own name apart") {
  auto reference = std::make_shared<Reference>(*shared_reference());
  reference->features[0].name = "prediction";
  const VersionWatch watch(reference);
  CHECK(watch.verdicts()[0].subject == "prediction_feature");
  CHECK(watch.verdicts()[3].subject == "prediction");
}

TEST_CASE("a state counted against another reference is refused") {
  VersionWatch watch(shared_reference());
  LiveRows rows(12);
  feed(watch, watch_start, 100, [&] { return rows.next(); });
  auto other = std::make_shared<Reference>(*shared_reference());
  other->features[0].hash = "000000000000";
  VersionWatch stranger(other);
  const auto refused = stranger.restore(watch.serialise());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "snapshot_foreign");
}

TEST_CASE("a restored watch goes on with its windows and alarm, and its counters start at 0") {
  VersionWatch watch(shared_reference());
  LiveRows rows(13);
  for (int pane = 0; pane < 2; ++pane) {
    feed(watch, watch_start + pane * 5min, 2000, [&] {
      LiveRow row = rows.next();
      row.features[0].number += 1;
      return row;
    });
  }
  watch.advance(watch_start + 10min);
  REQUIRE(state_of(watch, "size") == State::drift);
  VersionWatch restored(shared_reference());
  REQUIRE(restored.restore(watch.serialise()));
  CHECK(state_of(restored, "size") == State::drift);
  CHECK(restored.rows(Window::hour) == 4000);
  CHECK(restored.totals(0).total() == 0);
  CHECK(restored.counts(Window::hour, 0) == watch.counts(Window::hour, 0));
}

namespace {

// Rows of which the features and the prediction drag on from row to row.
class DraggingRows {
 public:
  explicit DraggingRows(std::uint64_t seed) : random_(seed) {}

  LiveRow next(double shift = 0) {
    for (double& x : last_) x = 0.9 * x + std::sqrt(1 - 0.81) * normal_(random_);
    LiveRow row;
    row.features = {Value::of(last_[0] + shift), Value::of(0.8 * last_[0] + 0.6 * last_[1]),
                    Value::of(std::string_view(last_[2] < 0      ? "red"
                                               : last_[2] < 0.84 ? "green"
                                                                 : "blue"))};
    row.prediction = Value::of(2 * last_[0] + 0.5 * last_[3]);
    return row;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double last_[4] = {};
};

}  // namespace

TEST_CASE("rows that hang together are not taken for a drift, and a drift of them is still found") {
  VersionWatch watch(shared_reference());
  DraggingRows rows(14);
  std::size_t drifts = 0;
  for (int pane = 0; pane < 288; ++pane) {
    feed(watch, watch_start + pane * 5min, 600, [&] { return rows.next(); });
    watch.advance(watch_start + (pane + 1) * 5min);
    // A new version's first three panes are judged as if its rows were independent, and the verdict
    // looks back over three.
    if (pane < 5) continue;
    for (const Verdict& verdict : watch.verdicts()) drifts += verdict.state == State::drift ? 1 : 0;
  }
  CHECK(drifts == 0);
  const Verdict& size = watch.verdicts()[0];
  CHECK(size.design.rank > 10);
  CHECK(size.design.rank < 40);
  CHECK(size.design.bins < size.design.rank);
  CHECK(size.thresholds.psi > 0.1);
  CHECK(size.thresholds.ks > 0.05 + 1.63 * std::sqrt(1.0 / 600));
  CHECK(watch.verdicts().back().design.rank >= size.design.rank);
  for (int pane = 288; pane < 291; ++pane) {
    feed(watch, watch_start + pane * 5min, 600, [&] { return rows.next(1.5); });
  }
  watch.advance(watch_start + 291 * 5min);
  CHECK(state_of(watch, "size") == State::drift);
}

TEST_CASE("a restored watch knows how much its rows hang together") {
  VersionWatch watch(shared_reference());
  DraggingRows rows(15);
  for (int pane = 0; pane < 3; ++pane) {
    feed(watch, watch_start + pane * 5min, 600, [&] { return rows.next(); });
    watch.advance(watch_start + (pane + 1) * 5min);
  }
  REQUIRE(watch.verdicts()[0].design.rank > 1);
  VersionWatch restored(shared_reference());
  REQUIRE(restored.restore(watch.serialise()));
  CHECK(restored.verdicts()[0].design == watch.verdicts()[0].design);
  const auto judged = restored.judge(Window::hour);
  CHECK(judged[0].design == watch.judge(Window::hour)[0].design);
  CHECK(judged[0].design.rank > 1);
}

TEST_CASE("1 000 features with all panes take less than 16 MiB") {
  Reference wide = *shared_reference();
  const FrozenSubject feature = wide.features[0];
  wide.features.assign(1000, feature);
  wide.multivariate.reset();
  const VersionWatch watch(std::make_shared<const Reference>(wide));
  INFO(watch.memory_bytes() << " bytes");
  CHECK(watch.memory_bytes() < (16 << 20));
}
