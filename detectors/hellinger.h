// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hellinger distance: sqrt(1/2 sum (sqrt p - sqrt q)^2), a metric in [0, 1].
//
// Idea. Square roots make small bins count more than in total variation, without PSI's
//   infinities.
// Parameters. None.
// Cost. O(B).
// Example. p = {1, 0}, q = {1, 1}: sqrt(1 - sqrt(1/2)) = 0.541196.
// Source. Hellinger 1909; as NannyML.
// Fails. Biased upwards on few rows; order-blind.

#include "detectors/psi.h"

namespace outrider::detectors {

double hellinger(CountSpan p, CountSpan q);  // In [0, 1]; 0 when either is empty.

}  // namespace outrider::detectors
