// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many of at most 31 ascending numbers lie below x: five steps without a branch that could be
// mispredicted. Source: Khuong & Morin, "Array layouts for comparison-based searching", JEA 2017,
// section 2 (branch-free search).

#include <array>
#include <cstddef>
#include <limits>

namespace outrider::detectors {

inline constexpr std::size_t search_width = 32;

// Ascending; what is not used is +infinity, which lies below nothing.
using SearchTable = std::array<double, search_width>;

inline SearchTable empty_search_table() {
  SearchTable table;
  table.fill(std::numeric_limits<double>::infinity());
  return table;
}

inline std::size_t count_below(const SearchTable& table, double x) {
  const double* base = table.data();
  for (std::size_t half = search_width / 2; half > 0; half /= 2) {
    base += half * static_cast<std::size_t>(base[half - 1] < x);
  }
  return static_cast<std::size_t>(base - table.data());
}

}  // namespace outrider::detectors
