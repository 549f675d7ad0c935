// SPDX-License-Identifier: Apache-2.0
#pragma once

// A body of CSV as a matrix, a row a line, as SageMaker's containers and MLflow take it: text/csv,
// with or without a header. PURE. Not thread-safe; one is used again for every exchange.
//
// Fields are read by detectors/value_reader.h. Only codes ("007") keep the text of their number.
//
// The first line is a header when all its fields are texts (the first may be empty, as pandas'
// to_csv and R's write.csv have it for their index) and a later line has a number or a boolean
// below one of them; or when all are names that the caller knows. An index column of that header is
// left out: no name, or "Unnamed: 0" and the like (detectors/index_column.h) where no known name is
// the same.

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/failure.h"
#include "sidecar/monitor/decode/tensor.h"

namespace outrider::decode {

class CsvBody {
 public:
  explicit CsvBody(std::size_t rows_max) : rows_max_(rows_max) {}

  // `known`: names of the model's features, as far as the caller knows them.
  // Failures: invalid_utf8, invalid_csv (quotes; numbers between ; or tabs), wrong_shape (ragged
  // lines, no line, too many values), too_many_rows.
  Decoded<void> read(std::string_view text, std::span<const std::string> known = {});

  // Of rank two; texts are valid until the next call.
  const Tensor& matrix() const { return matrix_; }
  // The header; empty without one.
  const std::vector<std::string_view>& names() const { return names_; }

 private:
  Decoded<void> add(const std::vector<std::string>& fields);
  std::string_view keep(std::string_view text) { return kept_.emplace_back(text); }
  bool has_header(std::span<const std::string> known) const;
  void take_header();
  void drop_index(std::span<const std::string> known);
  void drop_first_columns(std::size_t count);

  std::size_t rows_max_;
  Tensor matrix_;
  std::vector<std::string_view> names_;
  std::vector<std::string> first_;  // The first line as it stands.
  std::deque<std::string> kept_;
};

}  // namespace outrider::decode
