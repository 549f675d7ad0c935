// SPDX-License-Identifier: Apache-2.0
#include "detectors/l_infinity.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {

double l_infinity(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return 0;
  double largest = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    largest =
        std::max(largest, std::abs(static_cast<double>(p[i]) / n - static_cast<double>(q[i]) / m));
  }
  return largest;
}

}  // namespace outrider::detectors
