// SPDX-License-Identifier: Apache-2.0
#pragma once

// A body of CSV as a matrix, a row a line, as SageMaker's containers and MLflow take it: text/csv,
// with or without a header. PURE. Not thread-safe; one is used again for every exchange.
//
// The first line is a header when all its fields are text and a later line has a number.

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/decode/failure.h"
#include "sidecar/decode/tensor.h"

namespace outrider::decode {

class CsvBody {
 public:
  explicit CsvBody(std::size_t rows_max) : rows_max_(rows_max) {}

  // Failures: invalid_utf8, invalid_csv (quotes), wrong_shape (ragged lines, no line, too many
  // values), too_many_rows.
  Decoded<void> read(std::string_view text);

  // Of rank two; texts are valid until the next call. An empty field is missing.
  const Tensor& matrix() const { return matrix_; }
  // The header; empty without one.
  const std::vector<std::string_view>& names() const { return names_; }

 private:
  Decoded<void> add(const std::vector<std::string>& fields);
  void take_header();

  std::size_t rows_max_;
  Tensor matrix_;
  std::vector<std::string_view> names_;
  std::deque<std::string> kept_;
};

}  // namespace outrider::decode
