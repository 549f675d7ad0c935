// SPDX-License-Identifier: Apache-2.0
#pragma once

// The column of times of a table, in both passes over it: its form first, then the counts by the
// hour of the week (row_times.h, timed_counts.h). PURE; not thread-safe.
//
//   TimedRows times("sold_at");
//   for (row : rows) times.scan(number, row[at]);
//   if (auto frozen = times.freeze(subjects); !frozen) …
//   for (row : rows) { times.begin_row(number, row[at]); times.add(subject, slot); … }
//   auto counts = times.finish();

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "detectors/value.h"
#include "reference/row_times.h"
#include "reference/timed_counts.h"

namespace outrider::reference {

class TimedRows {
 public:
  explicit TimedRows(std::string column) : times_(std::move(column), "row") {}

  // Rows are numbered from 1.
  void scan(std::uint64_t row, const detectors::Value& value) { times_.add(row, value); }
  // `subjects` as TimedCounter has them. Error "bad_time".
  Result<void> freeze(const std::vector<const detectors::Binning*>& subjects);

  void begin_row(std::uint64_t row, const detectors::Value& value);
  void add(std::size_t subject, std::size_t slot) { counts_->add(subject, slot); }

  std::uint64_t rows_without_time() const { return without_; }
  const std::optional<Error>& bad_time() const { return bad_time_; }  // The first.

  // As TimedCounter's.
  Result<std::optional<detectors::TimedCounts>> finish() { return counts_->finish(); }

 private:
  RowTimes times_;
  std::optional<TimedCounter> counts_;  // Once frozen.
  std::uint64_t without_ = 0;
  std::optional<Error> bad_time_;
};

}  // namespace outrider::reference
