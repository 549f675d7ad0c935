// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rows of an answer as they are found, beside the numbers of rows that the request may have.
// Not thread-safe; one is used again for every exchange.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sidecar/monitor/decode/answer_row.h"

namespace outrider::decode {

class AnswerRows {
 public:
  void clear();
  // The likeliest number first; empty where nobody knows. Looked into until the next begin().
  void begin(std::span<const std::size_t> row_counts) { row_counts_ = row_counts; }
  bool expects(std::size_t rows) const;

  // An object without a prediction is a failed row beside others that have one; other failures are
  // returned.
  Decoded<void> add(Decoded<Prediction> row);
  // Once all are in: each as the configured kind wants it. missing_prediction where no row has one;
  // wrong_type.
  Decoded<void> judge(AnswerRow& reader);

  std::span<const Prediction> all() const { return rows_; }
  std::span<Prediction> all() { return rows_; }
  Prediction& back() { return rows_.back(); }

  // What was seen and what to write where an answer has so many rows and no request has.
  std::string mismatch(std::size_t rows) const;

 private:
  std::span<const std::size_t> row_counts_;
  std::vector<Prediction> rows_;
  std::size_t unrecognised_ = 0;  // Rows that are objects without a prediction.
};

}  // namespace outrider::decode
