// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a sample is stored, by its time and value beside those that its series has. PURE, not
// thread-safe. O(1).
//
// Stored: what is newer than all before it, within a window around now. A repetition, which is no
// error: the same time and value as one that was stored (of older ones as many are known as
// recent_samples.h says). Everything else is refused.

#include <cstdint>

#include "agent/ingest/recent_samples.h"
#include "agent/ingest/refusal.h"
#include "agent/ingest/series_table.h"
#include "base/core/clock.h"

namespace outrider::ingest {

class SampleOrder {
 public:
  using Kind = RecentSamples::Kind;

  SampleOrder(Duration ahead_max, Duration age_max) : ahead_max_(ahead_max), age_max_(age_max) {}

  // Before the samples of a request; `is_more` when some of them were judged before.
  void begin(Time now, bool is_more);

  // `value_bits` of a histogram: a hash of all of it.
  Refusal judge(Kind kind, const SeriesTable::Record& record, std::int64_t timestamp_ms,
                std::uint64_t value_bits, bool& repetition) const {
    repetition = false;
    if (!record.has_sample || timestamp_ms > record.last_timestamp_ms)
      return judge_time(timestamp_ms);
    return judge_known(kind, record, timestamp_ms, value_bits, repetition);
  }
  // Of a request with several samples of one series all are remembered: Prometheus sends each as a
  // series of its own.
  void note_stored(Kind kind, SeriesTable::Record& record, std::int64_t timestamp_ms,
                   std::uint64_t value_bits) {
    const bool has_others = record.has_sample && record.last_request == request_number_;
    if (has_others) remember(kind, record, timestamp_ms, value_bits);
    record.last_is_remembered = has_others;
    record.last_timestamp_ms = timestamp_ms;
    record.last_value_bits = value_bits;
    record.has_sample = true;
    record.last_is_histogram = kind == Kind::histogram;
    record.last_request = request_number_;
  }
  // Of a series without samples: whether now's window has that time.
  Refusal judge_time(std::int64_t timestamp_ms) const {
    if (timestamp_ms > latest_ms_) return Refusal::too_far_ahead;
    return timestamp_ms < earliest_ms_ ? Refusal::too_old : Refusal::none;
  }
  // Of an exemplar, which has no order. True: it came before.
  bool note_exemplar(const remote_write::Hash128& series, std::int64_t timestamp_ms,
                     std::uint64_t value_bits);

 private:
  Refusal judge_known(Kind kind, const SeriesTable::Record& record, std::int64_t timestamp_ms,
                      std::uint64_t value_bits, bool& repetition) const;
  void remember(Kind kind, const SeriesTable::Record& record, std::int64_t timestamp_ms,
                std::uint64_t value_bits);

  const Duration ahead_max_, age_max_;
  RecentSamples recent_;
  std::uint16_t request_number_ = 0;  // Modulo 2^16.
  std::int64_t earliest_ms_ = 0, latest_ms_ = 0;
};

}  // namespace outrider::ingest
