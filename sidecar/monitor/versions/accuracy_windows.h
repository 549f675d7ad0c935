// SPDX-License-Identifier: Apache-2.0
#pragma once

// Accuracy over the last five minutes, hour and day, as sums of panes: 30 x 10 s, 12 x 5 min, 24 x
// 1 h. A label counts at the time it came. PURE, not thread-safe. O(1) a label, about 1 KiB.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/panes.h"
#include "detectors/snapshot.h"
#include "truth/outcomes.h"

namespace outrider::monitor {

using detectors::Window;
inline constexpr std::array<Window, 3> all_windows = {Window::five_minutes, Window::hour,
                                                      Window::day};
std::string_view to_string(Window window);  // "5m", "1h", "24h": the metric's `window`.

using truth::OutcomeCounts;

class AccuracyWindows {
 public:
  AccuracyWindows();
  void add(Time now, bool correct);
  OutcomeCounts sum(Window window, Time now) const;
  // How much time sum() covers: whole panes and the open one, so up to one pane less than its name.
  Duration covered(Window window, Time now) const;

  void write(detectors::SnapshotWriter& out) const;
  void read(detectors::SnapshotReader& in);

 private:
  struct Pane {
    std::int64_t number = -1;  // time / span; -1: never used.
    OutcomeCounts counts;
  };
  struct Ring {
    std::int64_t span_ns = 0;
    std::array<Pane, 30> panes;
    std::size_t size = 0;  // How many of the panes are used.
  };
  std::array<Ring, 3> rings_;
};

}  // namespace outrider::monitor
