// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts training rows by the hour of the week, so that a reference knows the rhythm of its
// subjects (detectors/rhythm.h). PURE; not thread-safe. Memory: 168 x 10 counts a subject, and one
// number for each of at most `hours_max` different hours.
//
//   TimedCounter timed(subjects);                 // as a watch has them
//   timed.begin_row(at); timed.add(subject, slot); …
//   auto counts = timed.finish();                 // nothing when no row had a time

#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "detectors/rhythm.h"

namespace outrider::reference {

class TimedCounter {
 public:
  static constexpr std::size_t hours_max =
      200'000;  // 22 years; later hours count as of known weeks.

  // Of each subject the group of each value bin.
  explicit TimedCounter(const std::vector<const detectors::Binning*>& subjects);

  void begin_row(std::optional<Time> at);  // Without a time the row is counted nowhere.
  void add(std::size_t subject, std::size_t slot);
  std::uint64_t rows() const { return rows_; }

  // Error "bad_time": rows of several days are all in one hour of the day, at full quarters of it
  // (dates are midnights of some time zone), so what came with them was no time of day. A job that
  // runs each night has minutes and seconds.
  Result<std::optional<detectors::TimedCounts>> finish();

 private:
  struct Subject {
    std::vector<std::uint8_t> groups;  // Of each value bin.
    std::size_t count = 0;
  };
  std::vector<Subject> subjects_;
  detectors::TimedCounts counts_;
  std::unordered_set<std::int64_t> hours_;
  std::optional<std::size_t> hour_;  // Of the current row.
  std::uint64_t rows_ = 0;
  bool all_quarters_ = true;
};

}  // namespace outrider::reference
