// SPDX-License-Identifier: Apache-2.0
#pragma once

// Did values move between two samples, and would we have seen it if they had? What a person asks
// when an incident opens, with the rows that there are: too few for a pane's verdict, but a pane
// says nothing of what its silence is worth.
//
// Idea. drift_rule.h's effect and significance, on two samples over the same bins:
//     moved   PSI0 > 0.1 + (bins - 1)(B - 1)(1/n + 1/m)  and  Benjamini-Hochberg q < 1e-3 over the subjects
//   Of one that did not move, the power: how likely a shift of PSI 0.2 would have been called
//   moved. Chi-square is PSI times h = nm / (n + m) to first order, so under that shift it is
//   noncentral with noncentrality 0.2 h, and
//     power = P(chi-square'(B - 1, 0.2 h) > max(critical(1e-3 / subjects), B - 1 + 0.1 h))
//   with the design effect of rows that hang together divided out (rank of the statistic,
//   design_effect.h). `rows_needed` are those at which the power is 0.9 with m as it is.
// Parameters. ShiftRule's: PSI 0.2 is half-way between the customary "something moved" and "moved a
//   lot".
// Cost. O(B) a subject and a bisection of some twenty noncentral chi-square tails: 60 us at 20
//   bins.
// Example. 340 rows against 2 000, 20 bins, 2 subjects: power 0.973; 0.9 takes 256 rows.
// Source. Noncentral chi-square: Cohen, "Statistical power analysis", 1988, chapter 7; the debiased
//   PSI: psi.h.
// Fails. As chi-square does where bins are thin: below five rows a bin neighbours are merged and
//   the power is a little too high for shifts between neighbours. It is the power against one shift
//   of that PSI at a time.

#include <cstddef>
#include <span>
#include <vector>

#include "detectors/design_effect.h"
#include "detectors/psi.h"

namespace outrider::detectors {

struct ShiftRule {
  double psi_effect = 0.1;
  double q_max = 1e-3;
  double psi_to_see = 0.2;
  double power_min = 0.9;
};

// Spans of equal size.
struct ShiftSamples {
  CountSpan live, base;
  DesignEffect design = {};  // Of the live rows.
};

struct Shift {
  std::uint64_t n = 0, m = 0;  // Rows of the live sample and of the base.
  double psi = 0;              // Debiased; can be a little below 0.
  double p = 1, q = 1;
  bool moved = false;
  double power = 0;               // To see psi_to_see.
  std::uint64_t rows_needed = 0;  // n for power_min; 0: no n suffices against such a small base.
};

// One a pair of samples. An empty sample has not moved, with power 0.
std::vector<Shift> judge_shifts(std::span<const ShiftSamples> subjects, const ShiftRule& rule = {});

// The probability that a shift of rule.psi_to_see is called moved; 0 for empty samples or fewer
// than two bins.
double shift_power(double n, double m, std::size_t bins, std::size_t subjects,
                   const DesignEffect& design = {}, const ShiftRule& rule = {});

}  // namespace outrider::detectors
