// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON for configuration, webhooks and HTTP APIs (nlohmann). The observed path uses simdjson
// instead (sidecar/monitor/decode). PURE.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::wire {

using Json = nlohmann::ordered_json;  // Keeps the order in which people wrote their keys.

constexpr int json_depth_max = 64;

// Errors: "invalid_json" (with the byte where it went wrong), "json_too_deep".
Result<Json> parse_json(std::string_view text);

// One line, invalid UTF-8 replaced rather than thrown upon.
std::string to_text(const Json& json);

}  // namespace outrider::wire
