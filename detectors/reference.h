// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reference: the frozen training-time distribution of one model version, as statistics. What the
// room reference/ builds from rows or reads from reference.json, and what a VersionWatch judges
// against. Immutable once shared.

#include <cstdint>
#include <optional>
#include <vector>

#include "detectors/binning.h"
#include "detectors/cbpe.h"
#include "detectors/conformal.h"
#include "detectors/pca.h"
#include "detectors/rhythm.h"
#include "detectors/tail_score.h"

namespace outrider::detectors {

// The multivariate part; over the numeric features only.
struct MultivariateReference {
  std::vector<std::size_t>
      features;  // which of Reference::features, in the order of the PCA's rows
  Pca pca;
  std::vector<FrozenSubject> scores;  // one a component, then "t2", then "q"
  TailTable tails;                    // per component: tail probability of a score
  ConformalHistogram anomaly;         // reference values of the anomaly score
};

struct Reference {
  std::uint64_t rows = 0;
  bool provisional = false;  // learned from live traffic, not from training
  std::vector<FrozenSubject> features;
  std::optional<FrozenSubject> prediction;
  std::optional<MultivariateReference> multivariate;
  std::optional<Calibration> calibration;  // for accuracy without labels
  std::optional<TimedCounts> timed;        // by hour of the week, where the rows had times
};

}  // namespace outrider::detectors
