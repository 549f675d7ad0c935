// SPDX-License-Identifier: Apache-2.0
#include "reference/row_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detectors/value_reader.h"

namespace outrider::reference {

double number_of(const detectors::Value& value) {
  return detectors::as_number(value).value_or(std::numeric_limits<double>::quiet_NaN());
}

RowSample::RowSample(std::size_t columns, std::size_t rows_max, std::size_t cells_max)
    : columns_(columns),
      rows_max_(std::max<std::size_t>(
          1, std::min(rows_max, cells_max / std::max<std::size_t>(columns, 1)))) {}

void RowSample::add(std::span<const detectors::Value> row) {
  std::size_t place = rows_;
  if (rows_ < rows_max_) {
    ++rows_;
    cells_.resize(rows_ * columns_);
  } else {
    place = static_cast<std::size_t>(random_() % (seen_ + 1));
  }
  ++seen_;
  if (place >= rows_max_) return;
  for (std::size_t i = 0; i < columns_; ++i) cells_[place * columns_ + i] = number_of(row[i]);
}

std::vector<double> RowSample::sorted_finite(std::size_t column) const {
  std::vector<double> values;
  for (std::size_t row = 0; row < rows_; ++row) {
    if (std::isfinite(at(row, column))) values.push_back(at(row, column));
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace outrider::reference
