// SPDX-License-Identifier: Apache-2.0
#pragma once

// A uniform sample of whole rows, as numbers (NaN where there is none): Vitter's algorithm R with a
// fixed seed, in the rows' order as long as all fit. PURE; not thread-safe. Memory: at most
// `cells_max` doubles.

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "detectors/value.h"

namespace outrider::reference {

// The value as a number; NaN for a text, and for none.
double number_of(const detectors::Value& value);

class RowSample {
 public:
  RowSample(std::size_t columns, std::size_t rows_max, std::size_t cells_max);

  void add(std::span<const detectors::Value> row);

  std::size_t rows() const { return rows_; }
  double at(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }
  std::vector<double> sorted_finite(std::size_t column) const;

 private:
  std::size_t columns_, rows_max_, rows_ = 0;
  std::uint64_t seen_ = 0;
  std::mt19937_64 random_{20260101};
  std::vector<double> cells_;
};

}  // namespace outrider::reference
