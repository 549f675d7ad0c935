// SPDX-License-Identifier: Apache-2.0
#include "detectors/hellinger.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {

double hellinger(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double gap =
        std::sqrt(static_cast<double>(p[i]) / n) - std::sqrt(static_cast<double>(q[i]) / m);
    sum += gap * gap;
  }
  return std::min(1.0, std::sqrt(sum / 2));
}

}  // namespace outrider::detectors
