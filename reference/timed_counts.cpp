// SPDX-License-Identifier: Apache-2.0
#include "reference/timed_counts.h"

#include <algorithm>

namespace outrider::reference {

TimedCounter::TimedCounter(const std::vector<const detectors::Binning*>& subjects) {
  for (const detectors::Binning* bins : subjects) {
    Subject subject;
    for (std::size_t b = 0; b < bins->value_bins(); ++b) {
      subject.groups.push_back(static_cast<std::uint8_t>(detectors::rhythm_group(*bins, b)));
    }
    subject.count = detectors::rhythm_groups(*bins);
    counts_.counts.emplace_back(detectors::week_hours * subject.count);
    subjects_.push_back(std::move(subject));
  }
}

void TimedCounter::begin_row(std::optional<Time> at) {
  hour_.reset();
  if (!at) return;
  hour_ = detectors::hour_of_week(*at);
  ++counts_.rows[*hour_];
  ++rows_;
  all_quarters_ =
      all_quarters_ && at->time_since_epoch() % Duration(std::chrono::minutes(15)) == Duration{};
  const std::int64_t number = at->time_since_epoch() / Duration(std::chrono::hours(1));
  if (hours_.size() < hours_max && hours_.insert(number).second) ++counts_.weeks[*hour_];
}

void TimedCounter::add(std::size_t subject, std::size_t slot) {
  const Subject& one = subjects_[subject];
  if (!hour_ || slot >= one.groups.size()) return;
  ++counts_.counts[subject][*hour_ * one.count + one.groups[slot]];
}

Result<std::optional<detectors::TimedCounts>> TimedCounter::finish() {
  if (rows_ == 0) return std::optional<detectors::TimedCounts>();
  std::size_t hours_of_day = 0, hours_of_week = 0;
  for (std::size_t hour = 0; hour < 24; ++hour) {
    bool any = false;
    for (std::size_t day = 0; day < 7; ++day) {
      any = any || counts_.rows[day * 24 + hour] > 0;
      hours_of_week += counts_.rows[day * 24 + hour] > 0 ? 1 : 0;
    }
    hours_of_day += any ? 1 : 0;
  }
  if (hours_of_day == 1 && hours_of_week > 1 && all_quarters_) {
    return fail("bad_time",
                "all rows have one time of the day, on several days: a date alone tells no hour. "
                "Name a column with times of day, or none");
  }
  return std::optional(std::move(counts_));
}

}  // namespace outrider::reference
