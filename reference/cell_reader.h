// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads a table's cells by the decimal marks that their columns have (detectors/column_numbers.h).
// PURE; not thread-safe.
//
//   CellReader reader(columns);
//   if (reader.set(column, scan.numbers_decision())) …      // scan all rows again
//   for (row : rows) use(reader.read(row));

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detectors/column_numbers.h"
#include "detectors/value.h"

namespace outrider::reference {

class CellReader {
 public:
  explicit CellReader(std::size_t columns) : marks_(columns), refusals_(columns) {}

  // True when the column needs a mark of its own.
  bool set(std::size_t column, const detectors::ColumnNumbers::Decision& decision) {
    marks_[column] = decision.mark;
    refusals_[column] = decision.refusal;
    any_mark_ = any_mark_ || decision.mark;
    return decision.mark.has_value();
  }

  std::optional<detectors::DecimalMark> mark(std::size_t column) const { return marks_[column]; }
  // Why the column's mark cannot be told; mostly "".
  const std::string& refusal(std::size_t column) const { return refusals_[column]; }

  // Valid until the next call.
  std::span<const detectors::Value> read(std::span<const detectors::Value> row);

 private:
  std::vector<std::optional<detectors::DecimalMark>> marks_;
  std::vector<std::string> refusals_;
  bool any_mark_ = false;
  std::vector<detectors::Value> row_;
};

}  // namespace outrider::reference
