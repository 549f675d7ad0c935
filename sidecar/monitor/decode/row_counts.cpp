// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/row_counts.h"

#include <algorithm>

namespace outrider::decode {

Decoded<void> RowCounts::count(std::span<const RequestShape> shapes) {
  for (const RequestShape& shape : shapes) {
    if (shape.rows > rows_max_ || (one_row_ && shape.rows != 1)) continue;
    // As many values as the configuration names features: one row.
    if (shape.layout == Layout::tensors && shape.rows == features_count_ && features_count_ > 1 &&
        shapes.back().layout == Layout::matrix_tensor) {
      continue;
    }
    if (std::find(all_.begin(), all_.end(), shape.rows) == all_.end()) all_.push_back(shape.rows);
  }
  if (!all_.empty()) return {};
  return failed(one_row_ ? FailReason::wrong_shape : FailReason::too_many_rows);
}

}  // namespace outrider::decode
