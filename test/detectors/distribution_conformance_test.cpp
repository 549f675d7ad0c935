// SPDX-License-Identifier: Apache-2.0
// The conformance suite over what counts distributions: panes, and the watch over everything.
#include "detectors/panes.h"
#include "detectors/version_watch.h"
#include "test/detectors/conformance.h"
#include "test/detectors/watch_fixture.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace outrider::test;
using namespace std::chrono_literals;

namespace {

std::vector<double> normals(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

const Binning& bins() {
  static const Binning twenty = Binning::from_sorted_sample([] {
    auto sample = normals(99, 5000);
    std::sort(sample.begin(), sample.end());
    return sample;
  }());
  return twenty;
}

FrameLayout layout() {
  FrameLayout one;
  one.add(bins().slots());
  return one;
}

// Counts over panes; a value moves the clock on by 0.7 s.
struct PanesSubject {
  struct Detector {
    Panes panes{layout()};
    std::uint64_t fed = 0;
  };
  static Detector fresh() { return {}; }
  static void feed(Detector& detector, double value) {
    detector.panes.advance(watch_start + detector.fed++ * 700ms, {});
    Frame& frame = detector.panes.open();
    ++frame.counts[bins().slot_of(value)];
    ++frame.rows;
    if (std::isfinite(value)) frame.tails[0].add(bins().tails_of(value));
  }
  static void reset(Detector& detector) { detector = fresh(); }
  static std::vector<double> stream(std::uint64_t seed) { return normals(seed, 3000); }
  static std::vector<Figure> figures(const Detector& detector) {
    const auto rows = static_cast<double>(detector.fed);
    std::vector<Figure> all;
    for (const Window window : {Window::five_minutes, Window::hour, Window::day}) {
      all.push_back({"rows", static_cast<double>(detector.panes.rows(window)), 0, rows});
      const BinCounts sum = detector.panes.sum(window, 0);
      all.push_back({"total", static_cast<double>(sum.total()), 0, rows});
    }
    return all;
  }
  static std::string save(const Detector& detector) {
    SnapshotWriter out("TEST", 1);
    out.u64(detector.fed);
    out.text(detector.panes.serialise());
    return out.finish();
  }
  static Result<Detector> load(std::string_view bytes) {
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    if (!in) return fail(in);
    Detector detector;
    detector.fed = in->u64();
    if (auto ok = detector.panes.restore(in->text()); !ok) return fail(ok);
    if (auto ok = in->finish(); !ok) return fail(ok);
    return detector;
  }
};

// One frame of counts: what replicas add up.
struct FrameSubject {
  using Detector = Frame;
  static Frame fresh() { return Frame(layout()); }
  static void feed(Frame& frame, double value) {
    ++frame.counts[bins().slot_of(value)];
    ++frame.rows;
    if (std::isfinite(value)) frame.tails[0].add(bins().tails_of(value));
  }
  static void reset(Frame& frame) { frame.clear(); }
  static std::vector<double> stream(std::uint64_t seed) { return normals(seed, 2000); }
  static std::vector<Figure> figures(const Frame& frame) {
    std::vector<Figure> all{{"rows", static_cast<double>(frame.rows), 0, 1e9}};
    for (const std::uint32_t count : frame.counts)
      all.push_back({"count", static_cast<double>(count), 0, 1e9});
    all.push_back({"below", frame.tails[0].below, 0});
    all.push_back({"above", frame.tails[0].above, 0});
    return all;
  }
  static std::string save(const Frame& frame) {
    SnapshotWriter out("TEST", 1);
    write(out, frame);
    return out.finish();
  }
  static Result<Frame> load(std::string_view bytes) {
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    if (!in) return fail(in);
    Frame frame = fresh();
    if (!read(*in, frame)) return fail("snapshot_corrupt", "no frame");
    if (auto ok = in->finish(); !ok) return fail(ok);
    return frame;
  }
  static void merge(Frame& into, const Frame& other) { into.add(other); }
};

// The watch: a value is the first feature; the others follow from it.
struct WatchSubject {
  struct Detector {
    VersionWatch watch{shared_reference()};
    std::uint64_t fed = 0;
  };
  static Detector fresh() { return {}; }
  static void feed(Detector& detector, double value) {
    const Value values[] = {Value::of(value), Value::of(0.8 * value),
                            Value::of(std::string_view(value < 0 ? "red" : "blue"))};
    detector.watch.observe(values, Value::of(2 * value), 0.5, watch_start + detector.fed++ * 500ms);
  }
  static void reset(Detector& detector) { detector = fresh(); }
  static std::vector<double> stream(std::uint64_t seed) { return normals(seed, 2500); }
  static std::vector<Figure> figures(const Detector& detector) {
    std::vector<Figure> all;
    for (const Verdict& verdict : detector.watch.verdicts()) {
      const Scores& s = verdict.scores;
      all.push_back({"psi", s.psi, -1, 100});
      for (const double unit : {s.ks, s.js, s.hellinger, s.l_infinity, s.p, verdict.q}) {
        all.push_back({"unit", unit, 0, 1});
      }
      all.push_back({"wasserstein", s.wasserstein, 0, std::numeric_limits<double>::max()});
      all.push_back({"chi2", s.chi2, 0, std::numeric_limits<double>::max()});
    }
    all.push_back({"rows", static_cast<double>(detector.watch.rows(Window::day)), 0, 1e9});
    return all;
  }
  static std::string save(const Detector& detector) {
    SnapshotWriter out("TEST", 1);
    out.u64(detector.fed);
    out.text(detector.watch.serialise());
    return out.finish();
  }
  static Result<Detector> load(std::string_view bytes) {
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    if (!in) return fail(in);
    Detector detector;
    detector.fed = in->u64();
    if (auto ok = detector.watch.restore(in->text()); !ok) return fail(ok);
    if (auto ok = in->finish(); !ok) return fail(ok);
    return detector;
  }
};

}  // namespace

TEST_CASE("panes keep what every detector keeps") {
  conforms<PanesSubject>();
}
TEST_CASE("a frame of counts keeps what every detector keeps") {
  conforms<FrameSubject>();
}
TEST_CASE("the watch over a version keeps what every detector keeps") {
  conforms<WatchSubject>();
}
