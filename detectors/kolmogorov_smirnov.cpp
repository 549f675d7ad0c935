// SPDX-License-Identifier: Apache-2.0
#include "detectors/kolmogorov_smirnov.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace outrider::detectors {

double kolmogorov_smirnov(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const std::uint64_t n = total(p), m = total(q);
  if (n == 0 || m == 0) return 0;
  std::uint64_t below_p = 0, below_q = 0;
  double largest = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    below_p += p[i];
    below_q += q[i];
    const double gap = static_cast<double>(below_p) / static_cast<double>(n) -
                       static_cast<double>(below_q) / static_cast<double>(m);
    largest = std::max(largest, std::abs(gap));
  }
  return largest;
}

double kolmogorov_smirnov_p(double distance, double n, double m) {
  if (n <= 0 || m <= 0) return 1;
  const double root = std::sqrt(n * m / (n + m));
  const double t = (root + 0.12 + 0.11 / root) * distance;
  if (t < 0.2) return 1;  // The series needs many terms there, and is 1 to 12 digits.
  double sum = 0, sign = 1;
  for (int k = 1; k <= 100; ++k, sign = -sign) {
    const double term = std::exp(-2.0 * k * k * t * t);
    sum += sign * term;
    if (term < 1e-16) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

}  // namespace outrider::detectors
