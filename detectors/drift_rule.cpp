// SPDX-License-Identifier: Apache-2.0
#include "detectors/drift_rule.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "detectors/benjamini_hochberg.h"
#include "detectors/chi_square.h"
#include "detectors/hellinger.h"
#include "detectors/jensen_shannon.h"
#include "detectors/kolmogorov_smirnov.h"
#include "detectors/l_infinity.h"
#include "detectors/psi.h"
#include "detectors/wasserstein.h"

namespace outrider::detectors {

std::string_view to_string(State state) {
  switch (state) {
    case State::warming_up:
      return "warming_up";
    case State::stable:
      return "stable";
    case State::warning:
      return "warning";
    case State::drift:
      return "drift";
  }
  return "warming_up";
}

Scores compare(const Binning& bins, const BinCounts& frozen, double deviation,
               const BinCounts& live) {
  const CountSpan p = frozen.values(bins), q = live.values(bins);
  Scores scores;
  if (total(p) == 0 || total(q) == 0) return scores;
  scores.psi = psi0(p, q);
  scores.psi_plain = psi(p, q);
  scores.js = jensen_shannon(p, q);
  scores.hellinger = hellinger(p, q);
  scores.l_infinity = l_infinity(p, q);
  if (bins.kind() == FeatureKind::numeric) {
    scores.ks = kolmogorov_smirnov(p, q);
    const double distance = wasserstein(bins.edges(), p, frozen.tails, q, live.tails);
    scores.wasserstein =
        std::min(distance / wasserstein_norm(deviation), std::numeric_limits<double>::max());
  }
  const ChiSquare test = chi_square(p, q);
  scores.chi2 = test.statistic;
  scores.degrees = test.degrees;
  scores.p = test.p;
  return scores;
}

namespace {

// A score over its threshold. No threshold is none that a score could exceed.
double over(double score, double threshold) {
  return threshold > 0 ? std::max(score, 0.0) / threshold : 0;
}

double ratio_of(const Verdict& verdict, double distance) {
  const double effect = std::max(over(distance, verdict.thresholds.ks),
                                 over(verdict.scores.psi, verdict.thresholds.psi));
  const double ratio = std::min(effect, over(verdict.scores.chi2, verdict.thresholds.chi2));
  // q and chi2 are two sides of one p-value, equal to rounding: the ratio is on the verdict's side.
  return verdict.exceeded ? std::max(ratio, std::nextafter(1.0, 2.0)) : std::min(ratio, 1.0);
}

}  // namespace

void judge_pane(const DriftRule& rule, std::vector<Verdict>& verdicts, double share) {
  const double q_max = rule.q_max * share;
  std::vector<Verdict*> judged;
  std::vector<double> p;
  for (Verdict& verdict : verdicts) {
    verdict.state = State::warming_up;
    verdict.q = 1;
    verdict.effect = verdict.exceeded = false;
    verdict.ratio = 0;
    if (verdict.n < rule.rows_per_bin * verdict.bins || verdict.m == 0) continue;
    judged.push_back(&verdict);
    p.push_back(verdict.scores.p);
  }
  const std::vector<double> q = benjamini_hochberg(p);
  const double cut = benjamini_hochberg_cut(p, q_max);
  for (std::size_t i = 0; i < judged.size(); ++i) {
    Verdict& verdict = *judged[i];
    const DesignEffect& design = verdict.design;
    const double noise = 1 / static_cast<double>(verdict.n) + 1 / static_cast<double>(verdict.m) +
                         verdict.hours.noise;
    const double contrasts = static_cast<double>(verdict.bins) - 1;
    const double unknown = std::sqrt(verdict.hours.unknown);
    const double psi = rule.psi_effect + (design.bins - 1) * contrasts * noise;
    // PSI is the square of a shift: what is allowed for adds to its root.
    const double allowed = rule.rhythm_psi * unknown;
    verdict.thresholds = {
        psi + allowed * (2 * std::sqrt(psi) + allowed),
        rule.ks_effect + rule.ks_noise * std::sqrt(design.rank * noise) + rule.rhythm_ks * unknown,
        chi_square_critical(cut, verdict.scores.degrees, design), q_max};
    const double distance =
        verdict.kind == FeatureKind::numeric ? verdict.scores.ks : verdict.scores.l_infinity;
    verdict.q = q[i];
    verdict.effect =
        distance > verdict.thresholds.ks || verdict.scores.psi > verdict.thresholds.psi;
    verdict.exceeded = verdict.effect && verdict.q < q_max;
    verdict.ratio = ratio_of(verdict, distance);
    verdict.state = verdict.exceeded ? State::drift : State::stable;
  }
}

State PaneHistory::next(const DriftRule& rule, const Verdict& pane) {
  const unsigned mask = (1U << std::min<std::size_t>(rule.panes_kept, 8)) - 1;
  exceeded_ = static_cast<std::uint8_t>(((exceeded_ << 1) | (pane.exceeded ? 1 : 0)) & mask);
  const auto count = static_cast<std::size_t>(std::popcount(exceeded_));
  if (count >= rule.panes_needed) return State::drift;
  return count > 0 ? State::warning : State::stable;
}

}  // namespace outrider::detectors
