// SPDX-License-Identifier: Apache-2.0
#pragma once

// Prediction requests and answers as clients write them. PURE: bytes in, rows out; predictions in,
// bytes out.
//
//   query   size=1800&bedrooms=3                          -> {"price": 89.99994}
//   flat    {"size": 1800, "bedrooms": 3}                 -> {"price": 89.99994}
//           [{…}, {…}]  or rows in the features' order     -> [{"price": …}, …]
//   V1      {"instances": [{…} | […], …]}                 -> {"predictions": [89.99994, …]}
//   V2      {"inputs": [{name, shape, datatype, data}]}   -> {"outputs": [{"name": "price", …}]}
//           one tensor a feature, by name, or one of shape [rows, features]. Binary tensors too
//           (the binary data extension, told by the length of its JSON head).
//
// A classifier's answer has the class under the target's name and the probability of the second
// class under "probability". Keys that are no features are ignored. A feature that is absent or
// null is filled in where training saw missing values in it, and an error otherwise. Sources:
// KServe's V1 protocol; Open Inference Protocol V2 and its binary data extension (Triton).
//
// Every error has code "bad_request", "missing_feature" or "bad_value" and says what, where, and
// what to change.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/wire/json.h"
#include "predictor/model/model.h"

namespace outrider::protocol {

struct Batch {
  std::vector<model::Cells> rows;
  bool single = false;                    // Flat: one object in, one object out.
  std::string id = {};                    // V2: echoed.
  std::vector<std::string> outputs = {};  // V2: the outputs asked for; empty: all.
};

Result<Batch> decode_query(const model::Model& model, std::string_view query);
Result<Batch> decode_flat(const model::Model& model, std::string_view body);
Result<Batch> decode_v1(const model::Model& model, std::string_view body);
// `json_bytes`: the value of the Inference-Header-Content-Length header, when there is one.
Result<Batch> decode_v2(const model::Model& model, std::string_view body,
                        std::optional<std::size_t> json_bytes = {});

using Predictions = std::vector<model::Prediction>;

// Error "not_finite": a prediction that is no finite number, which JSON cannot say.
Result<Predictions> predict(const model::Model& model, const Batch& batch);

std::string encode_flat(const model::Model& model, const Batch& batch,
                        const Predictions& predictions);
std::string encode_v1(const model::Model& model, const Predictions& predictions);
std::string encode_v2(const model::Model& model, const std::string& version, const Batch& batch,
                      const Predictions& predictions);

// GET /v2/models/M: names, datatypes and shapes of inputs and outputs.
wire::Json describe_v2(const model::Model& model, const std::vector<std::string>& versions);

// For the rooms that decode: one JSON value as this feature reads it. `where` begins the error.
Result<model::Cell> cell_of(const model::Feature& feature, const wire::Json& value,
                            const std::string& where);

}  // namespace outrider::protocol
