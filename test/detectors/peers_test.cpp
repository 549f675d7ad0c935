// SPDX-License-Identifier: Apache-2.0
// The detectors that others use. That they are faithful to river is
// test/oracle/test_error_detectors.py's to show; here are their worked examples, their conformance,
// and the failures that their headers admit.
#include <cmath>
#include <random>

#include "detectors/adwin.h"
#include "detectors/ddm.h"
#include "detectors/fixed_window.h"
#include "detectors/hddm_a.h"
#include "detectors/page_hinkley.h"
#include "test/detectors/conformance.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::detectors;
using test::Figure;

namespace {

// What all five have in common.
template <class D>
struct Subject {
  using Detector = D;
  static D fresh() { return D(); }
  static void reset(D& detector) { detector.reset(); }
  static std::vector<double> stream(std::uint64_t seed) {
    return test::error_stream(seed, 3000, 0.05, 0.3);
  }
  static std::string save(const D& detector) { return detector.serialise(); }
  static Result<D> load(std::string_view bytes) { return D::restore(bytes); }
};

struct AdwinSubject : Subject<Adwin> {
  static void feed(Adwin& adwin, double value) { adwin.update(value); }
  static std::vector<Figure> figures(const Adwin& adwin) {
    return {{"width", adwin.width(), 0, 1e6},
            {"mean", adwin.mean()},
            {"variance", adwin.variance(), 0},
            {"bytes", static_cast<double>(adwin.state_bytes()), 0, 4096}};
  }
};

struct PageHinkleySubject : Subject<PageHinkley> {
  static void feed(PageHinkley& test, double value) { test.update(value); }
  static std::vector<Figure> figures(const PageHinkley& test) {
    return {{"mean", test.mean()}, {"statistic", test.statistic(), 0}};
  }
};

struct DdmSubject : Subject<Ddm> {
  static void feed(Ddm& ddm, double value) { ddm.update(value > 0.5); }
  static std::vector<Figure> figures(const Ddm& ddm) {
    return {{"error rate", ddm.error_rate(), 0, 1}, {"best rate", ddm.best_error_rate(), 0, 1}};
  }
};

struct HddmASubject : Subject<HddmA> {
  static void feed(HddmA& hddm, double value) { hddm.update(value > 0.5); }
  static std::vector<Figure> figures(const HddmA& hddm) {
    return {{"error rate", hddm.error_rate(), 0, 1}};
  }
};

struct FixedWindowSubject : Subject<FixedWindow> {
  static void feed(FixedWindow& window, double value) { window.update(value > 0.5); }
  static std::vector<Figure> figures(const FixedWindow& window) {
    return {{"error rate", window.error_rate(), 0, 1},
            {"labels", static_cast<double>(window.labels()), 0, 1000}};
  }
};

// The first row (from 0) that says drift, or -1.
template <class D>
int first_drift(D detector, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detector.update(values[i]) == Signal::drift) return static_cast<int>(i);
  }
  return -1;
}

std::vector<double> zeros_then_ones(std::size_t zeros, std::size_t ones) {
  std::vector<double> values(zeros, 0.0);
  values.resize(zeros + ones, 1.0);
  return values;
}

}  // namespace

TEST_CASE("ADWIN keeps what every detector keeps") {
  test::conforms<AdwinSubject>();
}
TEST_CASE("Page-Hinkley keeps what every detector keeps") {
  test::conforms<PageHinkleySubject>();
}
TEST_CASE("DDM keeps what every detector keeps") {
  test::conforms<DdmSubject>();
}
TEST_CASE("HDDM_A keeps what every detector keeps") {
  test::conforms<HddmASubject>();
}
TEST_CASE("a fixed window keeps what every detector keeps") {
  test::conforms<FixedWindowSubject>();
}

TEST_CASE("ADWIN finds the cut of its worked example at the third check") {
  CHECK(first_drift(Adwin(), zeros_then_ones(64, 64)) == 95);
  CHECK(first_drift(Adwin(), zeros_then_ones(96, 0)) == -1);
}

