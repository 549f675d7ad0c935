// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gates' bounds as options, the same in every command that promotes.

#include "base/config/options.h"
#include "base/core/clock.h"
#include "predictor/gates/gates.h"

namespace outrider::app {

struct GateOptions {
  gates::Bounds bounds;
  Duration latency = std::chrono::milliseconds(1);

  void add_to(config::OptionTable& options) {
    options
        .add("gate.margin", bounds.margin,
             "Accuracy by which a new version must beat production on the held-out rows.")
        .between(0, 1);
    options
        .add("gate.segment-bound", bounds.segment_bound,
             "How much larger a segment's error rate may be than production's.")
        .between(0, 1);
    options
        .add("gate.fairness-spd", bounds.spd_bound,
             "Largest statistical parity difference between groups.")
        .between(0, 1);
    options.add("gate.fairness-dir-low", bounds.dir_low, "Smallest disparate impact ratio.")
        .between(0, 1);
    options.add("gate.fairness-dir-high", bounds.dir_high, "Largest disparate impact ratio.")
        .between(1, 100);
    options.add("gate.latency", latency, "Largest 99th percentile of the time of one prediction.");
  }
  gates::Bounds values() const {
    gates::Bounds chosen = bounds;
    chosen.latency_seconds_max = to_seconds(latency);
    return chosen;
  }
};

}  // namespace outrider::app
