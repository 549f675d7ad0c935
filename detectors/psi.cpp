// SPDX-License-Identifier: Apache-2.0
#include "detectors/psi.h"

#include <cassert>
#include <cmath>

namespace outrider::detectors {

std::uint64_t total(CountSpan counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) sum += count;
  return sum;
}

double psi(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const double half = static_cast<double>(p.size()) / 2;
  const double n = static_cast<double>(total(p)) + half;
  const double m = static_cast<double>(total(q)) + half;
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double a = (static_cast<double>(p[i]) + 0.5) / n;
    const double b = (static_cast<double>(q[i]) + 0.5) / m;
    sum += (a - b) * std::log(a / b);
  }
  return sum;
}

double psi0(CountSpan p, CountSpan q) {
  const std::uint64_t n = total(p), m = total(q);
  if (n == 0 || m == 0) return 0;  // Nothing was seen: no evidence of anything.
  const double bias = (static_cast<double>(p.size()) - 1) *
                      (1 / static_cast<double>(n) + 1 / static_cast<double>(m));
  return psi(p, q) - bias;
}

}  // namespace outrider::detectors
