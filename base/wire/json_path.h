// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what may not be there, of JSON from outside. PURE; never throws.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "base/wire/json.h"

namespace outrider::wire {

// nullptr where the path leads nowhere.
inline const Json* find(const Json& json, std::initializer_list<const char*> path) {
  const Json* at = &json;
  for (const char* key : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(key);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

// "" where there is no text.
inline std::string text_at(const Json& json, std::initializer_list<const char*> path) {
  const Json* found = find(json, path);
  return found && found->is_string() ? found->get<std::string>() : "";
}

inline std::optional<std::int64_t> number_at(const Json& json,
                                             std::initializer_list<const char*> path) {
  const Json* found = find(json, path);
  if (!found || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

// The items of a list; none where it is no list.
inline const Json& items_at(const Json& json, std::initializer_list<const char*> path) {
  static const Json none = Json::array();
  const Json* found = find(json, path);
  return found && found->is_array() ? *found : none;
}

}  // namespace outrider::wire
