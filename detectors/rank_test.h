// SPDX-License-Identifier: Apache-2.0
#pragma once

// Location and spread of one sample against another, from ordered bins: the two tests that a
// shifted or a widened component is found by with far fewer rows than by an omnibus test.
//
// Idea. Give each bin its mid-rank u in (0, 1) in the pooled sample. The difference of mean u
//   between the samples, standardised, is the Wilcoxon statistic with ties; that of (u - 1/2)^2,
//   made orthogonal to u, is Mood's. Under equal distributions their squares sum to chi-square
//   with 2 degrees of freedom.
// Parameters. None.
// Cost. O(B).
// Example. p = {10, 20}, q = {20, 10}: one contrast only, location^2 = 6.6667 (the chi-square of
//   the table), spread = 0.
// Source. Mood 1954; Neyman's smooth test (1937) of order 2 on grouped ranks: Best & Rayner,
//   "Goodness of fit for grouped data using components of Pearson's X^2", 1987.
// Fails. A change that keeps both location and spread, e.g. one mode that splits in two
//   (chi-square sees it).

#include "detectors/psi.h"

namespace outrider::detectors {

struct RankTest {
  double location = 0;  // standard normal under the null; > 0: q lies higher
  double spread = 0;    // > 0: q is wider
  double p = 1;         // of location^2 + spread^2, two degrees of freedom
};

RankTest rank_test(CountSpan p, CountSpan q);

}  // namespace outrider::detectors
