// SPDX-License-Identifier: Apache-2.0
#include "detectors/shift.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "detectors/benjamini_hochberg.h"
#include "detectors/chi_square.h"

namespace outrider::detectors {
namespace {

constexpr std::uint64_t rows_max = 1'000'000'000;

double effective_rows(double n, double m) {
  return n > 0 && m > 0 ? n * m / (n + m) : 0;
}

std::size_t used_bins(CountSpan a, CountSpan b) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < a.size(); ++i) used += a[i] + b[i] > 0;
  return used;
}

std::uint64_t rows_needed(double m, std::size_t bins, std::size_t subjects,
                          const DesignEffect& design, const ShiftRule& rule) {
  const auto suffices = [&](std::uint64_t n) {
    return shift_power(static_cast<double>(n), m, bins, subjects, design, rule) >= rule.power_min;
  };
  std::uint64_t too_few = 0, enough = 64;
  while (!suffices(enough)) {
    if (enough > rows_max) return 0;
    too_few = enough;
    enough *= 2;
  }
  while (enough - too_few > 1) {
    const std::uint64_t middle = too_few + (enough - too_few) / 2;
    (suffices(middle) ? enough : too_few) = middle;
  }
  return enough;
}

}  // namespace

double shift_power(double n, double m, std::size_t bins, std::size_t subjects,
                   const DesignEffect& design, const ShiftRule& rule) {
  const double rows = effective_rows(n, m);
  if (rows <= 0 || bins < 2) return 0;
  const double contrasts = static_cast<double>(bins) - 1;
  const double significant = chi_square_critical(
      rule.q_max / static_cast<double>(std::max<std::size_t>(subjects, 1)), contrasts, design);
  const double large = contrasts * design.bins + rule.psi_effect * rows;
  return noncentral_chi_square_p(std::max(significant, large) / design.rank,
                                 contrasts * design.bins / design.rank,
                                 rule.psi_to_see * rows / design.rank);
}

std::vector<Shift> judge_shifts(std::span<const ShiftSamples> subjects, const ShiftRule& rule) {
  std::vector<Shift> shifts;
  std::vector<double> p;
  for (const ShiftSamples& one : subjects) {
    assert(one.live.size() == one.base.size());
    Shift shift{.n = total(one.live), .m = total(one.base)};
    shift.psi = psi0(one.live, one.base);
    const ChiSquare test = chi_square(one.live, one.base);
    shift.p = chi_square_p(test.statistic, test.degrees, one.design);
    p.push_back(shift.p);
    shifts.push_back(shift);
  }
  const std::vector<double> q = benjamini_hochberg(p);
  for (std::size_t i = 0; i < shifts.size(); ++i) {
    Shift& shift = shifts[i];
    const ShiftSamples& one = subjects[i];
    const auto n = static_cast<double>(shift.n), m = static_cast<double>(shift.m);
    shift.q = q[i];
    if (shift.n == 0 || shift.m == 0) continue;
    const double contrasts = static_cast<double>(one.live.size()) - 1;
    const double inflation = (one.design.bins - 1) * contrasts / effective_rows(n, m);
    shift.moved = shift.psi > rule.psi_effect + inflation && shift.q < rule.q_max;
    const std::size_t bins = used_bins(one.live, one.base);
    shift.power = shift_power(n, m, bins, shifts.size(), one.design, rule);
    shift.rows_needed = rows_needed(m, bins, shifts.size(), one.design, rule);
  }
  return shifts;
}

}  // namespace outrider::detectors
