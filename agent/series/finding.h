// SPDX-License-Identifier: Apache-2.0
#pragma once

// What watching finds. PURE values.

#include <string>
#include <vector>

#include "agent/series/watched.h"
#include "base/core/series.h"

namespace outrider::series {

// A score worth telling, or the end of an episode.
struct Finding {
  Fingerprint fingerprint;
  Labels labels;         // With "__name__".
  std::string quantity;  // "" as it is, "rate", "p50", "p99".
  std::int64_t timestamp_ms = 0;
  Observed observed;
  std::int64_t episode_ms =
      0;  // When the episode began; 0 when the score stayed below the threshold.
};

// Gathered by one call of take() or tick().
struct Findings {
  std::vector<Finding> list;
  std::vector<double>
      scores;  // Every episode's first score, growths too: what the alert budget learns from.
  std::uint64_t scored = 0;  // Samples.
};

// How it is watched; the threshold comes from the alert budget.
struct WatchTerms {
  double threshold = 1;
  double told_from = 0.25;  // Scores below are not told of.
  Duration quiet = std::chrono::minutes(15);
};

}  // namespace outrider::series
