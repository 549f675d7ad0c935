// SPDX-License-Identifier: Apache-2.0
#pragma once

// Deciles: a subject's counts by the tenths of its reference. The reference's value bins are laid
// end to end, each as long as its (smoothed) share, and the whole is cut into ten equal parts; what
// a bin counted goes to the parts that it lies in, in proportion. So each part holds a tenth of the
// reference, whatever the subject, and whoever compares needs no reference beside the counts: these
// are the deciles that the population stability index is commonly taken over.
//
// A linear map of the counts, so deciles of pods add up to those of the sum, to rounding. Splitting
// a bin in proportion is the mean of splitting it at random, so under the reference no decile
// varies more than a multinomial's. Coarser than the bins: what moves within one tenth is not seen.
//
//   Deciles deciles(frozen);
//   std::array<double, 10> counts = deciles.of(totals.values(frozen.bins));
//
// At most value_bins + 10 multiplications a call. No errors. PURE, immutable.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "detectors/binning.h"

namespace outrider::detectors {

class Deciles {
 public:
  static constexpr std::size_t count = 10;

  explicit Deciles(const FrozenSubject& reference);

  // `counts` one a value bin. Adds up to their sum; no decile falls where no count does.
  std::array<double, count> of(std::span<const std::uint64_t> counts) const;

 private:
  struct Part {
    std::size_t bin;
    std::size_t decile;
    double weight;  // Of the bin's count; those of a bin add up to 1.
  };
  std::vector<Part> parts_;  // By bin.
};

}  // namespace outrider::detectors
