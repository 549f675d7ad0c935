// SPDX-License-Identifier: Apache-2.0
#pragma once

// What programs write that JSON does not have: NaN, Infinity, -Infinity (Python's json.dumps, .NET,
// JavaScript printers) and numbers beyond every double (1e400, integers of thirty digits). PURE.

#include <string>
#include <string_view>

namespace outrider::decode {

// Writes the text into `out` with NaN as null, what is infinite or overflows as "Infinity" or
// "-Infinity", and long integers in quotes; false, and `out` unspecified, where there is none of
// these. What stands in strings stays as it is. O(bytes).
bool quote_what_json_lacks(std::string_view text, std::string& out);

}  // namespace outrider::decode
