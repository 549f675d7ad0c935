// SPDX-License-Identifier: Apache-2.0
#pragma once

// The alarm rule: when is a distance a drift?
//
// Idea. Large samples make every distance significant, small ones make every distance large; so
//   an alarm needs effect AND significance, for many features at once, and again:
//     effect        D > 0.05 + 1.63 sqrt(1/n + 1/m)  or  PSI0 > 0.1
//     significance  Benjamini-Hochberg q < 1e-3 over the version's subjects
//     again         in 2 of the last 3 panes: drift; in 1 of 3: warning
//   D is Kolmogorov-Smirnov's, for categories L-infinity; p is the two-sample chi-square test's.
//   Below n = 25 B rows in the pane the verdict is warming_up: not enough, never a 0.
// Rows that hang together say less than n rows do. Their design effect (design_effect.h: rank,
//   bins; 1 and 1 of independent rows) moves the thresholds:
//     D > 0.05 + 1.63 sqrt(rank (1/n + 1/m)),  PSI0 > 0.1 + (bins - 1)(B - 1)(1/n + 1/m),
//     p of chi-square / rank with (B - 1) bins / rank degrees of freedom.
// Panes. A pane is five minutes. Where five minutes hold fewer than 25 B rows they are joined to
//   the next, up to `join_max`, so that a slow model is judged rather than warming up for ever.
//   A busy one's pane is looked at before it ends; the looks share its 1e-3 (pane_looks.h), and a
//   pane has one vote: what exceeded in any of its looks.
// Hours. Where a rhythm is watched (rhythm.h) the rows are compared with what is expected of their
//   hours; the expectation's sampling noise joins 1/n + 1/m, and what is not known of the rhythm
//   yet is allowed for:
//     D by 0.6 sqrt(unknown) more, sqrt(PSI0) by 1.5 sqrt(unknown): a shift of 1.5 standard
//     deviations of the unknown, as a normal distribution has it.
// Long windows. At the end of each hour the last 6, 12 and 24 hours are judged too, by a 1/72 of
//   the error budget each: what five minutes are too few for, or what an unknown rhythm of the day
//   hides. Exceeding, they are drift, as long as the newest hour agrees: its deviation has at least
//   half of the window's along it.
// Ratio. How far a pane exceeds, in one number: the smaller of effect and significance, each over
//   its threshold: min(max(D / D*, PSI0 / PSI0*), chi2 / chi2*). Above 1 exactly when the pane
//   exceeds.
// Cost. O(subjects x bins) each five minutes.
// Example. n = m = 2 000: D must exceed 0.05 + 1.63 sqrt(0.001) = 0.1015.
// Source. Effect and significance: Sullivan & Feinn 2012; the 1.63 is the 1 % point of the
//   Kolmogorov distribution.
// Fails. A season that is neither the day's nor the week's is a difference from the reference,
//   hence drift; a drift that lasts less than two panes of three stays a warning.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "detectors/binning.h"
#include "detectors/design_effect.h"

namespace outrider::detectors {

enum class State : std::uint8_t { warming_up, stable, warning, drift };
std::string_view to_string(State state);  // "warming_up", …: the metric's `state`

struct DriftRule {
  double ks_effect = 0.05;
  double ks_noise = 1.63;
  double psi_effect = 0.1;
  double q_max = 1e-3;
  std::uint64_t rows_per_bin = 25;
  std::size_t panes_kept = 3;  // at most 8
  std::size_t panes_needed = 2;
  Duration join_max = std::chrono::hours(1);
  bool by_hours = true;  // false: neither rhythm nor long windows
  double rhythm_ks = 0.6;
  double rhythm_psi = 1.5;
  std::array<std::size_t, 3> long_hours = {6, 12, 24};  // at most 24
};

// One subject's live counts against its reference (or another version's).
struct Scores {
  double psi = 0;        // debiased, PSI0; can be a little below 0
  double psi_plain = 0;  // without the debiasing
  double ks = 0;         // numeric: sup |F - G| at the edges; categorical: 0
  double js = 0;         // Jensen-Shannon distance, base 2, in [0, 1]
  double hellinger = 0;
  double l_infinity = 0;
  double wasserstein = 0;  // numeric: W1 / reference deviation; categorical: 0
  double chi2 = 0;         // the statistic, cells with an expected count below 5 merged
  double degrees = 0;      // its degrees of freedom
  double p = 1;            // its p-value; in a verdict given the design effect
};

struct Thresholds {
  double psi = 0.1;
  double ks = 0;    // 0.05 + 1.63 sqrt(rank (1/n + 1/m)); of l_infinity where categorical
  double chi2 = 0;  // the statistic at which q is significant, given the other subjects
  double q = 0;     // what q has to be below: q_max, or a look's share of it
};

// What the rows' hours explain of a distance from the reference.
struct HoursAllowance {
  double noise = 0;    // of the expectation, as 1 / rows
  double unknown = 0;  // variance of what is not known of the rhythm
  bool operator==(const HoursAllowance&) const = default;
};

struct Verdict {
  std::string subject;    // the feature's name, "prediction", "multivariate"
  std::string reference;  // the `reference` label: which bins
  FeatureKind kind = FeatureKind::numeric;
  std::size_t bins = 0;  // B; the rule asks for 25 rows for each
  State state = State::warming_up;
  std::uint64_t n = 0;  // value rows in the pane judged
  std::uint64_t m = 0;  // value rows in the reference
  DesignEffect design;  // of the live rows
  HoursAllowance hours;
  std::size_t window_hours = 0;  // of a long window; 0: a pane
  Scores scores;
  Thresholds thresholds;
  double q = 1;  // Benjamini-Hochberg
  bool effect = false;
  bool exceeded = false;  // effect and q < thresholds.q, in this pane
  double ratio = 0;       // score over threshold, >= 0: above 1 exactly when it exceeded
};

// All distances of the live value bins against the reference's (or another version's) over the same
// bins; `deviation` is the reference's, the unit of wasserstein.
Scores compare(const Binning& bins, const BinCounts& frozen, double deviation,
               const BinCounts& live);

// Judges one pane of all subjects, whose n, m and scores are filled in: fills thresholds, q,
// effect, exceeded, ratio and the state by this pane alone: warming_up where n < 25 B (such a
// subject takes no part in the correction), else stable or drift. A look spends a `share` of q_max.
void judge_pane(const DriftRule& rule, std::vector<Verdict>& verdicts, double share = 1);

// The memory of the last panes of one subject: which exceeded. 1 byte.
class PaneHistory {
 public:
  State next(const DriftRule& rule, const Verdict& pane);  // Of a pane that was not warming up.

  std::uint8_t bits() const { return exceeded_; }  // For a snapshot.
  static PaneHistory of(std::uint8_t bits) {
    PaneHistory history;
    history.exceeded_ = bits;
    return history;
  }

 private:
  std::uint8_t exceeded_ = 0;  // One bit a pane, the newest lowest.
};

}  // namespace outrider::detectors
