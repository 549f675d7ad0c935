// SPDX-License-Identifier: Apache-2.0
#pragma once

// A sum over bins of a function of both shares: what distances between count vectors are made of.

#include <cassert>

#include "detectors/psi.h"

namespace outrider::detectors {

// sum of term(p_i / n, q_i / m); 0 when either is empty. Spans of equal size.
template <class Term>
double sum_over_shares(CountSpan p, CountSpan q, Term term) {
  assert(p.size() == q.size());
  const auto n = static_cast<double>(total(p));
  const auto m = static_cast<double>(total(q));
  if (n == 0 || m == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    sum += term(static_cast<double>(p[i]) / n, static_cast<double>(q[i]) / m);
  }
  return sum;
}

}  // namespace outrider::detectors
