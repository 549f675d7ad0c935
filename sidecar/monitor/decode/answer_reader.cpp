// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_reader.h"

#include "base/core/text.h"
#include "sidecar/monitor/decode/body_format.h"
#include "sidecar/monitor/decode/event_stream.h"
#include "sidecar/monitor/decode/split_binary.h"

namespace outrider::decode {
namespace {

// The whole events of a long stream's end.
Decoded<std::string_view> events_at_end(const ExchangeParts& parts) {
  const bool are_events = iequals_ascii(media_type(parts.response_type), "text/event-stream");
  const std::size_t whole = after_first_event(parts.response_body);
  if (!are_events || !parts.response_coding.empty() || whole == parts.response_body.size())
    return failed(FailReason::too_long);
  return parts.response_body.substr(whole);
}

}  // namespace

AnswerReader::AnswerReader(const Rules& rules, GrpcMessages& messages)
    : rules_(rules),
      messages_(messages),
      unpacker_(rules.unpacked_bytes_max),
      answer_(rules),
      csv_(rules.rows_max) {}

void AnswerReader::clear() {
  answer_.clear();
  is_table_ = false;
  message_id_ = {};
}

Decoded<void> AnswerReader::open(const ExchangeParts& parts) {
  if (parts.response_is_end_only) {
    const auto events = events_at_end(parts);
    return events ? open_events(*events) : Decoded<void>(failed(events));
  }
  if (parts.is_grpc) {
    const auto message = messages_.answer(parts.response_coding, parts.response_body);
    if (!message) return failed(message);
    message_id_ = (*message)->id;
    return answer_.open((*message)->json.text(), (*message)->binary);
  }
  const auto body = unpacker_.unpack(parts.response_coding, parts.response_body);
  if (!body) return failed(body);
  return open_body(parts, *body);
}

Decoded<void> AnswerReader::open_body(const ExchangeParts& parts, std::string_view body) {
  switch (format_of(parts.response_type, parts.response_json_bytes, body)) {
    case Format::json: {
      const auto pieces = split_binary(body, parts.response_json_bytes);
      if (!pieces) return failed(pieces);
      const auto ok = answer_.open(pieces->json, pieces->binary);
      if (ok || !are_json_lines(ok.error(), body)) return ok;
      return answer_.open_lines(read_json_lines(body, text_).as_list);
    }
    case Format::event_stream:
      return open_events(body);
    case Format::json_lines: {
      // A line for each of the request's rows, or a stream whose last line counts: read() will
      // know.
      const JsonLines lines = read_json_lines(body, text_);
      if (lines.count == 0) return failed(FailReason::missing_prediction);
      return lines.count == 1 ? answer_.open(lines.last, {}) : answer_.open_lines(lines.as_list);
    }
    case Format::csv:
      if (parts.method == "GET" && !rules_.names_paths()) break;  // A file that somebody fetched.
      is_table_ = true;
      return csv_.read(body);
    case Format::form:
    case Format::opaque:
    case Format::other:
      break;
  }
  return failed(FailReason::unsupported_format);
}

Decoded<void> AnswerReader::open_events(std::string_view stream) {
  const StreamEnd end = read_stream_end(stream, text_);
  if (end.has_error) {
    answer_.note_error();
    return {};
  }
  if (end.last_json.empty()) return failed(FailReason::missing_prediction);
  return answer_.open(end.last_json, {});
}

Decoded<void> AnswerReader::read(std::span<const std::size_t> row_counts) {
  if (!is_table_) return answer_.read(row_counts);
  return answer_.read_table(csv_.matrix(), csv_.names(), row_counts);
}

}  // namespace outrider::decode
