// SPDX-License-Identifier: Apache-2.0
#include "detectors/drift_rule.h"

#include <cmath>

#include "detectors/chi_square.h"
#include "test/support/catch.h"

using namespace outrider::detectors;

namespace {

Verdict pane(double ks, double psi, double p, std::uint64_t n = 2000) {
  Verdict verdict;
  verdict.bins = 20;
  verdict.n = n;
  verdict.m = 2000;
  verdict.scores.ks = ks;
  verdict.scores.psi = psi;
  verdict.scores.p = p;
  verdict.scores.degrees = 19;
  verdict.scores.chi2 = chi_square_critical(p, 19);
  return verdict;
}

State judged(Verdict verdict) {
  std::vector<Verdict> verdicts{std::move(verdict)};
  judge_pane({}, verdicts);
  return verdicts[0].state;
}

}  // namespace

TEST_CASE("drift needs an effect and significance") {
  const double threshold = 0.05 + 1.63 * std::sqrt(0.001);
  CHECK(threshold == Approx(0.1015).epsilon(1e-3));
  CHECK(judged(pane(threshold + 0.001, 0, 1e-6)) == State::drift);
  CHECK(judged(pane(threshold - 0.001, 0, 1e-6)) == State::stable);
  CHECK(judged(pane(0, 0.11, 1e-6)) == State::drift);
  CHECK(judged(pane(0.5, 0.5, 0.01)) == State::stable);
}

TEST_CASE("below 25 rows a bin it is warming up, whatever the scores") {
  CHECK(judged(pane(0.9, 0.9, 0, 499)) == State::warming_up);
  CHECK(judged(pane(0.9, 0.9, 0, 500)) == State::drift);
}

TEST_CASE("for categories the largest change of a share stands in for the distance of numbers") {
  Verdict verdict = pane(0, 0, 1e-6);
  verdict.kind = FeatureKind::categorical;
  verdict.scores.l_infinity = 0.11;
  CHECK(judged(verdict) == State::drift);
}

TEST_CASE("many features share one rate of false discoveries") {
  // Alone, p = 5e-4 is below 1e-3; among 50 features it is not.
  std::vector<Verdict> verdicts{pane(0.5, 0.5, 5e-4)};
  for (int i = 0; i < 49; ++i) verdicts.push_back(pane(0.5, 0.5, 0.5));
  judge_pane({}, verdicts);
  CHECK(verdicts[0].q == Approx(0.025));
  CHECK(verdicts[0].state == State::stable);
  // A feature that is warming up takes no part.
  for (std::size_t i = 1; i < verdicts.size(); ++i) verdicts[i].n = 10;
  judge_pane({}, verdicts);
  CHECK(verdicts[0].q == Approx(5e-4));
  CHECK(verdicts[0].state == State::drift);
}

TEST_CASE("the chi-square threshold is where q is significant, given the other features") {
  for (const double p : {1e-9, 1.9e-5, 2.1e-5, 1e-3, 0.3}) {
    std::vector<Verdict> verdicts{pane(0.5, 0.5, p)};
    for (int i = 0; i < 49; ++i) verdicts.push_back(pane(0, 0, 0.5));
    judge_pane({}, verdicts);
    CHECK((verdicts[0].scores.chi2 > verdicts[0].thresholds.chi2) == (verdicts[0].q < 1e-3));
  }
}

TEST_CASE(
    "the ratio is above 1 exactly when the pane exceeds, and grows with effect and significance") {
  const auto ratio = [](double ks, double psi, double p) {
    std::vector<Verdict> verdicts{pane(ks, psi, p), pane(0, 0, 0.5)};
    judge_pane({}, verdicts);
    CHECK((verdicts[0].ratio > 1) == verdicts[0].exceeded);
    CHECK(verdicts[0].ratio >= 0);
    return verdicts[0].ratio;
  };
  for (const double ks : {0.0, 0.05, 0.1, 0.11, 0.3, 1.0}) {
    for (const double psi : {-0.01, 0.0, 0.09, 0.11, 0.5}) {
      for (const double p : {0.0, 1e-300, 1e-12, 4.9e-4, 5.1e-4, 0.01, 1.0}) ratio(ks, psi, p);
    }
  }
  // A great distance of few rows is not significant: it is not red.
  CHECK(ratio(0.5, 0.5, 0.01) < 1);
  // A small one of many rows is significant, and no effect.
  CHECK(ratio(0.02, 0.001, 1e-12) < 0.25);
  CHECK(ratio(0.2, 0, 1e-30) == Approx(0.2 / 0.1015).epsilon(1e-3));
  CHECK(ratio(0.2, 0.3, 1e-60) == Approx(3));
  CHECK(ratio(0.2, 0.3, 1e-9) < ratio(0.2, 0.3, 1e-12));
}

TEST_CASE("a look that may spend a share of the budget asks for so much more significance") {
  std::vector<Verdict> verdicts{pane(0.5, 0.5, 5e-4)};
  judge_pane({}, verdicts);
  CHECK(verdicts[0].state == State::drift);
  CHECK(verdicts[0].thresholds.q == 1e-3);
  judge_pane({}, verdicts, 0.25);
  CHECK(verdicts[0].state == State::stable);
  CHECK(verdicts[0].thresholds.q == 2.5e-4);
  CHECK(verdicts[0].scores.chi2 < verdicts[0].thresholds.chi2);
}

TEST_CASE(
    "what the hours explain raises the thresholds: noise as fewer rows would, the unknown as a "
    "shift") {
  Verdict plain = pane(0.15, 0, 1e-9), noisy = plain, unknown = plain;
  noisy.hours.noise = 1e-3;
  unknown.hours.unknown = 0.04;
  std::vector<Verdict> verdicts{plain, noisy, unknown};
  judge_pane({}, verdicts);
  CHECK(verdicts[0].thresholds.ks == Approx(0.05 + 1.63 * std::sqrt(1e-3)));
  CHECK(verdicts[1].thresholds.ks == Approx(0.05 + 1.63 * std::sqrt(2e-3)));
  CHECK(verdicts[2].thresholds.ks == Approx(verdicts[0].thresholds.ks + 0.6 * 0.2));
  CHECK(std::sqrt(verdicts[2].thresholds.psi) == Approx(std::sqrt(0.1) + 1.5 * 0.2));
  CHECK(verdicts[0].state == State::drift);
  CHECK(verdicts[2].state == State::stable);
}

TEST_CASE("one pane of three is a warning, two are drift, and it goes as it came") {
  PaneHistory history;
  Verdict quiet, loud;
  loud.exceeded = true;
  const DriftRule rule;
  CHECK(history.next(rule, quiet) == State::stable);
  CHECK(history.next(rule, loud) == State::warning);
  CHECK(history.next(rule, quiet) == State::warning);
  CHECK(history.next(rule, loud) == State::drift);
  CHECK(history.next(rule, loud) == State::drift);
  CHECK(history.next(rule, quiet) == State::drift);
  CHECK(history.next(rule, quiet) == State::warning);
  CHECK(history.next(rule, quiet) == State::stable);
}
