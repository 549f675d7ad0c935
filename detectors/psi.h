// SPDX-License-Identifier: Apache-2.0
#pragma once

// Population stability index between two count vectors over the same bins.
//
// Idea. PSI = sum (p - q) ln(p / q), the symmetrised Kullback-Leibler divergence, with p = (c +
//   1/2) / (n + B/2) so that empty bins stay finite. On equal distributions its expectation is
//   (B-1)(1/n + 1/m), not 0: with many bins and few rows plain PSI "drifts" on nothing. PSI0
//   subtracts that.
// Parameters. None but the bins; 0.1 is the customary "something moved", 0.25 "moved a lot".
// Cost. O(B): one logarithm a bin.
// Example. p = {50, 50}, q = {90, 10}: smoothed 0.5, 0.5 against 90.5/101, 10.5/101:
//   (0.39604)(ln 1.79208) + (0.39604)(ln 4.80952) = 0.23105 + 0.62202 = 0.85307.
// Source. Siddiqi 2006; the debiasing: Yurdakul & Naranjo, "Statistical properties of PSI", 2020
//   (null mean).
// Fails. Order-blind: a shift to the next bin weighs as much as one to the last. The debiasing
//   is exact to first order only; PSI0 can be a little below 0, and over-corrects where bins are
//   nearly empty on both sides.

#include <cstdint>
#include <span>

namespace outrider::detectors {

using CountSpan = std::span<const std::uint64_t>;

double psi(CountSpan p, CountSpan q);  // >= 0. Spans of equal size.
double psi0(CountSpan p, CountSpan q);

std::uint64_t total(CountSpan counts);

}  // namespace outrider::detectors
