// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "predictor/gates/gates.h"

namespace outrider::gates {

void Bounds::add_to(config::OptionTable& options) {
  options
      .add("gate.margin", margin,
           "Accuracy by which a new version must beat production on the held-out rows.")
      .between(0, 1);
  options
      .add("gate.segment-bound", segment_bound,
           "How much larger a segment's error rate may be than production's.")
      .between(0, 1);
  options
      .add("gate.fairness-spd", spd_bound, "Largest statistical parity difference between groups.")
      .between(0, 1);
  options.add("gate.fairness-dir-low", dir_low, "Smallest disparate impact ratio.").between(0, 1);
  options.add("gate.fairness-dir-high", dir_high, "Largest disparate impact ratio.")
      .between(1, 100);
  options.add("gate.latency", latency_max,
              "Largest 99th percentile of the time of one prediction.");
}

}  // namespace outrider::gates
