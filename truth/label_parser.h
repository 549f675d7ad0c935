// SPDX-License-Identifier: Apache-2.0
#pragma once

// Labels out of HTTP bodies. PURE, on simdjson.
//
// Shapes: an object, an array of objects, or one object a line (NDJSON), each of
//   {"id": "…", "label": 312000, "timestamp": "2026-01-31T12:00:00Z"?, "row": 2?}
//   {"id": "…", "label": …, "prediction": …, "model_version": "…", "model_name": …?, "segment": …?,
//   "score": …?}
//   {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "…"}, …}
//   SageMaker
// and, for parse_feedback, Seldon's {"request", "response", "reward", "truth"}: the id is
// response.meta.puid (request.meta.puid, or the header Seldon-Puid), the truth is data.ndarray or
// data.tensor with one column; row i of several becomes "{puid}_{i}".
//
// A label or a prediction is a number, a string, or true/false (the texts "true", "false", as the
// strings "True" and "FALSE" are). An integer that no double holds is its digits. A string that
// says missing ("NA", "", "None"; detectors/value_reader.h) is no label, and one that may be two
// numbers ("1,234") is refused. A timestamp is RFC 3339, or seconds since the epoch. SageMaker's
// CSV values are numbers where they read as such, without leading zeros. Sources: Seldon Core 1.x
// "External Prediction API"; Amazon SageMaker "Ingest ground truth labels".

#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "truth/prediction.h"

namespace outrider::truth {

inline constexpr std::size_t labels_in_body_max = 100'000;
inline constexpr std::size_t id_bytes_max = 256;
inline constexpr std::size_t class_bytes_max = 256;

// One item of a body: a label, or why it is none (codes: invalid_json, invalid_label).
struct ParsedLabel {
  std::string id;  // As far as it could be read, for the answer.
  Result<GroundTruth> label;
};

// Errors for the body as a whole: "invalid_json" (with the byte), "empty_body", "too_many_labels",
// "invalid_utf8". A broken line of NDJSON spoils only its own item.
Result<std::vector<ParsedLabel>> parse_labels(std::string_view body);
Result<std::vector<ParsedLabel>> parse_feedback(std::string_view body,
                                                std::string_view puid_header);

}  // namespace outrider::truth
