// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/staleness.h"

namespace outrider::remote_write {

std::vector<WriteSeries> StalenessTracker::round(std::span<const Labels> series,
                                                 std::int64_t now_ms) {
  std::set<Labels> current(series.begin(), series.end());
  std::vector<WriteSeries> markers;
  for (const Labels& labels : last_) {
    if (current.contains(labels)) continue;
    markers.push_back(
        {.labels = labels, .samples = {{.timestamp_ms = now_ms, .value = stale_marker()}}});
  }
  last_ = std::move(current);
  return markers;
}

}  // namespace outrider::remote_write
