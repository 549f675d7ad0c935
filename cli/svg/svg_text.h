// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names and figures as they stand in the SVG pictures of `outrider`. PURE.

#include <string>
#include <string_view>

namespace outrider::cli {

// Text between tags, or between apostrophes where it has none: markup is escaped, control
// characters are blanks. What is no UTF-8 is said to be none. O(bytes).
std::string xml(std::string_view text);

std::string coordinate(double value);  // One digit behind the point: a tenth of a pixel.
std::string six_digits(double value);  // Of an estimate: more would say otherwise.

}  // namespace outrider::cli
