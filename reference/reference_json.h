// SPDX-License-Identifier: Apache-2.0
#pragma once

// reference.json <-> ModelReference. The schema is in docs/reference-format.md. PURE.
//
//   auto reference = reference::parse(text);
//   if (!reference) …                            // says which key, what is wrong, and what was
//   expected std::string text = reference::to_json(*reference);

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "reference/model_reference.h"

namespace outrider::reference {

inline constexpr int format_version = 1;
inline constexpr std::size_t features_max = 4096;
inline constexpr std::size_t bytes_max = 64 << 20;

// Indented by two, the same bytes for the same reference. Ends in a line end.
std::string to_json(const ModelReference& reference);

// Errors: "invalid_json", "json_too_deep", "bad_reference" (with the key's path),
// "reference_version" (written by a later program), "reference_hash" (the document does not match
// its hash: it was cut or edited).
Result<ModelReference> parse(std::string_view text);

}  // namespace outrider::reference
