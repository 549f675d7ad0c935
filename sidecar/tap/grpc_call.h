// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a gRPC call says before anybody decodes a message: its service and method, its model, what
// its status means. One truth for the proxy, which counts, and for the decoder. PURE, no
// allocation.
//
//   /inference.GRPCInferenceService/ModelInfer            KServe, Triton, MLServer: Open Inference Protocol
//   /tensorflow.serving.PredictionService/Predict         TF-Serving
//
// The path names no model; the request's message does, in its first field: model_name of Open
// Inference, model_spec.name of TF-Serving. Serializers write fields in their order, so the first
// bytes nearly always have it, and no more than those are looked at.
//
// Sources: gRPC, "gRPC over HTTP2" and "HTTP to gRPC status code mapping"; google/rpc/code.proto;
// KServe, grpc_predict_v2.proto; TensorFlow Serving, prediction_service.proto.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sidecar/tap/exchange.h"

namespace outrider::tap {

enum class GrpcMethod : std::uint8_t {
  other,
  model_infer,
  model_stream_infer,
  predict,
  classify,
  regress,
};

// "application/grpc", "application/grpc+proto", …; not gRPC-Web, which frames trailers as a
// message.
bool is_grpc_type(std::string_view content_type);

GrpcMethod grpc_method(std::string_view path);

// A method's place among the labels of a metric: the methods that model servers have, by their
// names alone, and behind them "other" for any other, so that a client cannot make labels.
inline constexpr std::size_t grpc_method_labels = 22;
std::size_t grpc_method_place(std::string_view path);
std::string_view grpc_method_label(std::size_t place);

// The model that a call of grpc_method(path) is for, from the body's first bytes (5 bytes of frame,
// then the message); "" where they do not say: another method, a compressed message, fields in
// another order. A view into `body`.
std::string_view model_in_grpc(GrpcMethod method, std::string_view body);

// "OK", "INVALID_ARGUMENT", …; "OTHER" for a number that is no code.
std::string_view grpc_code_name(int code);

// The HTTP status that says the same: 200, 400, 404, 429, 499, 500, 501, 503, 504, …
int http_status_of_grpc(int code);

// How a call with this status ended. no_grpc_status is a server's error: the protocol demands one.
Outcome outcome_of_grpc(int code);

// The exchange's status as HTTP has it, which is gRPC's own where gRPC was spoken: its :status is
// 200 whatever happened.
int effective_status(const Exchange& exchange);

}  // namespace outrider::tap
