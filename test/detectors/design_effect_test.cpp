// SPDX-License-Identifier: Apache-2.0
#include "detectors/design_effect.h"

#include <limits>
#include <random>
#include <vector>

#include "detectors/binning.h"
#include "detectors/chi_square.h"
#include "test/detectors/conformance.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using namespace outrider::test;

namespace {

constexpr int pane_rows = 600;

using Counts = std::vector<std::uint32_t>;

BatchVariance variance_of(const std::vector<Counts>& batches) {
  std::vector<std::span<const std::uint32_t>> spans(batches.begin(), batches.end());
  return batch_variance(spans);
}

// Standard normals with an autocorrelation from row to row, in bins of equal share.
class Rows {
 public:
  Rows(std::uint64_t seed, double autocorrelation) : random_(seed), memory_(autocorrelation) {
    last_ = normal_(random_);
  }
  double next() {
    last_ = memory_ * last_ + std::sqrt(1 - memory_ * memory_) * normal_(random_);
    return last_;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double memory_, last_;
};

const Binning& bins() {
  static const Binning twenty = [] {
    Rows rows(99, 0);
    std::vector<double> sample(20'000);
    for (double& x : sample) x = rows.next();
    std::sort(sample.begin(), sample.end());
    return Binning::from_sorted_sample(sample);
  }();
  return twenty;
}

Counts joined(const std::vector<Counts>& batches, std::size_t from, std::size_t count) {
  Counts sum(20);
  for (std::size_t i = from; i < std::min(from + count, batches.size()); ++i) {
    for (std::size_t b = 0; b < sum.size(); ++b) sum[b] += batches[i][b];
  }
  return sum;
}

std::vector<Counts> joined_by(const std::vector<Counts>& batches, std::size_t count) {
  std::vector<Counts> all;
  for (std::size_t i = 0; i + count <= batches.size(); i += count) {
    all.push_back(joined(batches, i, count));
  }
  return all;
}

// A pane of five minutes in 30 batches of 20 rows, then its fours, then it against the one before.
class Panes {
 public:
  void take(Rows& rows, int shifted_from = pane_rows) {
    std::vector<Counts> batches(30, Counts(20));
    for (int i = 0; i < pane_rows; ++i) {
      const double shift = i >= shifted_from ? 1 : 0;
      ++batches[static_cast<std::size_t>(i / 20)][bins().slot_of(rows.next() + shift)];
    }
    dispersion.add(0, variance_of(batches));
    dispersion.add(1, variance_of(joined_by(batches, 4)));
    const Counts pane = joined(batches, 0, 30);
    if (!before_.empty()) dispersion.add(2, variance_of({before_, pane}));
    before_ = pane;
  }
  Dispersion dispersion;

 private:
  Counts before_;
};

// With a jump of one deviation at a row, counted over all panes.
DesignEffect effect_of(std::uint64_t seed, double autocorrelation, int panes,
                       int jump_at = std::numeric_limits<int>::max()) {
  Rows rows(seed, autocorrelation);
  Panes all;
  for (int i = 0; i < panes; ++i) all.take(rows, jump_at - i * pane_rows);
  return all.dispersion.effect();
}

struct DispersionSubject {
  struct Detector {
    Dispersion dispersion;
    std::vector<Counts> open = std::vector<Counts>(30, Counts(20));
    std::uint64_t fed = 0;
  };
  static Detector fresh() { return {}; }
  static void feed(Detector& detector, double value) {
    const std::size_t slot = bins().slot_of(value);
    if (slot < 20) ++detector.open[detector.fed % pane_rows / 20][slot];
    if (++detector.fed % pane_rows != 0) return;
    detector.dispersion.add(0, variance_of(detector.open));
    detector.open.assign(30, Counts(20));
  }
  static void reset(Detector& detector) { detector = {}; }
  static std::vector<double> stream(std::uint64_t seed) {
    Rows rows(seed, 0.8);
    std::vector<double> values(8 * pane_rows + 10);
    for (double& value : values) value = rows.next();
    return values;
  }
  static std::vector<Figure> figures(const Detector& detector) {
    const DesignEffect effect = detector.dispersion.effect();
    return {{"rank", effect.rank, effect.bins, 1e9}, {"bins", effect.bins, 1, 1e9}};
  }
  static std::string save(const Detector& detector) {
    SnapshotWriter out("TEST", 1);
    detector.dispersion.write(out);
    out.u64(detector.fed);
    for (const Counts& batch : detector.open) {
      for (const std::uint32_t count : batch) out.u64(count);
    }
    return out.finish();
  }
  static Result<Detector> load(std::string_view bytes) {
    auto in = SnapshotReader::open(bytes, "TEST", 1);
    if (!in) return fail(in);
    Detector detector;
    if (!Dispersion::read(*in, detector.dispersion)) return fail("snapshot_corrupt", "no state");
    detector.fed = in->u64();
    for (Counts& batch : detector.open) {
      for (std::uint32_t& count : batch) count = static_cast<std::uint32_t>(in->u64());
    }
    if (auto ok = in->finish(); !ok) return fail(ok);
    return detector;
  }
};

}  // namespace

TEST_CASE("the dispersion of batches keeps what every detector keeps") {
  conforms<DispersionSubject>();
}

TEST_CASE("two batches that share no bin vary as one row of each would") {
  // Mid-ranks -1/4 and 1/4, variance 1/16; between the batches 20/16; times 19/20 for drawing
  // without replacement.
  const BatchVariance variance = variance_of({{10, 0}, {0, 10}});
  CHECK(variance.degrees == 1);
  CHECK(variance.rank == Approx(19));
  CHECK(variance.bins == Approx(19));
  const BatchVariance equal = variance_of({{10, 10}, {5, 5}, {20, 20}});
  CHECK(equal.degrees == 2);
  CHECK(equal.rank == Approx(0).margin(1e-12));
  CHECK(equal.bins == Approx(0).margin(1e-12));
}

TEST_CASE("nothing is said of one batch, of one bin, or of single rows") {
  CHECK(variance_of({}).degrees == 0);
  CHECK(variance_of({{3, 4}, {0, 0}, {}}).degrees == 0);
  CHECK(variance_of({{3, 0}, {4, 0}}).degrees == 0);
  CHECK(variance_of({{1, 0}, {0, 1}}).degrees == 0);
  CHECK(Dispersion().effect() == DesignEffect{});
}

TEST_CASE("rows with an autocorrelation of 0.9 weigh a nineteenth, those of 0.5 a third") {
  for (const auto& [autocorrelation, truth] : {std::pair{0.9, 19.0}, {0.5, 3.0}}) {
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const DesignEffect effect = effect_of(seed, autocorrelation, 12);
      CHECK(effect.rank > truth / 2);
      CHECK(effect.bins < effect.rank);
      sum += effect.rank / 40;
    }
    INFO("autocorrelation " << autocorrelation);
    CHECK(sum > 0.85 * truth);  // Cautious, as the largest of three lengths is: rather too large.
    CHECK(sum < 1.5 * truth);
    // Three panes say most of it: their batches are shorter than the longest runs.
    CHECK(effect_of(1, autocorrelation, 3).rank > 0.4 * truth);
    CHECK(effect_of(1, autocorrelation, 2) == DesignEffect{});
  }
}

TEST_CASE("of independent rows nearly all have an effect of exactly 1") {
  for (const int panes : {1, 2, 12, 30}) {
    int believed = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      const DesignEffect effect = effect_of(1000 + seed, 0, panes);
      believed += effect.rank > 1 ? 1 : 0;
      CHECK(effect.rank < 8);
    }
    INFO(panes << " panes, " << believed << " of 400");
    CHECK(believed <= 16);
  }
}

