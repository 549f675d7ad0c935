// SPDX-License-Identifier: Apache-2.0
#include "base/wire/json.h"

#include <algorithm>

namespace outrider::wire {
namespace {

int nesting_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (nesting_depth(text) > json_depth_max) {
    return fail("json_too_deep",
                "the JSON is nested deeper than " + std::to_string(json_depth_max) + " levels");
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return fail("invalid_json", "at byte " + std::to_string(error.byte) + ": " + error.what());
  } catch (const Json::exception& error) {  // E.g. a number out of range.
    return fail("invalid_json", error.what());
  }
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace outrider::wire
