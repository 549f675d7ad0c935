// SPDX-License-Identifier: Apache-2.0
#pragma once

// Jensen-Shannon distance, base 2: the square root of the mean Kullback-Leibler divergence of p
// and q from their middle.
//
// Idea. A metric in [0, 1] that needs no smoothing: the middle is positive wherever p or q is.
// Parameters. None; base 2.
// Cost. O(B), two logarithms a bin.
// Example. p = {1, 0}, q = {0, 1}: 1. p = {1, 1}, q = {1, 0}: sqrt(0.311278) = 0.557923.
// Source. Lin, "Divergence measures based on the Shannon entropy", IEEE TIT 1991. As
//   scipy.spatial.distance.jensenshannon with base=2, and NannyML. Evidently uses base e
//   (smaller by sqrt(ln 2) = 0.8326).
// Fails. Biased upwards on few rows (about sqrt((B-1)/(8 ln 2) (1/n + 1/m))); order-blind as
//   PSI.

#include "detectors/psi.h"

namespace outrider::detectors {

double jensen_shannon(CountSpan p, CountSpan q);  // In [0, 1]; 0 when either is empty.

}  // namespace outrider::detectors
