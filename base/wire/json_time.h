// SPDX-License-Identifier: Apache-2.0
#pragma once

// Times as the agent's journal and API write them: RFC 3339, null where there is none. PURE.

#include <optional>
#include <stdexcept>
#include <string>

#include "base/core/clock.h"
#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::wire {

inline Json time_json(const std::optional<Time>& time) {
  return time ? Json(format_rfc3339(*time)) : Json();
}

// Reads what time_json wrote; throws Json::exception or std::invalid_argument on anything else.
inline std::optional<Time> read_time(const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (value.is_null()) return std::nullopt;
  const auto time = parse_rfc3339(value.get<std::string>());
  if (!time) throw std::invalid_argument(std::string(key) + ": no time");
  return time;
}

}  // namespace outrider::wire
