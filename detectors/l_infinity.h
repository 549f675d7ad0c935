// SPDX-License-Identifier: Apache-2.0
#pragma once

// L-infinity distance: the largest change of one bin's share. For categories, where there is no
// order, it stands in the alarm rule where Kolmogorov-Smirnov stands for numbers.
//
// Idea. The bin that gained or lost most, as a share of all rows: a number that a person can check
//   by eye.
// Parameters. None.
// Cost. O(B).
// Example. p = {5, 5}, q = {8, 2}: 0.3.
// Source. As NannyML's l_infinity.
// Fails. Many bins that each move a little are not seen (PSI sees them).

#include "detectors/psi.h"

namespace outrider::detectors {

double l_infinity(CountSpan p, CountSpan q);  // In [0, 1]; 0 when either is empty.

}  // namespace outrider::detectors
