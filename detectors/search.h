// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many of at most 31 ascending numbers lie below x, without a branch that could be mispredicted
// and without a chain of loads that wait for each other: two levels of a tree of fan-out four and
// eight. Source: Khuong & Morin, "Array layouts for comparison-based searching", JEA 2017, on why
// binary search waits for its loads. Five steps of that cost 25 ns where other work stands between
// two searches, these at most 8.

#include <array>
#include <cstddef>
#include <limits>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace outrider::detectors {

inline constexpr std::size_t search_width = 32;

// Ascending; what is not used is +infinity, which lies below nothing. Each eighth is a line of the
// cache.
struct alignas(64) SearchTable {
  std::array<double, search_width> numbers;

  SearchTable() { numbers.fill(std::numeric_limits<double>::infinity()); }
  bool operator==(const SearchTable&) const = default;
};

// How many of the eight numbers from an aligned one on lie below x.
inline std::size_t count_below_of_eight(const double* eight, double x) {
#if defined(__x86_64__)
  const __m128d value = _mm_set1_pd(x);
  // All ones, which is -1, for a number that lies below.
  const auto pair = [&](std::size_t at) {
    return _mm_castpd_si128(_mm_cmplt_pd(_mm_load_pd(eight + at), value));
  };
  const __m128i sums =
      _mm_add_epi64(_mm_add_epi64(pair(0), pair(2)), _mm_add_epi64(pair(4), pair(6)));
  const __m128i sum = _mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums));
  return static_cast<std::size_t>(-_mm_cvtsi128_si64(sum));
#else
  std::size_t count = 0;
  for (std::size_t i = 0; i < 8; ++i) count += static_cast<std::size_t>(eight[i] < x);
  return count;
#endif
}

// Which eighth by three comparisons, then how many of its eight: none waits for another within a
// step, so that the searches of one row's features overlap in the processor.
inline std::size_t count_below(const SearchTable& table, double x) {
  const double* const all = table.numbers.data();
  const std::size_t group = static_cast<std::size_t>(all[7] < x) +
                            static_cast<std::size_t>(all[15] < x) +
                            static_cast<std::size_t>(all[23] < x);
  return 8 * group + count_below_of_eight(all + 8 * group, x);
}

}  // namespace outrider::detectors
