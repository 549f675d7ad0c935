// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_rows.h"

#include <algorithm>

namespace outrider::decode {
namespace {

constexpr std::size_t row_counts_told = 3;

}  // namespace

void AnswerRows::clear() {
  rows_.clear();
  unrecognised_ = 0;
}

bool AnswerRows::expects(std::size_t rows) const {
  return row_counts_.empty() ||
         std::find(row_counts_.begin(), row_counts_.end(), rows) != row_counts_.end();
}

Decoded<void> AnswerRows::add(Decoded<Prediction> row) {
  if (!row && row.error() != FailReason::missing_prediction) return failed(row);
  unrecognised_ += !row;
  rows_.push_back(row ? *row : Prediction{});
  return {};
}

Decoded<void> AnswerRows::judge(AnswerRow& reader) {
  if (rows_.empty() || unrecognised_ == rows_.size()) return failed(FailReason::missing_prediction);
  for (Prediction& row : rows_) {
    const auto judged = reader.judged(row);
    if (!judged) return failed(judged);
    row = *judged;
  }
  return {};
}

std::string AnswerRows::mismatch(std::size_t rows) const {
  std::string words = "the answer has rows: " + std::to_string(rows) + ", the request:";
  for (const std::size_t count : row_counts_.first(std::min(row_counts_.size(), row_counts_told))) {
    words += (count == row_counts_.front() ? " " : " or ") + std::to_string(count);
  }
  return words + "; write response.prediction where the answer has more than predictions";
}

}  // namespace outrider::decode
