// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/request_labels.h"

namespace outrider::ingest {

wire::SeriesFault RequestLabels::read(const wire::WriteRequest& request,
                                      const wire::WriteRequest::Series& series,
                                      const wire::LabelLimits& limits) {
  const std::string_view encoded = request.encoded_labels(series, encoded_);
  const wire::SeriesFault fault = wire::parse_labels(encoded, limits, labels_);
  if (fault != wire::SeriesFault::none) return fault;
  wire::encode_labels(labels_, canonical_);
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
