// SPDX-License-Identifier: Apache-2.0
#pragma once

// Series to the bytes of a Prometheus remote write request, 2.0 or 1.0. PURE; thread-safe.
// O(bytes).
//
//   std::string message = encode_v2(series);            // io.prometheus.write.v2.Request
//   std::string body = compress_snappy(message);        // what goes over the wire
//   Result<std::string> older = downgrade(message, …);  // the same as prometheus.WriteRequest
//
// Values are copied by their bits, so that a staleness marker, which is a NaN, stays one. The
// labels of a series are sorted and unique, as Labels has them; samples must come in the order of
// time.
//
// Source: "Prometheus Remote-Write 2.0 specification" and "… 1.0 specification".

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/core/series.h"
#include "base/wire/exposition.h"

namespace outrider::remote_write {

struct Metadata {
  wire::MetricType type = wire::MetricType::unknown;
  std::string help = {};
  std::string unit = {};
};

struct WriteSeries {
  Labels labels;  // With "__name__".
  std::vector<Sample> samples = {};
  std::vector<wire::Exemplar> exemplars = {};
  Metadata metadata = {};
  std::int64_t start_timestamp_ms = 0;  // When the counter began; 0: unknown. 2.0 only.
};

struct Counts {
  std::uint64_t series = 0, samples = 0, exemplars = 0;
  bool operator==(const Counts&) const = default;
};
Counts count(std::span<const WriteSeries> series);

// The message of a 2.0 request. symbols[0] is "", every other string stands once, in the order of
// its first use.
std::string encode_v2(std::span<const WriteSeries> series);

// Whether a metric family's metadata is wanted in this 1.0 request: it stands beside the series
// there, and once a minute is enough.
using WantsMetadata = std::function<bool(std::string_view family)>;
inline bool all_metadata(std::string_view) {
  return true;
}

// The message of a 1.0 request.
std::string encode_v1(std::span<const WriteSeries> series,
                      const WantsMetadata& wants = all_metadata);

// A 2.0 message made by encode_v2 as a 1.0 message: start timestamps have no place there. Error
// "bad_message" when it is not a 2.0 message.
Result<std::string> downgrade(std::string_view v2_message,
                              const WantsMetadata& wants = all_metadata);

// The family that a series of this name and type belongs to: "x" for the histogram's series
// "x_bucket".
std::string_view family_of(std::string_view name, wire::MetricType type);

}  // namespace outrider::remote_write
