// SPDX-License-Identifier: Apache-2.0
#pragma once

// model.json: a Model as text with a checksum, so that a file that was cut short or edited is told
// from a sound one before a wrong number is served. PURE.
//
//   {"format": 1, "sha256": "…of the compact text of model…", "model": {"name": …, "features": […],
//   …}}

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "predictor/model/model.h"

namespace outrider::model {

std::string to_json_text(const Model& model);

// Errors: "model_damaged" (no JSON, wrong checksum), "model_invalid" (sound but not a model we
// know).
Result<Model> parse_model(std::string_view text);

}  // namespace outrider::model
