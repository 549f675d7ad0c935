// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/refusal.h"

namespace outrider::ingest {

using remote_write::SeriesFault;

Refusal refusal_of(SeriesFault fault) {
  static_assert(static_cast<int>(Refusal::malformed_labels) ==
                static_cast<int>(SeriesFault::malformed_labels));
  return static_cast<Refusal>(fault);
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::series_limit:
      return "series_limit";
    case Refusal::label_bytes_limit:
      return "label_bytes_limit";
    case Refusal::out_of_order:
      return "out_of_order";
    case Refusal::duplicate_timestamp:
      return "duplicate_timestamp";
    case Refusal::too_far_ahead:
      return "too_far_ahead";
    case Refusal::too_old:
      return "too_old";
    case Refusal::invalid_histogram:
      return "invalid_histogram";
    case Refusal::invalid_exemplar:
      return "invalid_exemplar";
    default:
      return remote_write::to_string(static_cast<SeriesFault>(refusal));
  }
}

}  // namespace outrider::ingest
