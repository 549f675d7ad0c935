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
