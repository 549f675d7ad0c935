// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which series vanished between two rounds (two scrapes, two collections): each gets one staleness
// marker, so that a query stops seeing it at once and not after five minutes. PURE; not
// thread-safe.
//
//   StalenessTracker tracker;
//   std::vector<WriteSeries> markers = tracker.round(series, now_ms);  // those of the last round, not of this
//   markers = tracker.end(now_ms);                                     // all of the last round: orderly end
//
// Holds the label sets of one round: the caller's limit on series bounds it. O(series) a round.
// Series whose samples bear a time of their own are left out, as Prometheus does: they may come
// late.

#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "base/remote_write/codec/encode.h"

namespace outrider::remote_write {

class StalenessTracker {
 public:
  // `series` are those that stand at the round's own time.
  std::vector<WriteSeries> round(std::span<const Labels> series, std::int64_t now_ms);
  std::vector<WriteSeries> end(std::int64_t now_ms) { return round({}, now_ms); }
  std::size_t size() const { return last_.size(); }

 private:
  std::set<Labels> last_;
};

}  // namespace outrider::remote_write
