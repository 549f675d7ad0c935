// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/lenient_json.h"

#include <charconv>

namespace outrider::decode {
namespace {

constexpr std::size_t integer_digits_max = 18;  // Longer ones are quoted: simdjson refuses some.

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '+' || c == '.' || c == '_';
}

// The end of the string that begins at `at`, behind its closing quote.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

enum class Lacking { nothing, nan, infinity, minus_infinity, long_integer };

bool overflows(std::string_view token) {
  double number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (end != token.data() + token.size() || error != std::errc::result_out_of_range) return false;
  return token.find("e-") == std::string_view::npos && token.find("E-") == std::string_view::npos;
}

Lacking lacking_in_json(std::string_view token) {
  if (token == "NaN" || token == "nan" || token == "-NaN") return Lacking::nan;
  if (token == "Infinity" || token == "inf") return Lacking::infinity;
  if (token == "-Infinity" || token == "-inf") return Lacking::minus_infinity;
  const bool negative = token.front() == '-';
  const std::string_view digits = token.substr(negative ? 1 : 0);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return Lacking::nothing;
  if (token.find_first_of(".eE") == std::string_view::npos) {
    return digits.size() > integer_digits_max ? Lacking::long_integer : Lacking::nothing;
  }
  if (!overflows(token)) return Lacking::nothing;
  return negative ? Lacking::minus_infinity : Lacking::infinity;
}

}  // namespace

bool quote_what_json_lacks(std::string_view text, std::string& out) {
  bool found = false;
  out.clear();
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      const std::size_t end = string_end(text, at);
      out += text.substr(at, end - at);
      at = end;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const std::string_view token = text.substr(at, end - at);
    const Lacking lacking = lacking_in_json(token);
    found = found || lacking != Lacking::nothing;
    switch (lacking) {
      case Lacking::nothing:
        out += token;
        break;
      case Lacking::nan:
        out += "null";
        break;
      case Lacking::infinity:
        out += "\"Infinity\"";
        break;
      case Lacking::minus_infinity:
        out += "\"-Infinity\"";
        break;
      case Lacking::long_integer:
        (out += '"').append(token) += '"';
        break;
    }
    at = end;
  }
  return found;
}

}  // namespace outrider::decode
