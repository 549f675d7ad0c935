// SPDX-License-Identifier: Apache-2.0
#pragma once

// An incident's time: which rows are the search window, which the baseline, and the calm windows
// among those. PURE.
//
//   baseline … | [at - 120 s - one row          at            at + window) | the future is never read
//                 search window: an alert may be late
//
// Rows faster than 15 s become medians of 15 s, of a short window less, so that it keeps three.

#include <cstddef>
#include <vector>

#include "agent/diagnose/rows.h"

namespace outrider::diagnose {

constexpr double late_seconds = 120;     // An alert may come this long after the fault began.
constexpr double bucket_seconds = 15;    // Faster rows are condensed to this.
constexpr std::size_t calm_enough = 30;  // Calm windows that a quantile of their own needs.

// Slots of the baseline's grid, [first, first + length).
struct CalmWindow {
  std::size_t first = 0, length = 0;
};
// Windows as long as the search window that overlap by half; of a short baseline shorter ones, so
// that there are a few.
std::vector<CalmWindow> calm_windows(std::size_t baseline_slots, std::size_t search_slots);

// One component each in every side.
struct Timeline {
  double begin = 0, end = 0;  // The search window, Unix seconds.
  double step = 60;           // Between rows as they came.
  double width = 60;          // Of a slot: `step`, or more where rows are condensed.
  Side now;                   // Rows of the search window.
  Side recent;                // Those of ten windows before it, for memory.
  Side calm;                  // The baseline.
  Grid now_grid, calm_grid;
  std::vector<CalmWindow> windows;
};

// `baseline`: empty, or a side in which a component without rows has those of `metrics` before the
// search window as its baseline. The baseline's rows inside the search window are left out. `at`
// and `window` in seconds.
Timeline timeline(const Side& metrics, const Side& baseline, double at, double window);

}  // namespace outrider::diagnose
