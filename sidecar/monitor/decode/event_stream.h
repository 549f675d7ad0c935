// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bodies of several JSON values: server-sent events, observed at their end, and JSON lines. PURE.
// Source of the formats: WHATWG HTML, "Server-sent events"; jsonlines.org.

#include <cstddef>
#include <string>
#include <string_view>

namespace outrider::decode {

struct StreamEnd {
  // The data of the last event that begins with '{' or '[' and is not a marker such as "[DONE]"; ""
  // when there is none. One whose data stands on several lines is joined in `scratch`.
  std::string_view last_json;
  bool has_error = false;  // An event is called "error".
};
// O(bytes).
StreamEnd read_stream_end(std::string_view stream, std::string& scratch);

// Where the first event that begins in `stream` does, when its own beginning is in the middle of
// one: behind the first empty line; its size where there is none.
std::size_t after_first_event(std::string_view stream);

// JSON lines: one value a line, whether they are the rows of a batch or a stream of results.
struct JsonLines {
  std::size_t count = 0;  // Lines that are not empty.
  std::string_view last;
  std::string_view as_list;  // All of them as one JSON list, in `scratch`.
};
JsonLines read_json_lines(std::string_view text, std::string& scratch);

}  // namespace outrider::decode
