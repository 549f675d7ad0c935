// SPDX-License-Identifier: Apache-2.0
#pragma once

// A text from outside in a message: enough of it to find it, never all of it.

#include <string>
#include <string_view>

namespace outrider {

// 'text', or 'its first bytes…' where it has more; never cut within a character. O(bytes_max).
inline std::string in_quotes(std::string_view text, std::size_t bytes_max = 40) {
  if (text.size() <= bytes_max) return "'" + std::string(text) + "'";
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return "'" + std::string(text.substr(0, end)) + "…'";
}

}  // namespace outrider
