// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the join goes by, whatever store is underneath. PURE.

#include <cstdint>
#include <string>

#include "base/core/clock.h"
#include "truth/sample.h"

namespace outrider::truth {

struct JoinSettings {
  std::uint64_t bytes_max = 2ull << 30;              // log.max_bytes. At least 16 MiB.
  Duration max_delay = std::chrono::hours(24 * 30);  // truth.max_delay
  std::string model_name = "unknown";                // For labels that no model is known of.
  // Predictions come by take(), from the sidecars of many workloads: a label without a prediction
  // is held until no sidecar can have it any more.
  bool shipped = false;
  Sample sample = {};  // truth.sample, of predictions that come by append().
  // truth.early. Where predictions are shipped, the longest that a label is held: a sidecar that
  // has been silent for so long is waited for no more.
  Duration early_hold = std::chrono::minutes(10);
  // Held labels, and what they take on disk; past either they are unknown at once.
  std::size_t early_max = 100'000;
  std::size_t early_bytes_max = 16 << 20;
};

}  // namespace outrider::truth
