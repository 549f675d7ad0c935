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

// Not newer than all before it.
Refusal SampleOrder::judge_known(Kind kind, const SeriesTable::Record& record,
                                 std::int64_t timestamp_ms, std::uint64_t value_bits,
                                 bool& repetition) const {
  if (timestamp_ms < record.last_timestamp_ms) {
    repetition = recent_.has(kind, record.fingerprint, timestamp_ms, value_bits);
    return repetition ? Refusal::none : Refusal::out_of_order;
  }
  const bool is_histogram = kind == Kind::histogram;
  if (value_bits != record.last_value_bits || is_histogram != record.last_is_histogram) {
    return Refusal::duplicate_timestamp;
  }
  repetition = true;
  return Refusal::none;
}

// Beside the one that came before it in its request.
void SampleOrder::remember(Kind kind, const SeriesTable::Record& record, std::int64_t timestamp_ms,
                           std::uint64_t value_bits) {
  if (!record.last_is_remembered)
    recent_.remember(record.last_is_histogram ? Kind::histogram : Kind::sample, record.fingerprint,
                     record.last_timestamp_ms, record.last_value_bits);
  recent_.remember(kind, record.fingerprint, timestamp_ms, value_bits);
}

bool SampleOrder::note_exemplar(const remote_write::Hash128& series, std::int64_t timestamp_ms,
                                std::uint64_t value_bits) {
  if (recent_.has(Kind::exemplar, series, timestamp_ms, value_bits)) return true;
  recent_.remember(Kind::exemplar, series, timestamp_ms, value_bits);
  return false;
}

}  // namespace outrider::ingest
