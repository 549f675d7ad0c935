// SPDX-License-Identifier: Apache-2.0
#pragma once

// Server-sent events, observed at their end: the data of the last event that looks like JSON. PURE.
// Source of the format: WHATWG HTML, "Server-sent events".

#include <string>
#include <string_view>

namespace outrider::decode {

// The data of the last event that begins with '{' or '[' and is not a marker such as "[DONE]"; ""
// when there is none. An event whose data stands on several lines is joined in `scratch`. O(bytes).
std::string_view last_json_event(std::string_view stream, std::string& scratch);

}  // namespace outrider::decode
