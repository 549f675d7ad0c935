// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/ingest/remote_write.h"

namespace outrider::ingest {

void RemoteWriteReceiver::Settings::add_to(config::OptionTable& options) {
  options
      .add("ingest.max-series", table.series_max,
           "Series known at once (remote write). A new one past it takes the place of one that has "
           "ended or been silent for 15 minutes, or is refused and counted.")
      .between(1'000, 50'000'000);
  options
      .add("ingest.max-label-bytes", table.label_bytes_max,
           "Label texts of all series, each counted once; past it new series are refused.")
      .as_bytes()
      .between(1 << 20, 1LL << 40);
  options
      .add("ingest.max-request", decompressed_bytes_max,
           "A remote write request decompressed; past it 413.")
      .as_bytes()
      .between(1 << 10, 1 << 30);
  options
      .add(
          "ingest.max-in-flight", admission.in_flight_bytes_max,
          "Remote write requests worked on at once, in bytes; past it they wait for a second, then "
          "503 with Retry-After.")
      .as_bytes()
      .between(1 << 10, 1LL << 40);
  options
      .add("ingest.max-labels", request.labels.labels_max,
           "Labels of one series; one with more is refused.")
      .between(1, 255);
  options
      .add("ingest.max-label-value", request.labels.value_bytes_max,
           "A label's value; a series with a longer one is refused.")
      .as_bytes()
      .between(16, 65'536);
  options
      .add("ingest.keep-samples", table.kept_samples,
           "Newest samples kept of each series for GET /api/v1/series, 16 bytes each, besides the "
           "last.")
      .between(0, 1'000);
  options.add("ingest.max-ahead", ahead_max, "How far ahead of the agent's clock a sample may be.")
      .between(0, 86'400);
  options.add("ingest.max-age", age_max, "How old a sample may be.").between(60, 3650.0 * 86'400);
  options
      .add("ingest.idle-timeout", table.idle_after,
           "A series without samples for so long is forgotten.")
      .between(60, 3650.0 * 86'400);
}

}  // namespace outrider::ingest
