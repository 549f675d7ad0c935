// SPDX-License-Identifier: Apache-2.0
#include "detectors/rank_test.h"

#include <array>
#include <cassert>
#include <cmath>
#include <vector>

#include "detectors/chi_square.h"

namespace outrider::detectors {
namespace {

// Weighted by the pooled shares `w`: the mean of f g.
double product(const std::vector<double>& w, const std::vector<double>& f,
               const std::vector<double>& g) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * f[i] * g[i];
  return sum;
}

// Makes f orthogonal to g, and of mean square 1; zeros where nothing is left of it.
void orthogonalise(const std::vector<double>& w, std::vector<double>& f,
                   const std::vector<double>& g) {
  const double norm = product(w, g, g);
  const double along = norm > 0 ? product(w, f, g) / norm : 0;
  for (std::size_t i = 0; i < f.size(); ++i) f[i] -= along * g[i];
}

void normalise(const std::vector<double>& w, std::vector<double>& f) {
  const double square = product(w, f, f);
  const double scale = square > 1e-12 ? 1 / std::sqrt(square) : 0;
  for (double& x : f) x *= scale;
}

}  // namespace

RankTest rank_test(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return {};
  const std::size_t bins = p.size();
  std::vector<double> share(bins), one(bins, 1.0), location(bins), spread(bins);
  double below = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    share[i] = (static_cast<double>(p[i]) + static_cast<double>(q[i])) / (n + m);
    location[i] = below + share[i] / 2 - 0.5;
    spread[i] = location[i] * location[i];
    below += share[i];
  }
  orthogonalise(share, location, one);
  normalise(share, location);
  orthogonalise(share, spread, one);
  orthogonalise(share, spread, location);
  normalise(share, spread);

  RankTest result;
  const double scale = std::sqrt(n * m / (n + m));
  for (std::size_t i = 0; i < bins; ++i) {
    const double moved = static_cast<double>(q[i]) / m - static_cast<double>(p[i]) / n;
    result.location += scale * moved * location[i];
    result.spread += scale * moved * spread[i];
  }
  result.p = chi_square_p(result.location * result.location + result.spread * result.spread, 2);
  return result;
}

}  // namespace outrider::detectors
