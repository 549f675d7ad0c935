// SPDX-License-Identifier: Apache-2.0
#include "detectors/jensen_shannon.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {

double jensen_shannon(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double a = static_cast<double>(p[i]) / n;
    const double b = static_cast<double>(q[i]) / m;
    const double middle = (a + b) / 2;
    if (a > 0) sum += a * std::log2(a / middle);
    if (b > 0) sum += b * std::log2(b / middle);
  }
  return std::sqrt(std::clamp(sum / 2, 0.0, 1.0));  // Rounding may leave it outside by 1e-17.
}

}  // namespace outrider::detectors
