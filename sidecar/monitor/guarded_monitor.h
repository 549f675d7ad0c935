// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "sidecar/monitor/versions/monitor.h"

namespace outrider::monitor {

// The monitor's state and its lock, which is held for one exchange, one group of labels or one
// scrape.
struct GuardedMonitor {
  std::mutex lock;  // Guards `monitor`.
  Monitor monitor;
};

}  // namespace outrider::monitor
