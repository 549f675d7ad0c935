// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/answers.h"

#include <ctime>

namespace outrider::proxy {
namespace {

std::string render(int status, std::string_view content_type, std::string_view body,
                   std::string_view more_fields, const AnswerContext& context) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  out += reason_phrase(status);
  out += "\r\nDate: " + http_date(context.now);
  out += "\r\nContent-Type: ";
  out += content_type;
  out += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  out += more_fields;
  if (!context.prediction_id.empty()) {
    out += "X-Prediction-Id: ";
    out += context.prediction_id;
    out += "\r\n";
  }
  if (context.close) out += "Connection: close\r\n";
  out += "\r\n";
  if (!context.is_head) out += body;
  return out;
}

// Messages are our own words and system messages: quotes, backslashes and controls are all there
// is.
void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += '"';
}

}  // namespace

// In the words of the C locale.
std::string http_date(Time now) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

std::string error_body(const Answer& answer) {
  std::string body = "{\"error\": ";
  append_json(body, answer.code);
  body += ", \"message\": ";
  append_json(body, answer.message);
  return body += "}\n";
}

// The upstream's failures are UNAVAILABLE, whatever they are to HTTP: a call may be tried again.
int grpc_status_of(int status) {
  constexpr int cancelled = 1, unknown = 2, deadline_exceeded = 4, resource_exhausted = 8,
                unimplemented = 12, internal = 13, unavailable = 14;
  switch (status) {
    case 400:
      return internal;
    case 408:
      return deadline_exceeded;
    case 413:
    case 431:
      return resource_exhausted;
    case 499:
      return cancelled;
    case 501:
    case 505:
      return unimplemented;
    case 502:
    case 503:
    case 504:
      return unavailable;
    default:
      return unknown;
  }
}

std::string render_error(const Answer& answer, const AnswerContext& context) {
  const std::string body = error_body(answer);
  const std::string retry =
      answer.retry_after_seconds == 0
          ? std::string()
          : "Retry-After: " + std::to_string(answer.retry_after_seconds) + "\r\n";
  return render(answer.status, "application/json", body, retry, context);
}

std::string render_text(int status, std::string_view body, const AnswerContext& context) {
  return render(status, "text/plain; charset=utf-8", body, {}, context);
}

}  // namespace outrider::proxy
