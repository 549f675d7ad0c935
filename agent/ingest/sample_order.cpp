// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/sample_order.h"

namespace outrider::ingest {
namespace {

std::int64_t ms_of(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

void SampleOrder::begin(Time now, bool is_more) {
  if (!is_more) ++request_number_;
  earliest_ms_ = to_unix_ms(now) - ms_of(age_max_);
  latest_ms_ = to_unix_ms(now) + ms_of(ahead_max_);
}

Refusal SampleOrder::judge_time(std::int64_t timestamp_ms) const {
  if (timestamp_ms > latest_ms_) return Refusal::too_far_ahead;
  return timestamp_ms < earliest_ms_ ? Refusal::too_old : Refusal::none;
}

Refusal SampleOrder::judge(Kind kind, const SeriesTable::Record& record, std::int64_t timestamp_ms,
                           std::uint64_t value_bits, bool& repetition) const {
  const bool is_histogram = kind == Kind::histogram;
  repetition = false;
  if (record.has_sample && timestamp_ms <= record.last_timestamp_ms) {
    if (timestamp_ms < record.last_timestamp_ms) {
      repetition = recent_.has(kind, record.fingerprint, timestamp_ms, value_bits);
      return repetition ? Refusal::none : Refusal::out_of_order;
    }
    if (value_bits != record.last_value_bits || is_histogram != record.last_is_histogram) {
      return Refusal::duplicate_timestamp;
    }
    repetition = true;
    return Refusal::none;
  }
  return judge_time(timestamp_ms);
}

// Of a request with several samples of one series all are remembered: Prometheus sends each as a
// series of its own.
void SampleOrder::note_stored(Kind kind, SeriesTable::Record& record, std::int64_t timestamp_ms,
                              std::uint64_t value_bits) {
  const bool has_others = record.has_sample && record.last_request == request_number_;
  if (has_others) {
    if (!record.last_is_remembered)
      recent_.remember(record.last_is_histogram ? Kind::histogram : Kind::sample,
                       record.fingerprint, record.last_timestamp_ms, record.last_value_bits);
    recent_.remember(kind, record.fingerprint, timestamp_ms, value_bits);
  }
  record.last_is_remembered = has_others;
  record.last_timestamp_ms = timestamp_ms;
  record.last_value_bits = value_bits;
  record.has_sample = true;
  record.last_is_histogram = kind == Kind::histogram;
  record.last_request = request_number_;
}

bool SampleOrder::note_exemplar(const remote_write::Hash128& series, std::int64_t timestamp_ms,
                                std::uint64_t value_bits) {
  if (recent_.has(Kind::exemplar, series, timestamp_ms, value_bits)) return true;
  recent_.remember(Kind::exemplar, series, timestamp_ms, value_bits);
  return false;
}

}  // namespace outrider::ingest
