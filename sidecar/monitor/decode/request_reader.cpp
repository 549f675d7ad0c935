// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/request_reader.h"

#include "base/core/text.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/body_format.h"
#include "sidecar/monitor/decode/event_stream.h"
#include "sidecar/monitor/decode/split_binary.h"

namespace outrider::decode {

RequestReader::RequestReader(const Rules& rules, GrpcMessages& messages)
    : rules_(rules),
      messages_(messages),
      unpacker_(rules.unpacked_bytes_max),
      body_(rules),
      csv_(rules.rows_max),
      table_(rules.rows_max, rules.features_max) {}

void RequestReader::clear() {
  table_.clear();
  body_.clear();
  message_ = {};
  is_opaque_ = false;
  row_counts_.clear();
  query_fields_.clear();
  if (!kept_.empty()) kept_.clear();
}

Decoded<void> RequestReader::read(const ExchangeParts& parts) {
  if (parts.request_body.empty()) {
    if (auto ok = add_query(parts.query); !ok) return ok;
    if (table_.rows() > 0) row_counts_.push_back(1);
    return {};
  }
  if (parts.is_grpc) {
    if (auto ok = read_message(parts); !ok) return ok;
  } else {
    const auto body = unpacker_.unpack(parts.request_coding, parts.request_body);
    if (!body) return failed(body);
    if (auto ok = read_body(parts, *body); !ok) return ok;
  }
  const auto counts = body_.row_counts();
  row_counts_.assign(counts.begin(), counts.end());
  if (counts.empty() && table_.rows() > 0) row_counts_.push_back(table_.rows());
  return {};
}

Decoded<void> RequestReader::read_message(const ExchangeParts& parts) {
  const auto message = messages_.request(parts.request_coding, parts.request_body);
  if (!message) return failed(message);
  message_ = {(*message)->id, (*message)->model_name, (*message)->model_version};
  return body_.open((*message)->json.text(), (*message)->binary, table_);
}

Decoded<void> RequestReader::read_body(const ExchangeParts& parts, std::string_view body) {
  switch (format_of(parts.request_type, parts.request_json_bytes, body)) {
    case Format::json: {
      const auto pieces = split_binary(body, parts.request_json_bytes);
      if (!pieces) return failed(pieces);
      const auto ok = body_.open(pieces->json, pieces->binary, table_);
      if (ok || !are_json_lines(ok.error(), body)) return ok;
      table_.clear();
      return body_.open(read_json_lines(body, lines_).as_list, {}, table_);
    }
    case Format::json_lines: {
      const JsonLines lines = read_json_lines(body, lines_);
      return body_.open(lines.count == 1 ? lines.last : lines.as_list, {}, table_);
    }
    case Format::csv:
      if (auto ok = csv_.read(body); !ok) return ok;
      return table_.add_matrix(csv_.matrix(), csv_.names());
    case Format::form:
      return add_query(body);
    case Format::opaque:
      // Triton's raw binary request; with JSON before the tensors it is none.
      is_opaque_ = parts.request_json_bytes.empty();
      return {};
    case Format::event_stream:
    case Format::other:
      break;
  }
  return failed(FailReason::unsupported_format);
}

Decoded<void> RequestReader::add_query(std::string_view query) {
  const auto is_encoded = [](std::string_view raw) {
    return raw.find('%') != std::string_view::npos || raw.find('+') != std::string_view::npos;
  };
  // Mostly, all of it is as it stands; then its pieces are.
  const bool plain = !is_encoded(query) && is_valid_utf8(query);
  const auto keep = [&](std::string_view raw) -> Decoded<std::string_view> {
    if (plain) return raw;
    if (!is_encoded(raw)) {
      if (!is_valid_utf8(raw)) return failed(FailReason::invalid_utf8);
      return raw;
    }
    auto text = percent_decode(raw, true);
    if (!text) return failed(FailReason::invalid_query);
    if (!is_valid_utf8(*text)) return failed(FailReason::invalid_utf8);
    return std::string_view(kept_.emplace_back(std::move(*text)));
  };
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    const auto name = keep(piece.substr(0, equals));
    const auto text = keep(equals == std::string_view::npos ? "" : piece.substr(equals + 1));
    if (!name) return failed(name);
    if (!text) return failed(text);
    if (query_fields_.size() >= rules_.features_max) return failed(FailReason::wrong_shape);
    query_fields_.emplace_back(*name, detectors::read_value(*text));
  }
  if (query_fields_.empty()) return {};
  return table_.add_fields(query_fields_);
}

std::string_view RequestReader::query_field(std::string_view name) const {
  for (const auto& [field, value] : query_fields_) {
    if (field == name) return value.text;
  }
  return {};
}

}  // namespace outrider::decode
