// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/body_format.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/core/text.h"

namespace outrider::decode {
namespace {

bool starts_like_json(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const std::string_view text = trim(body.substr(0, 64));
  if (text.empty()) return false;
  if (std::string_view("{[\"0123456789-").find(text.front()) != std::string_view::npos) return true;
  return text == "true" || text == "false" || text == "null" || text == "NaN" || text == "Infinity";
}

bool is_json_type(std::string_view type) {
  if (type == "application/json") return true;  // Nearly always, exactly so.
  const std::string lower = lower_ascii(type);
  return lower == "application/json" || lower.ends_with("+json") || lower == "text/json";
}

bool is_opaque_type(std::string_view lower) {
  for (const std::string_view prefix : {"image/", "audio/", "video/", "multipart/", "font/"}) {
    if (lower.starts_with(prefix)) return true;
  }
  constexpr std::string_view types[] = {"application/pdf",
                                        "application/zip",
                                        "application/x-npy",
                                        "application/x-npz",
                                        "application/x-parquet",
                                        "application/vnd.apache.parquet",
                                        "application/vnd.apache.arrow.stream",
                                        "application/x-recordio",
                                        "application/x-recordio-protobuf",
                                        "application/x-protobuf",
                                        "application/protobuf",
                                        "application/msgpack",
                                        "application/x-msgpack",
                                        "application/cbor",
                                        "application/x-pickle"};
  return std::find(std::begin(types), std::end(types), lower) != std::end(types);
}

}  // namespace

std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

Format format_of(std::string_view content_type, std::string_view json_bytes,
                 std::string_view body) {
  // The binary tensor extension: JSON comes first; a length of 0 says that there is none.
  if (!json_bytes.empty()) return json_bytes == "0" ? Format::opaque : Format::json;
  const std::string_view type = media_type(content_type);
  if (is_json_type(type)) return Format::json;
  const std::string lower = lower_ascii(type);
  // Frameworks call JSON all kinds of text: Flask says text/html of a view that returns a string.
  if (lower.empty() || lower == "*/*" || lower == "text/plain" || lower == "text/html") {
    return starts_like_json(body) ? Format::json : Format::other;
  }
  if (lower == "application/octet-stream" || lower == "binary/octet-stream") {
    return starts_like_json(body) ? Format::json : Format::opaque;
  }
  if (lower == "application/x-www-form-urlencoded") {
    // curl -d says so whatever the data is, and model servers take JSON by it. A form escapes
    // braces.
    const std::string_view text = trim(body.substr(0, 64));
    return text.starts_with('{') || text.starts_with('[') ? Format::json : Format::form;
  }
  if (lower == "text/csv" || lower == "application/csv") return Format::csv;
  if (lower == "text/event-stream") return Format::event_stream;
  constexpr std::string_view lines[] = {"application/x-ndjson", "application/ndjson",
                                        "application/jsonl", "application/jsonlines",
                                        "application/x-jsonlines"};
  if (std::find(std::begin(lines), std::end(lines), lower) != std::end(lines)) {
    return Format::json_lines;
  }
  if (is_opaque_type(lower)) return Format::opaque;
  const std::string_view text = trim(body.substr(0, 64));  // "*/*", and whatever else is JSON.
  return text.starts_with('{') || text.starts_with('[') ? Format::json : Format::other;
}

bool are_json_lines(tap::FailReason reason, std::string_view body) {
  const std::size_t end = body.find('\n');
  if (reason != tap::FailReason::invalid_json || end == std::string_view::npos) return false;
  return trim(body.substr(0, end)).ends_with('}') && trim(body.substr(end)).starts_with('{');
}

}  // namespace outrider::decode
