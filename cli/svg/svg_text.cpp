// SPDX-License-Identifier: Apache-2.0
#include "cli/svg/svg_text.h"

#include <array>
#include <cstdio>

#include "base/core/text.h"

namespace outrider::cli {
namespace {

std::string formatted(const char* format, double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

}  // namespace

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return is_valid_utf8(out) ? out : "(a name that is no UTF-8)";
}

std::string coordinate(double value) {
  return formatted("%.1f", value);
}

std::string six_digits(double value) {
  return formatted("%.6g", value);
}

}  // namespace outrider::cli
