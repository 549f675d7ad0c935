// SPDX-License-Identifier: Apache-2.0
#pragma once

// A table's column of times: what a first pass over it learns of its form, and how a second one
// reads it. One form a column (detectors/timestamp.h), so that 1/2/2015 is never guessed row by
// row; numbers that are no dates are seconds or milliseconds since 1970. PURE; not thread-safe.
// O(1) memory.
//
//   RowTimes times("at", "line");
//   for (row : file) times.add(line, row[at]);
//   if (auto settled = times.settle(); !settled) …
//   for (row : file) auto time = times.time_of(line, row[at]);
//
// A missing value is no mistake of add(), and none of settle(): whether a row may be without a time
// is the caller's.

#include <cstdint>
#include <optional>
#include <string>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/timestamp.h"

namespace outrider::reference {

class RowTimes {
 public:
  // `counted` is how rows are numbered in errors: "line", "row".
  RowTimes(std::string column, std::string counted)
      : column_(std::move(column)), counted_(std::move(counted)) {}

  void add(std::uint64_t row, const detectors::Value& value);
  // Error "bad_time": several forms, or days and months may stand in either order.
  Result<void> settle();
  // Error "bad_time", also of a missing value.
  Result<Time> time_of(std::uint64_t row, const detectors::Value& value);
  Error nothing_in(std::uint64_t row) const { return bad_time(row, "nothing"); }

 private:
  std::string_view text_of(const detectors::Value& value);
  Error bad_time(std::uint64_t row, const std::string& seen) const;

  std::string column_, counted_;
  detectors::MomentColumn times_;
  bool numeric_ = true;
  bool any_ = false;
  std::uint64_t odd_row_ = 0;  // Where no form was left.
  std::optional<detectors::TimestampForm> form_;
  std::string scratch_;
};

}  // namespace outrider::reference
