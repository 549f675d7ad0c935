// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prometheus's native histogram, integer or float, as one sample of a series; a view of arrays that
// somebody else owns. PURE.
//
// Buckets are dense within spans: a span skips `offset` buckets after the one before it (the first
// begins at `offset`) and then has `length` buckets. Integer counts are deltas to the bucket
// before; float counts are absolute.
//
// Source: the Prometheus documentation, "Native histograms".

#include <cstdint>
#include <span>

namespace outrider {

struct BucketSpan {
  std::int32_t offset = 0;
  std::uint32_t length = 0;
  bool operator==(const BucketSpan&) const = default;
};

struct NativeHistogram {
  static constexpr std::int32_t custom_buckets_schema = -53;

  enum class ResetHint : std::uint8_t { unknown, yes, no, gauge };

  std::int64_t timestamp_ms = 0;
  std::int64_t start_timestamp_ms = 0;  // 0: not said.
  bool is_float = false;
  ResetHint reset_hint = ResetHint::unknown;
  std::int32_t schema = 0;  // -4 to 8: each power of two in 2^schema buckets; -53: custom_values.
  double zero_threshold = 0;
  std::uint64_t count = 0, zero_count = 0;       // Integer histograms.
  double count_float = 0, zero_count_float = 0;  // Float histograms.
  double sum = 0;                                // The staleness marker's bits: the series ended.
  std::span<const BucketSpan> negative_spans, positive_spans;
  std::span<const std::int64_t> negative_deltas, positive_deltas;  // Integer histograms.
  std::span<const double> negative_counts, positive_counts;        // Float histograms.
  std::span<const double> custom_values;  // Upper bounds of schema -53, ascending, without +Inf.
};

}  // namespace outrider
