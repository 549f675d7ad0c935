// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the columns of a recorded file write their numbers and times: what a first pass over it
// learns, and how the second one reads. PURE; not thread-safe. O(columns) memory.
//
//   FileSurvey survey(names, numeric, time);
//   for (row : file) survey.take(line, row);
//   if (auto settled = survey.settle(); !settled) …
//   for (row : file) use(survey.read(row), survey.time_of(line, row[time]));

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/column_numbers.h"
#include "reference/row_times.h"

namespace outrider::cli {

class FileSurvey {
 public:
  // Columns by their place; past the names' end: none.
  FileSurvey(const std::vector<std::string>& names, std::vector<std::size_t> numeric,
             std::size_t time);

  void take(std::uint64_t line, std::span<const detectors::Value> row);
  // Errors: "ambiguous_numbers" (a column's decimal mark cannot be told), "bad_time" (a row without
  // a time; a column of several forms, or in which days and months may stand in either order).
  Result<void> settle();

  // The row as its columns are to be read. Valid until the next call.
  std::span<const detectors::Value> read(std::span<const detectors::Value> row);
  // In the column's form; numbers that are no dates are seconds or milliseconds since 1970. Error
  // "bad_time".
  Result<Time> time_of(std::uint64_t line, const detectors::Value& value);

 private:
  const std::vector<std::string>& names_;
  std::vector<std::size_t> numeric_;
  std::size_t time_;
  std::vector<detectors::ColumnNumbers> numbers_;
  std::vector<std::optional<detectors::DecimalMark>> marks_;
  bool any_mark_ = false;
  reference::RowTimes times_;
  std::uint64_t rows_ = 0;
  std::optional<Error> mistake_;
  std::vector<detectors::Value> read_;
};

}  // namespace outrider::cli
