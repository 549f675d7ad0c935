// SPDX-License-Identifier: Apache-2.0
#pragma once

// Heads of HTTP/2 as they pass the proxy: what is added, what is left out, how the proxy's own
// answers look, and how they are written down for the tap. PURE.
//
//   put_request(block, head, additions, endpoint, stream, ends);    // to the upstream
//   put_response(block, prediction_id, via, endpoint, stream, ends);
//   put_error(answer, context, endpoint, stream);                   // the body is its result
//
// Complexity: linear in the fields. Thread-safety: one thread, as the endpoint.

#include <string>
#include <string_view>

#include "sidecar/http2/endpoint.h"
#include "sidecar/proxy/answers.h"
#include "sidecar/tap/capture.h"

namespace outrider::proxy {

struct Http2Additions {
  std::string_view prediction_id{}, via{}, forwarded{}, traceparent{};  // "": none.
};

// All of them in their order, byte for byte, but the client's own X-Prediction-Id.
void put_request(const http2::FieldBlock& block, const Http2Additions& additions,
                 http2::Endpoint& to, http2::Stream& stream, bool ends);
// Interim ones get no addition.
void put_response(const http2::FieldBlock& block, const http2::ResponseHead& head,
                  const Http2Additions& additions, http2::Endpoint& to, http2::Stream& stream,
                  bool ends);
void put_trailers(const http2::FieldBlock& block, http2::Endpoint& to, http2::Stream& stream);

// Trailers that have to wait for DATA before them.
std::string store_trailers(const http2::FieldBlock& block);
void put_stored_trailers(std::string_view stored, http2::Endpoint& to, http2::Stream& stream);

struct Http2AnswerContext {
  Time now{};
  bool is_grpc = false, is_head = false;
  std::string_view prediction_id{};
};
// The proxy's own answer to a request: its head. Of gRPC it is Trailers-Only and so all of it; else
// the body, which is the result, is to follow.
std::string put_error(const Answer& answer, const Http2AnswerContext& context, http2::Endpoint& to,
                      http2::Stream& stream);
std::string put_text(int status, std::string_view body, const Http2AnswerContext& context,
                     http2::Endpoint& to, http2::Stream& stream);
// The end of a gRPC response that has begun and cannot go on.
void put_grpc_end(int grpc_status, std::string_view message, http2::Endpoint& to,
                  http2::Stream& stream);

void capture_request_head(const http2::FieldBlock& block, const http2::RequestHead& head,
                          tap::Capture& capture);
void capture_response_head(const http2::FieldBlock& block, int status, tap::Capture& capture);

// A status of gRPC; no_grpc_status where it is no number.
int grpc_status_in(std::string_view value);

// The value of grpc-message for a text (gRPC over HTTP2, "Responses").
std::string percent_encoded(std::string_view text);

// The caller's own id, by which requests are sampled; "": it has none.
std::string_view http2_sampling_key(const http2::FieldBlock& block);

// What clients take a reset for ("gRPC over HTTP2", HTTP2 transport mapping: errors).
int grpc_status_of(http2::ErrorCode code);

}  // namespace outrider::proxy
