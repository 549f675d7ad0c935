// SPDX-License-Identifier: Apache-2.0
#include "detectors/jensen_shannon.h"

#include <algorithm>
#include <cmath>

#include "detectors/shares.h"

namespace outrider::detectors {

double jensen_shannon(CountSpan p, CountSpan q) {
  const double sum = sum_over_shares(p, q, [](double a, double b) {
    const double middle = (a + b) / 2;
    return (a > 0 ? a * std::log2(a / middle) : 0) + (b > 0 ? b * std::log2(b / middle) : 0);
  });
  return std::sqrt(std::clamp(sum / 2, 0.0, 1.0));  // Rounding may leave it outside by 1e-17.
}

}  // namespace outrider::detectors
