// SPDX-License-Identifier: Apache-2.0
#pragma once

// Boost.Beast's basic_parser as a second opinion. Ours is the stricter one: whatever ours accepts,
// Beast must accept and read the same way. Where Beast is known to be stricter, or to be wrong, the
// difference has a name here; any other is a failure, in the unit test and in the fuzz target
// alike.

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/core/text.h"
#include "sidecar/http1/body.h"
#include "sidecar/http1/head.h"

namespace outrider::http1 {

struct BeastReading {
  boost::beast::error_code error;  // need_more is no fault
  bool complete = false;
  std::size_t consumed = 0;
  std::string method, target, reason;
  int status = 0;
  int version = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  std::string content;
};

template <bool is_request>
class BeastParser : public boost::beast::http::basic_parser<is_request> {
 public:
  BeastReading reading;

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::beast::error_code;
  static std::string text(string_view v) { return {v.data(), v.size()}; }

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target,
                       int version, error_code& ec) override {
    ec = {};
    reading.method = text(method), reading.target = text(target), reading.version = version;
  }
  void on_response_impl(int code, string_view reason, int version, error_code& ec) override {
    ec = {};
    reading.status = code, reading.reason = text(reason), reading.version = version;
  }
  void on_field_impl(boost::beast::http::field, string_view name, string_view value,
                     error_code& ec) override {
    ec = {};
    reading.fields.emplace_back(text(name), text(value));
  }
  void on_header_impl(error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code& ec) override {
    ec = {};
  }
  std::size_t on_body_impl(string_view body, error_code& ec) override {
    ec = {};
    reading.content += text(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code& ec) override { ec = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& ec) override {
    ec = {};
    reading.content += text(body);
    return body.size();
  }
  void on_finish_impl(error_code& ec) override { ec = {}; }
};

template <bool is_request>
BeastReading beast_head(std::string_view bytes) {
  BeastParser<is_request> parser;
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  boost::beast::error_code ec;
  parser.reading.consumed = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (ec != boost::beast::http::error::need_more) parser.reading.error = ec;
  parser.reading.complete = !ec && parser.is_header_done();
  if (!parser.reading.complete) return parser.reading;
  parser.reading.chunked = parser.chunked();
  if (const auto length = parser.content_length()) parser.reading.content_length = *length;
  return parser.reading;
}

inline BeastReading beast_chunked(std::string_view body) {
  static constexpr std::string_view head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  BeastParser<true> parser;
  parser.body_limit(boost::none);
  parser.eager(true);
  boost::beast::error_code ec;
  const std::string bytes = std::string(head) + std::string(body);
  std::size_t at = 0;
  // Beast stops wherever it likes; it is done when it takes nothing any more.
  for (std::size_t taken = 1; taken > 0 && at < bytes.size() && !parser.is_done() && !ec;
       at += taken) {
    taken = parser.put(boost::asio::const_buffer(bytes.data() + at, bytes.size() - at), ec);
  }
  if (ec != boost::beast::http::error::need_more) parser.reading.error = ec;
  parser.reading.complete = parser.is_done();
  parser.reading.consumed = at - std::min(at, head.size());
  return parser.reading;
}

// Where Beast refuses what we accept, and why we do.
template <class AnyHead>
bool beast_is_known_to_refuse(const AnyHead& head) {
  // It reads Proxy-Connection as Connection; RFC 9110 does not know that field and we drop it
  // unread.
  if (head.find(FieldId::proxy_connection) != nullptr) return true;
  // It wants the blank after the status even without a reason, and RFC 9112 does; some servers
  // leave it out.
  if constexpr (std::is_same_v<AnyHead, ResponseHead>) {
    return head.reason().empty() && head.view(head.begin + 12, 1) == "\r";
  }
  return false;
}

// Violations that break the grammar itself, for which Beast must refuse too.
inline bool breaks_grammar(Violation violation) {
  switch (violation) {
    case Violation::bad_method:
    case Violation::bad_field_name:
    case Violation::line_without_colon:
      return true;
    default:
      return false;
  }
}

// A name that is proper, but framing to CGI: refused by us with the word for improper ones.
inline bool names_framing_with_underscores(const BeastReading& reading) {
  return std::any_of(reading.fields.begin(), reading.fields.end(), [](const auto& field) {
    return iequals_ascii(field.first, "content_length") ||
           iequals_ascii(field.first, "transfer_encoding");
  });
}

// "" when both agree; else what differs.
template <class AnyHead>
std::string compare_heads(Progress progress, const AnyHead& head, std::string_view bytes) {
  constexpr bool is_request = std::is_same_v<AnyHead, RequestHead>;
  if (progress == Progress::need_more) return "";
  const std::size_t skipped = progress == Progress::complete ? head.begin : 0;
  const BeastReading beast = beast_head<is_request>(bytes.substr(skipped));
  if (progress == Progress::invalid) {
    return beast.complete && breaks_grammar(head.violation) &&
                   !names_framing_with_underscores(beast)
               ? "Beast accepts what breaks the grammar: " + std::string(to_string(head.violation))
               : "";
  }
  if (!beast.complete) {
    return beast_is_known_to_refuse(head)
               ? ""
               : "Beast refuses what we accept: " + beast.error.message();
  }
  if (beast.consumed != head.raw().size()) return "the head ends elsewhere";
  if (beast.version != 10 + head.summary.minor_version) return "version";
  if constexpr (is_request) {
    if (beast.method != head.method()) return "method";
    if (beast.target != head.target()) return "target";
  } else {
    if (beast.status != head.summary.status) return "status";
    if (beast.reason != head.reason()) return "reason";
  }
  if (beast.fields.size() != head.field_count()) return "number of fields";
  for (std::size_t i = 0; i < beast.fields.size(); ++i) {
    if (beast.fields[i].first != head.name(head.field(i))) return "a field's name";
    if (beast.fields[i].second != head.value(head.field(i))) return "a field's value";
  }
  const bool length = head.find(FieldId::content_length) != nullptr;
  if (beast.chunked != (head.find(FieldId::transfer_encoding) != nullptr)) return "chunked";
  if (length != beast.content_length.has_value()) return "presence of a length";
  if (length && *beast.content_length != head.summary.content_length) return "length";
  return "";
}

inline std::string compare_bodies(std::string_view bytes) {
  BodyReader reader(Framing::chunked);
  std::string content;
  const BodyReader::Run run = reader.take(bytes, [&](std::string_view c) { content += c; });
  if (run.progress != Progress::complete) return "";
  const BeastReading beast = beast_chunked(bytes);
  if (!beast.complete) return "Beast refuses a body that we accept: " + beast.error.message();
  if (beast.content != content) return "content";
  if (beast.consumed != run.taken) return "the body ends elsewhere";
  return "";
}

}  // namespace outrider::http1
