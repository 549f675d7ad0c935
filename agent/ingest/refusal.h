// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a series, a sample, a histogram or an exemplar of a write request is not stored. PURE.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/remote_write/codec/decode.h"

namespace outrider::ingest {

// The words are the metric's label `reason`. The first ones are SeriesFault's.
enum class Refusal : std::uint8_t {
  none,
  bad_reference,
  mixed_samples,
  too_many_labels,
  label_too_long,
  empty_label_name,
  duplicate_label,
  no_metric_name,
  invalid_utf8,
  malformed_labels,
  series_limit,
  label_bytes_limit,
  out_of_order,
  duplicate_timestamp,
  too_far_ahead,
  too_old,
  invalid_histogram,
  invalid_exemplar,
};
inline constexpr std::size_t refusal_count = 18;
std::string_view to_string(Refusal refusal);

Refusal refusal_of(remote_write::SeriesFault fault);

}  // namespace outrider::ingest
