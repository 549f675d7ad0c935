// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/json_pointer.h"

#include "base/core/text.h"

namespace outrider::decode {
namespace {

std::string unescaped(std::string_view token) {
  std::string text;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char next = i + 1 < token.size() ? token[i + 1] : '\0';
    if (token[i] == '~' && (next == '0' || next == '1')) {
      text += next == '0' ? '~' : '/';
      ++i;
    } else {
      text += token[i];
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> pointer_tokens(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.starts_with('/')) pointer.remove_prefix(1);
  for (const std::string_view token : split(pointer, '/')) tokens.push_back(unescaped(token));
  return tokens;
}

std::optional<std::uint64_t> list_index(std::string_view token) {
  const bool canonical = token == "0" || !token.starts_with('0');
  return canonical ? parse_uint(token) : std::nullopt;
}

std::optional<dom::element> follow(std::span<const std::string> tokens, dom::element from) {
  for (const std::string& token : tokens) {
    std::optional<dom::element> next;
    if (const auto object = object_of(from)) {
      next = member(*object, token);
    } else if (const auto list = array_of(from)) {
      const auto index = list_index(token);
      dom::element element;
      if (index && list->at(*index).get(element) == simdjson::SUCCESS) next = element;
    }
    if (!next) return std::nullopt;
    from = *next;
  }
  return from;
}

}  // namespace outrider::decode
