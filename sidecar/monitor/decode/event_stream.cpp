// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/event_stream.h"

#include "base/core/text.h"

namespace outrider::decode {
namespace {

// Takes the next line off; its end is CRLF, LF or CR.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find_first_of("\r\n");
  const std::string_view line = rest.substr(0, end);
  if (end == std::string_view::npos) {
    rest = {};
  } else {
    const bool crlf = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
    rest.remove_prefix(end + (crlf ? 2 : 1));
  }
  return line;
}

bool looks_like_json(std::string_view data) {
  const std::string_view text = trim(data);
  return !text.empty() && (text.front() == '{' || text.front() == '[') && text != "[DONE]";
}

}  // namespace

std::size_t after_first_event(std::string_view stream) {
  std::string_view rest = stream;
  take_line(rest);  // The end of one, which may look empty.
  while (!rest.empty() && !take_line(rest).empty()) {
  }
  return stream.size() - rest.size();
}

StreamEnd read_stream_end(std::string_view stream, std::string& scratch) {
  bool has_error = false;
  std::string_view best;     // Data of one line; a view into the stream.
  bool best_joined = false;  // The best one's data is in `scratch`.
  std::string_view one;
  std::string joined;
  int lines = 0;
  const auto dispatch = [&] {
    if (lines == 1 && looks_like_json(one)) {
      best = one;
      best_joined = false;
    } else if (lines > 1 && looks_like_json(joined)) {
      scratch = joined;
      best_joined = true;
    }
    lines = 0;
  };
  while (!stream.empty()) {
    const std::string_view line = take_line(stream);
    if (line.empty()) {
      dispatch();
      continue;
    }
    if (line.starts_with("event:") && trim(line.substr(6)) == "error") has_error = true;
    if (!line.starts_with("data:")) continue;
    std::string_view data = line.substr(5);
    if (data.starts_with(' ')) data.remove_prefix(1);
    if (lines == 1) joined.assign(one);
    if (lines >= 1) joined.append("\n").append(data);
    one = data;
    ++lines;
  }
  dispatch();  // A last event without its empty line: the stream was closed behind it.
  return {best_joined ? std::string_view(scratch) : best, has_error};
}

JsonLines read_json_lines(std::string_view text, std::string& scratch) {
  JsonLines lines;
  scratch.assign("[");
  while (!text.empty()) {
    const std::string_view line = trim(take_line(text));
    if (line.empty()) continue;
    if (++lines.count > 1) scratch += ',';
    scratch += line;
    lines.last = line;
  }
  scratch += ']';
  lines.as_list = scratch;
  return lines;
}

}  // namespace outrider::decode
