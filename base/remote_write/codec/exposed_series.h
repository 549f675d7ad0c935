// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a page of metrics to what remote write sends. PURE; thread-safe. O(samples).

#include <cstdint>
#include <string>
#include <vector>

#include "base/remote_write/codec/encode.h"
#include "base/wire/exposed.h"

namespace outrider::remote_write {

// The labels that say where a series is from. A label of the same name that the series has of its
// own is kept as "exported_NAME", as Prometheus does.
void add_target_labels(wire::ExposedFamilies& families, const Labels& target);

// The same for a program's own page: a label that the series has of its own stays. What an agent
// counts for others carries their job.
void fill_target_labels(wire::ExposedFamilies& families, const Labels& target);

struct ExposedSeries {
  std::vector<WriteSeries> series;
  // Those that stand at `time_ms`, and not at a time of their own: what staleness goes by.
  std::vector<Labels> at_round;
  std::uint64_t duplicates = 0;  // Left out: the same series again. The first one stands.
};

// Every sample at its own time, or else at `time_ms`.
ExposedSeries to_series(const wire::ExposedFamilies& families, std::int64_t time_ms);

}  // namespace outrider::remote_write
