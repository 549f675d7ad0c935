// SPDX-License-Identifier: Apache-2.0
#pragma once

// Benjamini-Hochberg: q-values of many p-values. Rejecting all with q < alpha keeps the expected
// share of false ones among the rejected below alpha.
//
// Idea. q of the k-th smallest of m p-values is min over j >= k of p_(j) m / j.
// Parameters. alpha, the share of false ones that is accepted: 1e-3 in the alarm rule.
// Cost. O(m log m).
// Example. p = {0.01, 0.04, 0.03}: q = {0.03, 0.04, 0.04}.
// Source. Benjamini & Hochberg, JRSS B 1995. Holds under independence and positive dependence.
// Fails. Under arbitrary negative dependence the guarantee is weaker by a factor of about ln m.

#include <span>
#include <vector>

namespace outrider::detectors {

// One q a p, in the same order, each in [p, 1]. NaN counts as 1.
std::vector<double> benjamini_hochberg(std::span<const double> p);

// The p at or below which q <= alpha; alpha / m when nothing is rejected, so that a threshold
// exists. 0 for m = 0.
double benjamini_hochberg_cut(std::span<const double> p, double alpha);

}  // namespace outrider::detectors
