// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gRPC services of model servers and their table. Each entry lays a method's messages out as
// the HTTP bodies of the same server (message_body.h); what those mean is protocols.h's business.
// PURE.
//
// Field numbers are written where they are read: they are the protocol, and generated classes would
// copy every tensor. Failures: invalid_message for what is no message of that schema; wrong_shape
// where tensors and their values do not fit together; unsupported_format for a type of number that
// has no value of ours.

#include <string_view>

#include "sidecar/monitor/decode/failure.h"
#include "sidecar/monitor/decode/message_body.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::decode::protocols {

using ReadMessage = Decoded<void> (*)(std::string_view message, MessageBody& out);

Decoded<void> open_inference_grpc_request(std::string_view message, MessageBody& out);
Decoded<void> open_inference_grpc_answer(std::string_view message, MessageBody& out);
Decoded<void> open_inference_grpc_stream_answer(std::string_view message, MessageBody& out);
Decoded<void> tf_serving_grpc_predict_request(std::string_view message, MessageBody& out);
Decoded<void> tf_serving_grpc_predict_answer(std::string_view message, MessageBody& out);
Decoded<void> tf_serving_grpc_examples_request(std::string_view message, MessageBody& out);
Decoded<void> tf_serving_grpc_classify_answer(std::string_view message, MessageBody& out);
Decoded<void> tf_serving_grpc_regress_answer(std::string_view message, MessageBody& out);

struct GrpcProtocol {
  tap::GrpcMethod method;
  ReadMessage request, answer;
};

inline constexpr GrpcProtocol grpc_table[] = {
    {tap::GrpcMethod::model_infer, open_inference_grpc_request, open_inference_grpc_answer},
    {tap::GrpcMethod::model_stream_infer, open_inference_grpc_request,
     open_inference_grpc_stream_answer},
    {tap::GrpcMethod::predict, tf_serving_grpc_predict_request, tf_serving_grpc_predict_answer},
    {tap::GrpcMethod::classify, tf_serving_grpc_examples_request, tf_serving_grpc_classify_answer},
    {tap::GrpcMethod::regress, tf_serving_grpc_examples_request, tf_serving_grpc_regress_answer},
};

// Of ModelStreamInfer's messages, what pairs them: the request's id; and whether a response carries
// outputs, an error, or only says that it is the last.
struct StreamedMessage {
  std::string_view id;
  bool has_content = false;
};
StreamedMessage look_at_stream_request(std::string_view message);
StreamedMessage look_at_stream_answer(std::string_view message);

}  // namespace outrider::decode::protocols
