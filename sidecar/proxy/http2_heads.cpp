// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/http2_heads.h"

#include <algorithm>
#include <array>

namespace outrider::proxy {
namespace {

using http2::Endpoint;
using http2::Field;
using http2::FieldBlock;
using http2::Stream;

void add_if(std::string_view name, std::string_view value, Endpoint& to) {
  if (!value.empty()) to.add({name, value});
}

void add_passed(const FieldBlock& block, Endpoint& to) {
  for (const Field& field : block)
    if (field.name != "x-prediction-id") to.add(field);
}

class Digits {
 public:
  explicit Digits(std::uint64_t number) {
    do {
      text_[--at_] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
  }
  std::string_view view() const { return {text_.data() + at_, text_.size() - at_}; }

 private:
  std::array<char, 20> text_;
  std::size_t at_ = 20;
};

void put_size(std::size_t size, std::string& out) {
  http2::put_uint32(static_cast<std::uint32_t>(size), out);
}

}  // namespace

void put_request(const FieldBlock& block, const Http2Additions& additions, Endpoint& to,
                 Stream& stream, bool ends) {
  to.begin_head(stream);
  add_passed(block, to);
  add_if("x-prediction-id", additions.prediction_id, to);
  if (!additions.via.empty()) to.add({"via", std::string("2.0 ").append(additions.via)});
  add_if("forwarded", additions.forwarded, to);
  if (block.find("traceparent").empty()) add_if("traceparent", additions.traceparent, to);
  to.end_head(stream, ends);
}

void put_response(const FieldBlock& block, const http2::ResponseHead& head,
                  const Http2Additions& additions, Endpoint& to, Stream& stream, bool ends) {
  to.begin_head(stream);
  add_passed(block, to);
  if (!head.interim()) {
    add_if("x-prediction-id", additions.prediction_id, to);
    if (!additions.via.empty()) to.add({"via", std::string("2.0 ").append(additions.via)});
  }
  to.end_head(stream, ends);
}

void put_trailers(const FieldBlock& block, Endpoint& to, Stream& stream) {
  to.begin_head(stream);
  for (const Field& field : block) to.add(field);
  to.end_head(stream, true);
}

// Each field: whether it is secret, two lengths, name, value.
std::string store_trailers(const FieldBlock& block) {
  std::string stored;
  for (const Field& field : block) {
    stored += field.is_secret ? '\1' : '\0';
    put_size(field.name.size(), stored);
    put_size(field.value.size(), stored);
    stored.append(field.name).append(field.value);
  }
  return stored;
}

void put_stored_trailers(std::string_view stored, Endpoint& to, Stream& stream) {
  to.begin_head(stream);
  while (!stored.empty()) {
    const std::size_t name_size = http2::read_uint32(stored.data() + 1);
    const std::size_t value_size = http2::read_uint32(stored.data() + 5);
    to.add(
        {stored.substr(9, name_size), stored.substr(9 + name_size, value_size), stored[0] != '\0'});
    stored.remove_prefix(9 + name_size + value_size);
  }
  to.end_head(stream, true);
}

std::string put_error(const Answer& answer, const Http2AnswerContext& context, Endpoint& to,
                      Stream& stream) {
  if (!context.is_grpc) {
    std::string body = error_body(answer);
    to.begin_head(stream);
    to.add({":status", Digits(static_cast<std::uint64_t>(answer.status)).view()});
    to.add({"date", http_date(context.now)});
    to.add({"content-type", "application/json"});
    to.add({"content-length", Digits(body.size()).view()});
    if (answer.retry_after_seconds != 0)
      to.add(
          {"retry-after", Digits(static_cast<std::uint64_t>(answer.retry_after_seconds)).view()});
    add_if("x-prediction-id", context.prediction_id, to);
    to.end_head(stream, context.is_head);
    return context.is_head ? std::string() : body;
  }
  const std::string message =
      percent_encoded(std::string(answer.code).append(": ").append(answer.message));
  to.begin_head(stream);
  to.add({":status", "200"});
  to.add({"content-type", "application/grpc"});
  to.add({"grpc-status", Digits(static_cast<std::uint64_t>(grpc_status_of(answer.status))).view()});
  to.add({"grpc-message", message});
  add_if("x-prediction-id", context.prediction_id, to);
  to.end_head(stream, true);
  return {};
}

std::string put_text(int status, std::string_view body, const Http2AnswerContext& context,
                     Endpoint& to, Stream& stream) {
  to.begin_head(stream);
  to.add({":status", Digits(static_cast<std::uint64_t>(status)).view()});
  to.add({"date", http_date(context.now)});
  to.add({"content-type", "text/plain; charset=utf-8"});
  to.add({"content-length", Digits(body.size()).view()});
  to.end_head(stream, context.is_head);
  return context.is_head ? std::string() : std::string(body);
}

void put_grpc_end(int grpc_status, std::string_view message, Endpoint& to, Stream& stream) {
  to.begin_head(stream);
  to.add({"grpc-status", Digits(static_cast<std::uint64_t>(grpc_status)).view()});
  to.add({"grpc-message", percent_encoded(message)});
  to.end_head(stream, true);
}

void capture_request_head(const FieldBlock& block, const http2::RequestHead& head,
                          tap::Capture& capture) {
  capture.request_line(head.method, head.path, head.authority);
  for (const Field& field : block)
    if (!field.name.starts_with(':') && field.name != "host")
      capture.request_field(field.name, field.value);
  capture.end_request_head();
}

void capture_response_head(const FieldBlock& block, int status, tap::Capture& capture) {
  capture.response_status(status);
  for (const Field& field : block)
    if (!field.name.starts_with(':')) capture.response_field(field.name, field.value);
  capture.end_response_head();
}

int grpc_status_in(std::string_view value) {
  int number = 0;
  if (value.empty() || value.size() > 3) return tap::no_grpc_status;
  for (const char c : value) {
    if (c < '0' || c > '9') return tap::no_grpc_status;
    number = number * 10 + (c - '0');
  }
  return number;
}

std::string percent_encoded(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

std::string_view http2_sampling_key(const FieldBlock& block) {
  for (const std::string_view name : {"x-prediction-id", "x-request-id", "ce-id"})
    if (const std::string_view value = block.find(name); !value.empty()) return value;
  return {};
}

int grpc_status_of(http2::ErrorCode code) {
  constexpr int cancelled = 1, permission_denied = 7, resource_exhausted = 8, internal = 13,
                unavailable = 14;
  switch (code) {
    case http2::ErrorCode::refused_stream:
      return unavailable;
    case http2::ErrorCode::cancel:
      return cancelled;
    case http2::ErrorCode::enhance_your_calm:
      return resource_exhausted;
    case http2::ErrorCode::inadequate_security:
      return permission_denied;
    default:
      return internal;
  }
}

}  // namespace outrider::proxy
