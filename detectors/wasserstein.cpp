// SPDX-License-Identifier: Apache-2.0
#include "detectors/wasserstein.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace outrider::detectors {
namespace {

// The area between two straight lines whose gaps at the ends are `left` and `right`.
double area(double left, double right, double width) {
  if (left * right >= 0) return width * std::abs(left + right) / 2;
  return width * (left * left + right * right) / (2 * (std::abs(left) + std::abs(right)));
}

double finite(double x) {
  return std::isfinite(x) ? x : std::numeric_limits<double>::max();
}

}  // namespace

double wasserstein(std::span<const double> edges, CountSpan p, const TailSums& tails_p, CountSpan q,
                   const TailSums& tails_q) {
  assert(p.size() == q.size() && p.size() == edges.size() + 1);
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return 0;
  if (edges.empty()) return finite(std::abs(tails_p.sum / n - tails_q.sum / m));
  double distance = std::abs(tails_p.below / n - tails_q.below / m) +
                    std::abs(tails_p.above / n - tails_q.above / m);
  double below_p = 0, below_q = 0, gap_before = 0;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    below_p += static_cast<double>(p[i]);
    below_q += static_cast<double>(q[i]);
    const double gap = below_p / n - below_q / m;
    if (i > 0) distance += area(gap_before, gap, edges[i] - edges[i - 1]);
    gap_before = gap;
  }
  return finite(distance);
}

double wasserstein_norm(double reference_deviation) {
  return std::max(reference_deviation, 0.001);
}

}  // namespace outrider::detectors
