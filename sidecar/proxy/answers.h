// SPDX-License-Identifier: Apache-2.0
#pragma once

// The answers that the proxy gives itself, ready to send: errors as {"error", "message"}, and the
// health page. PURE.

#include <string>
#include <string_view>

#include "base/core/clock.h"

namespace outrider::proxy {

struct Answer {
  int status = 0;
  std::string_view code;        // The JSON body's "error".
  std::string_view message;     // Its "message": what, where, what to change.
  int retry_after_seconds = 0;  // 0: no Retry-After.
};

struct AnswerContext {
  Time now = {};         // For Date (RFC 9110, 6.6.1).
  bool is_head = false;  // A HEAD request: the body is left out.
  bool close = true;
  std::string_view prediction_id = {};  // Echoed when not empty.
};

std::string render_error(const Answer& answer, const AnswerContext& context);
std::string render_text(int status, std::string_view body, const AnswerContext& context);
std::string_view reason_phrase(int status);
std::string http_date(Time now);  // "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
// The body of render_error(), and the status of gRPC that says the same as one of HTTP. 200 says
// nothing of a call: without a status of its own it ended as UNKNOWN.
std::string error_body(const Answer& answer);
int grpc_status_of(int status);

}  // namespace outrider::proxy
