// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two-sample chi-square test over bins, neighbouring cells merged until each has an expected
// count of at least 5.
//
// Idea. Under "both samples from one distribution" the cells' deviations from their expected
//   counts sum to a chi-square variable; its upper tail is the p-value. Merging keeps the
//   approximation honest where bins are thin.
// Parameters. 5, Cochran's rule.
// Cost. O(B) and one incomplete gamma function.
// Example. p = {10, 20}, q = {20, 10}: every expected count is 15, the statistic 4 x 25/15 =
//   6.6667, 1 degree of freedom, p = 0.009823.
// Source. Cochran 1954; as scipy.stats.chi2_contingency(correction=False) of the merged table.
// Fails. Assumes independent rows: under autocorrelation p is far too small, which is why the
//   alarm rule also asks for an effect; with millions of rows everything is significant, for the
//   same reason.

#include "detectors/psi.h"

namespace outrider::detectors {

struct ChiSquare {
  double statistic = 0;
  double degrees = 0;  // merged cells - 1; 0 when everything merged into one cell
  double p = 1;
};

ChiSquare chi_square(CountSpan p, CountSpan q);

double chi_square_p(double statistic, double degrees);  // upper tail
double chi_square_critical(double p, double degrees);   // the statistic with that upper tail
// Upper tail of the noncentral distribution: the power of a test whose critical value is
// `statistic`.
double noncentral_chi_square_p(double statistic, double degrees, double noncentrality);

}  // namespace outrider::detectors