TEST_CASE("ADWIN's window keeps the newer part after a drift, and only that") {
  Adwin adwin;
  for (const double value : zeros_then_ones(1024, 512)) adwin.update(value);
  CHECK(adwin.drifts() >= 1);
  CHECK(adwin.mean() > 0.9);
  CHECK(adwin.width() < 700);
}

TEST_CASE("ADWIN's sums are those of the values in its window") {
  // A stream without a drift: the window is all of it.
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(3, 2);
  Adwin adwin({.delta = 1e-12});
  double sum = 0, squares = 0;
  constexpr int n = 10'000;
  for (int i = 0; i < n; ++i) {
    const double value = normal(random);
    REQUIRE(adwin.update(value) == Signal::none);
    sum += value;
    squares += value * value;
  }
  CHECK(adwin.width() == n);
  CHECK(adwin.mean() == Approx(sum / n).epsilon(1e-12));
  CHECK(adwin.variance() == Approx(squares / n - sum / n * sum / n).epsilon(1e-9));
}

TEST_CASE("Page-Hinkley drifts at the third value of its worked example") {
  const PageHinkleyOptions options{
      .warm_up = 1, .delta = 0.1, .threshold = 1, .alpha = 1, .mode = PageHinkleyMode::up};
  CHECK(first_drift(PageHinkley(options), {0, 0, 2}) == 2);
  PageHinkley test(options);
  for (const double value : {0.0, 0.0, 2.0}) test.update(value);
  CHECK(test.statistic() == Approx(37.0 / 30));
  auto downwards = options;
  downwards.mode = PageHinkleyMode::down;
  CHECK(first_drift(PageHinkley(downwards), {0, 0, 2}) == -1);
  CHECK(first_drift(PageHinkley(downwards), {0, 0, -2}) == 2);
}

TEST_CASE("DDM drifts at the first error after a spotless start, as its header admits") {
  CHECK(first_drift(Ddm({.warm_up = 1}), {0, 0, 1, 0}) == 2);
}

TEST_CASE("DDM warns before it drifts") {
  Ddm ddm;
  std::mt19937_64 random(2);
  bool warned = false;
  for (int i = 0;; ++i) {
    REQUIRE(i < 5000);
    const double rate = i < 1000 ? 0.2 : 0.5;
    const Signal signal = ddm.update(static_cast<double>(random() >> 11) * 0x1p-53 < rate);
    if (signal == Signal::drift) break;
    warned = warned || (i >= 1000 && signal == Signal::warning);
  }
  CHECK(warned);
}

TEST_CASE("HDDM_A drifts at the fourth label of its worked example") {
  const HddmAOptions options{.drift_confidence = 0.5, .warning_confidence = 0.5};
  CHECK(first_drift(HddmA(options), {0, 1, 1, 1}) == 3);
  CHECK(first_drift(HddmA(options), {0, 1, 1, 0}) == -1);
}

TEST_CASE("HDDM_A sees a fall of the error rate only when two-sided") {
  std::vector<double> improving(300, 1.0);
  improving.resize(600, 0.0);
  CHECK(first_drift(HddmA(), improving) == -1);
  const int row = first_drift(HddmA({.two_sided = true}), improving);
  CHECK(row > 300);
  CHECK(row < 330);
}

TEST_CASE("a fixed window drifts at the fifth label of its worked example") {
  const FixedWindowOptions options{.labels = 4, .reference_rate = 0.2, .sigmas = 1};
  CHECK(FixedWindow(options).threshold() == Approx(0.4));
  CHECK(first_drift(FixedWindow(options), {0, 1, 0, 0, 1}) == 4);
  CHECK(first_drift(FixedWindow(options), {1, 1, 1}) == -1);  // Not full yet.
}

TEST_CASE("a fixed window forgets what left it") {
  FixedWindow window({.labels = 100, .reference_rate = 0.05});
  for (int i = 0; i < 100; ++i) window.update(true);
  CHECK(window.error_rate() == 1);
  for (int i = 0; i < 100; ++i) window.update(false);
  CHECK(window.error_rate() == 0);
  CHECK(window.labels() == 100);
}