TEST_CASE("a jump is a drift, not a dependence") {
  // Between two panes, in the middle of one, in the first hour's end and in a version's first
  // minutes.
  for (const auto& [panes, jump_at] : {std::pair{12, 4 * pane_rows},
                                       {12, 11 * pane_rows + 300},
                                       {1, 300},
                                       {2, 300},
                                       {3, 300},
                                       {3, pane_rows + 300},
                                       {4, 2 * pane_rows},
                                       {4, pane_rows + 150},
                                       {5, 3 * pane_rows + 300}}) {
    int believed = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      believed += effect_of(2000 + seed, 0, panes, jump_at).rank > 1 ? 1 : 0;
    }
    INFO(panes << " panes, a jump at row " << jump_at << ", " << believed << " of 100");
    CHECK(believed <= 10);  // Hardly more than without a jump, where 16 of 400 are allowed.
  }
}

TEST_CASE("an effect of 1 leaves the chi-square test as it is, a larger one keeps its mean") {
  CHECK(chi_square_p(30, 19, DesignEffect{}) == chi_square_p(30, 19));
  CHECK(chi_square_critical(1e-4, 19, DesignEffect{}) == chi_square_critical(1e-4, 19));
  const DesignEffect effect{19, 3.7};
  CHECK(chi_square_critical(chi_square_p(400, 19, effect), 19, effect) == Approx(400));
  // All contrasts alike: the statistic is scaled, nothing else.
  CHECK(chi_square_p(40, 19, DesignEffect{4, 4}) == Approx(chi_square_p(10, 19)));
  CHECK(chi_square_p(400, 19, effect) > chi_square_p(400, 19, DesignEffect{3.7, 3.7}));
}
