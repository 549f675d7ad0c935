// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/request_labels.h"

namespace outrider::ingest {

remote_write::SeriesFault RequestLabels::read(const remote_write::WriteRequest& request,
                                              const remote_write::WriteRequest::Series& series,
                                              const remote_write::LabelLimits& limits) {
  const std::string_view encoded = request.encoded_labels(series, encoded_);
  const remote_write::SeriesFault fault = remote_write::parse_labels(encoded, limits, labels_);
  if (fault != remote_write::SeriesFault::none) return fault;
  remote_write::encode_labels(labels_, canonical_);
  are_canonical_ = canonical_ == encoded;
  return fault;
}

std::string_view RequestLabels::metric_name() const {
  for (const LabelView& label : labels_) {
    if (label.name == "__name__") return label.value;
  }
  return {};
}

}  // namespace outrider::ingest
