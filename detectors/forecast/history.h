// SPDX-License-Identifier: Apache-2.0
#pragma once

// The history of a series on a regular grid: what a forecast starts from.
//
// Samples come with times; a forecast needs slots of equal width. The step is the most frequent
//   distance of neighbours, and each sample goes to the slot nearest to it; of two in one slot the
//   mean is kept. A slot without a sample, or whose samples are NaN or infinite, is a gap (NaN). It
//   is never filled here, so that nobody takes a guess for a measurement.
// A clock that goes forward leaves a gap of an hour in local times; one that goes back gives an
//   hour twice, which is refused: which of both is meant cannot be known.
// Limits. The newest slots_max slots are kept, `left_out` counts the samples before them.
//
// PURE.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/core/result.h"

namespace outrider::detectors::forecast {

inline constexpr std::size_t slots_max = 200'000;
inline constexpr std::size_t values_min = 10;  // Fewer say nothing of a series' course.

struct History {
  std::int64_t start_ms = 0;  // Of the first slot.
  std::int64_t step_ms = 1;
  std::vector<double> values;  // One a slot; NaN: a gap.
  std::size_t left_out = 0;

  std::int64_t end_ms() const {  // The first slot to forecast.
    return start_ms + step_ms * static_cast<std::int64_t>(values.size());
  }
};

// Times in milliseconds, each later than the one before (the caller checks: it knows the line).
// Both spans are of one size. Errors: "too_short" (fewer than values_min values), "irregular" (less
// than half of the distances are the step or a multiple of it).
Result<History> on_grid(std::span<const std::int64_t> times_ms, std::span<const double> values);

}  // namespace outrider::detectors::forecast
