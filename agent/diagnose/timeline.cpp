// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/timeline.h"

#include <algorithm>

namespace outrider::diagnose {

std::vector<CalmWindow> calm_windows(std::size_t baseline_slots, std::size_t search_slots) {
  const std::size_t rows = std::max<std::size_t>(2, search_slots);
  const std::size_t length = std::max<std::size_t>(2, std::min(rows, baseline_slots / 4));
  std::vector<CalmWindow> out;
  for (std::size_t first = 0; first + length <= baseline_slots;
       first += std::max<std::size_t>(1, length / 2))
    out.push_back({first, length});
  return out;
}

Timeline timeline(const Side& metrics, const Side& baseline, double at, double window) {
  constexpr double memory_windows = 10;  // Before the search window.
  Timeline out;
  out.step = row_interval(metrics);
  out.begin = at - late_seconds - out.step;
  out.end = at + window;
  const double width = out.width = std::max(out.step, std::min(bucket_seconds, window / 3));
  const auto part = [&out, width](const Rows& rows, const auto& accepted) {
    return condensed(rows_where(rows, accepted), width, out.begin);
  };
  for (std::size_t c = 0; c < metrics.size(); ++c) {
    const Rows& rows = metrics[c];
    out.now.push_back(
        part(rows, [&out](double time) { return time >= out.begin && time < out.end; }));
    out.recent.push_back(part(rows, [&out, window](double time) {
      return time < out.begin && time >= out.begin - memory_windows * window;
    }));
    if (c < baseline.size() && baseline[c].size() > 0) {
      out.calm.push_back(
          part(baseline[c], [&out](double time) { return time < out.begin || time >= out.end; }));
    } else {
      out.calm.push_back(part(rows, [&out](double time) { return time < out.begin; }));
    }
  }
  out.now_grid = Grid(out.now, width);
  out.calm_grid = Grid(out.calm, width);
  out.windows = calm_windows(out.calm_grid.size(), out.now_grid.size());
  return out;
}

}  // namespace outrider::diagnose
