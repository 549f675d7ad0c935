// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fine series on a coarser grid, and a coarse forecast back on the fine one.
//
// Idea. Of minutes, each says little: blocks of `slots` neighbours are averaged, counted from the
//   end, so that the last block is whole. Back on the fine grid, a line joins the middles of
//   blocks, and each phase of the day adds what it stood above that line on average in the last
//   weeks, less what chance alone would give (James & Stein's shrinkage).
// Cost. O(slots). Example. 5-minute rows: 288 a day, blocks of 6, 48 coarse slots a day.
//
// PURE.

#include <cstddef>
#include <span>
#include <vector>

namespace outrider::detectors::forecast {

// How many fine slots a block has: 1 where a day has no more than 48, or where no number of slots
// divides it.
std::size_t block_size(std::size_t day);

// Means over known values; NaN: a block of which less than a third is known. The first, partial
// block is left out.
std::vector<double> coarsen(std::span<const double> fine, std::size_t block);

// `coarse` goes on, from one block before the fine slot `at` (the last known block, or a guess),
// with one block more than the fine horizon covers.
class Refiner {
 public:
  Refiner(std::span<const double> fine, std::size_t block, std::size_t day)
      : fine_(fine), block_(block), day_(day) {}
  std::vector<double> refine(std::size_t at, const std::vector<double>& coarse,
                             std::size_t horizon) const;

 private:
  std::vector<double> shape(std::size_t at) const;  // By phase of the day, slot 0 first.

  std::span<const double> fine_;
  std::size_t block_;
  std::size_t day_;
};

}  // namespace outrider::detectors::forecast
