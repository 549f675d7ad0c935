// SPDX-License-Identifier: Apache-2.0
#include "detectors/hellinger.h"

#include <algorithm>
#include <cmath>

#include "detectors/shares.h"

namespace outrider::detectors {

double hellinger(CountSpan p, CountSpan q) {
  const double sum = sum_over_shares(p, q, [](double a, double b) {
    const double gap = std::sqrt(a) - std::sqrt(b);
    return gap * gap;
  });
  return std::min(1.0, std::sqrt(sum / 2));
}

}  // namespace outrider::detectors
