// SPDX-License-Identifier: Apache-2.0
#include "detectors/chi_square.h"

#include <algorithm>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace outrider::detectors {
namespace {

constexpr double expected_min = 5;

struct Cell {
  double p = 0, q = 0;
};

// Left to right; what is left at the end joins the last cell.
std::vector<Cell> merge_thin_cells(CountSpan p, CountSpan q, double share_p, double share_q) {
  const double smaller_share = std::min(share_p, share_q);
  std::vector<Cell> cells;
  Cell open;
  for (std::size_t i = 0; i < p.size(); ++i) {
    open.p += static_cast<double>(p[i]);
    open.q += static_cast<double>(q[i]);
    if ((open.p + open.q) * smaller_share >= expected_min) {
      cells.push_back(open);
      open = {};
    }
  }
  if (cells.empty()) return {open};
  cells.back().p += open.p;
  cells.back().q += open.q;
  return cells;
}

// Underflow of a tail is 0, not an exception.
using Quiet = boost::math::policies::policy<
    boost::math::policies::domain_error<boost::math::policies::ignore_error>,
    boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::underflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::evaluation_error<boost::math::policies::ignore_error>>;

}  // namespace

ChiSquare chi_square(CountSpan p, CountSpan q) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return {};
  const double share_p = n / (n + m), share_q = m / (n + m);
  ChiSquare result;
  const auto cells = merge_thin_cells(p, q, share_p, share_q);
  for (const Cell& cell : cells) {
    const double both = cell.p + cell.q;
    if (both == 0) continue;
    const double surplus = cell.p - both * share_p;  // of q: the same with the other sign
    result.statistic += surplus * surplus * (1 / (both * share_p) + 1 / (both * share_q));
  }
  result.degrees = static_cast<double>(cells.size()) - 1;
  result.p = chi_square_p(result.statistic, result.degrees);
  return result;
}

double chi_square_p(double statistic, double degrees) {
  if (degrees <= 0 || !(statistic > 0)) return 1;
  if (!std::isfinite(statistic)) return 0;
  return boost::math::gamma_q(degrees / 2, statistic / 2, Quiet());
}

double chi_square_critical(double p, double degrees) {
  if (degrees <= 0 || p >= 1) return 0;
  if (p <= 0) return std::numeric_limits<double>::max();
  return 2 * boost::math::gamma_q_inv(degrees / 2, p, Quiet());
}

double noncentral_chi_square_p(double statistic, double degrees, double noncentrality) {
  const boost::math::non_central_chi_squared_distribution<double, Quiet> shifted(degrees,
                                                                                 noncentrality);
  return cdf(complement(shifted, statistic));
}

}  // namespace outrider::detectors
