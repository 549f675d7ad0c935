// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts in slices, and what was found in them, as JSON: a pod sends its counts, and whoever has
// those of all pods judges their sum (detectors/error_slices.h). PURE.
//
//   counts_json(slices)    {"before": [900, 45], "since": [800, 90], "features":
//                           [{"name": "district", "slices": ["park", …], "counts": [[100, 5, 90, 40], …]}]}
//
// Each is [rows, wrong], of a slice before and since the change. Of the segments (the feature "")
// only those with rows are written.

#include "base/core/result.h"
#include "base/wire/json.h"
#include "detectors/error_slices.h"

namespace outrider::reference {

inline constexpr std::size_t counted_slices_max = 200'000;

wire::Json counts_json(const detectors::ErrorSlices& slices);

// Error "bad_counts": not what counts_json writes, more than counted_slices_max slices, more than
// `rows_max` rows a side, or counts that contradict each other.
Result<detectors::ErrorSlices> read_counts(const wire::Json& json, std::uint64_t rows_max);

wire::Json count_json(const detectors::ErrorCount& count);  // {"rows", "wrong", "error"}
wire::Json slices_json(const detectors::SliceReport& report);

}  // namespace outrider::reference
