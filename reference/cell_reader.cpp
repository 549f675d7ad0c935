// SPDX-License-Identifier: Apache-2.0
#include "reference/cell_reader.h"

#include "detectors/value_reader.h"

namespace outrider::reference {

std::span<const detectors::Value> CellReader::read(std::span<const detectors::Value> row) {
  if (!any_mark_) return row;
  row_.assign(row.begin(), row.end());
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (marks_[i] && !row_[i].text.empty())
      row_[i] = detectors::read_value(row_[i].text, *marks_[i]);
  }
  return row_;
}

}  // namespace outrider::reference
