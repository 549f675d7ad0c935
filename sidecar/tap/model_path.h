// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model's name and version in the path of a request, as the protocols of model servers write
// them: KServe V1 and V2, TF-Serving, Triton, MLServer, Seldon, SageMaker's multi-model containers,
// Vertex and Gemini. One truth for the proxy, which counts requests by model, and for the decoder.
//
//   /v1/models/NAME:predict                          NAME
//   /v1/models/NAME/versions/3:predict               NAME, 3
//   /seldon/ns/d/v2/models/NAME/versions/v7/infer    NAME, v7
//   /predictions/NAME/2.0                            NAME, 2.0: TorchServe
//   /v1/models/qwen3:0.6b                            qwen3:0.6b: no verb follows the colon, so it belongs to the name
//
// A path of bytes as they came: percent escapes are not decoded, so "a%2Fb" is a name of five
// characters. What follows '?' is ignored. The views point into `path`; "" where it names none.
// PURE, no allocation, O(bytes).
//
// Sources: KServe, "Open Inference Protocol" and V1 protocol; TensorFlow Serving, "RESTful API";
// Google AIP-136 (custom methods after a colon) with the methods of aiplatform v1 and
// generativelanguage v1beta.

#include <cstddef>
#include <string_view>

namespace outrider::tap {

inline constexpr std::size_t model_name_bytes_max = 100;

// The segment after the first "/models/", without a verb.
std::string_view model_in_path(std::string_view path);

// The segment after the first "/versions/" behind the model's name (anywhere, where no model is
// named), without a verb.
std::string_view version_in_path(std::string_view path);

// Whether a name, of a model or a version, can stand in a label: 1 to model_name_bytes_max bytes of
// UTF-8 without control characters. Names come from URLs, headers and bodies; what is no such text
// is called "other".
bool is_model_name(std::string_view name);

// Whether a colon before `word` ends a name: "predict", "generateContent", … Case matters, as it
// does in paths.
bool is_model_verb(std::string_view word);

}  // namespace outrider::tap
