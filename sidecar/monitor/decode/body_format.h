// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a body is written in: its Content-Type where that says it, its first bytes where it does
// not. PURE.

#include <string_view>

#include "sidecar/tap/exchange.h"

namespace outrider::decode {

enum class Format { json, form, csv, json_lines, event_stream, opaque, other };

// The media type of a Content-Type, without parameters.
std::string_view media_type(std::string_view content_type);

// `json_bytes` is the field Inference-Header-Content-Length, "" where there is none.
Format format_of(std::string_view content_type, std::string_view json_bytes, std::string_view body);

// JSON lines that are called JSON: objects, each on a line. `reason` is why they are no JSON.
bool are_json_lines(tap::FailReason reason, std::string_view body);

}  // namespace outrider::decode
