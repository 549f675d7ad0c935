// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

Result<Place> parse_place(std::string_view text) {
  using Kind = Place::Kind;
  const struct {
    std::string_view prefix;
    Kind kind;
  } prefixes[] = {{"header:", Kind::header},
                  {"query:", Kind::query},
                  {"json:", Kind::json},
                  {"row:", Kind::row},
                  {"response:", Kind::response}};
  for (const auto& [prefix, kind] : prefixes) {
    if (!text.starts_with(prefix)) continue;
    const std::string_view rest = text.substr(prefix.size());
    const bool pointer = kind != Kind::header && kind != Kind::query;
    if (rest.empty() || (pointer && rest.front() != '/')) {
      return fail("bad_place", "expected " + std::string(prefix) +
                                   (pointer ? "/a/json/pointer" : "NAME") + ", got '" +
                                   std::string(text) + "'");
    }
    return Place{kind, std::string(rest)};
  }
  if (text.empty()) return fail("bad_place", "expected a place such as json:/price, got nothing");
  if (text == "path") return Place{Kind::path, ""};
  return Place{Kind::literal, std::string(text)};
}

}  // namespace outrider::decode
