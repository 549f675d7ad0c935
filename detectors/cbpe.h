// SPDX-License-Identifier: Apache-2.0
#pragma once

// CBPE over score bins: accuracy without labels.
//
// Idea. A calibrated score says how often its prediction is right. Bin the scores by the
//   reference's quantiles, keep c_b = the reference's rate of positives in the bin; then the
//   live accuracy is estimated from live bin counts alone: sum n_b max(c_b, 1 - c_b) / n. Counts
//   add up over replicas, and so does the estimate.
// Parameters. 32 bins. binary: the score is P(positive) and c_b the rate of positives, made
//   monotone (isotonic, pool adjacent violators); confidence: the score is the probability of
//   the predicted class (multiclass), c_b the rate of correct predictions, and the estimate is
//   sum n_b c_b / n.
// Cost. One branchless search a prediction, < 10 ns.
// Example. c = {0.1, 0.9}, live counts {30, 10}: estimate (30 x 0.9 + 10 x 0.9) / 40 = 0.9.
// Source. Confidence-based performance estimation, NannyML documentation; Guo et al. 2017 for
//   calibration.
// Fails. Blind to concept shift: if the relation of inputs and truth changes, the scores do not
//   know. It said 0.802 where the truth was 0.654 (simulated). Show it beside the realised
//   accuracy; never page on it alone.
//
// Immutable after construction; safe to share.

#include <cstdint>
#include <span>
#include <vector>

#include "base/core/result.h"
#include "detectors/binning.h"

namespace outrider::detectors {

inline constexpr std::size_t calibration_bins = 32;

class Calibration {
 public:
  enum class Kind : std::uint8_t { binary, confidence };

  // From reference rows: scores in [0, 1], and whether the row was positive (binary) or predicted
  // right (confidence). Errors: "bad_scores" (outside [0, 1]), "too_few_rows" (fewer than 2 a bin).
  static Result<Calibration> fit(Kind kind, std::span<const double> scores,
                                 const std::vector<bool>& hits);
  // Errors: "bad_calibration".
  static Result<Calibration> restore(Kind kind, std::vector<double> edges,
                                     std::vector<double> rates, std::vector<std::uint64_t> counts);

  Kind kind() const { return kind_; }
  const Binning& bins() const { return bins_; }
  std::span<const double> rates() const { return rates_; }           // c_b
  std::span<const std::uint64_t> counts() const { return counts_; }  // reference rows a bin
  // The estimate over live value-bin counts; nothing when they are all 0.
  std::optional<double> estimate(std::span<const std::uint64_t> live) const;

 private:
  Calibration(Kind kind, Binning bins) : kind_(kind), bins_(std::move(bins)) {}

  Kind kind_;
  Binning bins_;
  std::vector<double> rates_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace outrider::detectors
