// SPDX-License-Identifier: Apache-2.0
#pragma once

// Conformal p-value of a score from a log histogram of the reference's scores.
//
// Idea. p = (1 + #{reference >= s}) / (m + 1) is uniform (or larger) when s is drawn like the
//   reference, whatever the scores' distribution: an anomaly threshold on p is a false-alarm
//   rate. 256 counts stand for the m scores.
// Parameters. 256 bins, eight an octave over [2^-16, 2^16): p is coarse by what one bin holds;
// reference scores in the same bin count as >= s, so p is never too small.
// Cost. O(1), about 5 ns: the bin comes from the bits of the double, the count from a suffix
//   sum.
// Example. reference {1, 2, 4, 8}: score 100 has p = 1/5; score 4 has p = 3/5; score 0 has p =
//   1.
// Source. Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005; Bates et al.
//   2023.
// Fails. The smallest p is 1/(m+1); under drift of the inputs p is no longer uniform (that is
//   what drift is for). A score fitted on the very rows that are counted is too small on them:
//   with fewer than about 100 rows a feature, fresh rows look more unusual than they are.
//
// add() before freeze(); p_value() after. Immutable then.

#include <array>
#include <cstdint>
#include <span>

#include "base/core/result.h"

namespace outrider::detectors {

class ConformalHistogram {
 public:
  static constexpr std::size_t bins = 256;

  ConformalHistogram() = default;
  static Result<ConformalHistogram> restore(
      std::span<const std::uint64_t> counts);  // "bad_anomaly"

  void add(double score);              // NaN counts as +infinity.
  void freeze();                       // Computes the suffix sums.
  double p_value(double score) const;  // In (0, 1]; 1 when nothing was added.

  std::uint64_t rows() const { return rows_; }
  std::span<const std::uint64_t> counts() const { return counts_; }
  static std::size_t bin_of(double score);

 private:
  std::uint64_t rows_ = 0;
  std::array<std::uint64_t, bins> counts_{};
  std::array<double, bins> p_{};
};

}  // namespace outrider::detectors
