// SPDX-License-Identifier: Apache-2.0
#include "detectors/benjamini_hochberg.h"

#include <algorithm>
#include <numeric>

namespace outrider::detectors {

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  auto value = [&](std::size_t i) { return p[i] == p[i] ? std::clamp(p[i], 0.0, 1.0) : 1.0; };
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return value(a) < value(b); });
  std::vector<double> q(p.size());
  double smallest = 1;
  for (std::size_t rank = p.size(); rank > 0; --rank) {
    const std::size_t i = order[rank - 1];
    smallest =
        std::min(smallest, value(i) * static_cast<double>(p.size()) / static_cast<double>(rank));
    q[i] = smallest;
  }
  return q;
}

double benjamini_hochberg_cut(std::span<const double> p, double alpha) {
  if (p.empty()) return 0;
  const std::vector<double> q = benjamini_hochberg(p);
  const auto rejected = std::count_if(q.begin(), q.end(), [&](double x) { return x <= alpha; });
  return alpha * static_cast<double>(std::max<std::ptrdiff_t>(rejected, 1)) /
         static_cast<double>(p.size());
}

}  // namespace outrider::detectors
