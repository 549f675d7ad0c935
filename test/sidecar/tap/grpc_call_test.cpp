// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/grpc_call.h"

#include <string>

#include "test/support/catch.h"

namespace outrider::tap {
namespace {

// One message in its frame.
std::string framed(const std::string& message, char flag = 0) {
  std::string frame(5, '\0');
  frame[0] = flag;
  frame[4] = static_cast<char>(message.size() & 0xff);
  frame[3] = static_cast<char>(message.size() >> 8);
  return frame + message;
}

TEST_CASE("only gRPC's media types are gRPC") {
  for (const char* type : {"application/grpc", "application/grpc+proto", "Application/GRPC+json",
                           "application/grpc; charset=x"})
    CHECK(is_grpc_type(type));
  for (const char* type : {"", "application/grpc-web", "application/grpc-web+proto",
                           "application/grpcx", "text/plain"})
    CHECK_FALSE(is_grpc_type(type));
}

TEST_CASE("methods of model servers are known by their whole path, labels by the name alone") {
  CHECK(grpc_method("/inference.GRPCInferenceService/ModelInfer") == GrpcMethod::model_infer);
  CHECK(grpc_method("/tensorflow.serving.PredictionService/Regress") == GrpcMethod::regress);
  CHECK(grpc_method("/mine.Service/ModelInfer") == GrpcMethod::other);
  const auto label_of = [](std::string_view path) {
    return grpc_method_label(grpc_method_place(path));
  };
  CHECK(label_of("/inference.GRPCInferenceService/ModelInfer") == "ModelInfer");
  CHECK(label_of("/grpc.health.v1.Health/Check") == "Check");
  CHECK(label_of("/mine.Service/Anything") == "other");
  CHECK(label_of("/mine.Service/other") == "other");
  CHECK(label_of("") == "other");
  CHECK(grpc_method_label(1000) == "other");
}

TEST_CASE("the model's name is read from the first bytes of the request's message") {
  const std::string house =
      "\x0a\x05house\x12\x01"
      "1";
  CHECK(model_in_grpc(GrpcMethod::model_infer, framed(house)) == "house");
  CHECK(model_in_grpc(GrpcMethod::model_stream_infer, framed(house).substr(0, 12)) == "house");
  // TF-Serving has it one level deeper: model_spec.name.
  CHECK(model_in_grpc(GrpcMethod::predict, framed("\x0a\x07\x0a\x05house")) == "house");
  // A spec of more than 127 bytes has a length of two.
  const std::string spec = "\x0a\x05house\x1a" + std::string("\x78") + std::string(120, 's');
  std::string message = "\x0a";
  message += static_cast<char>(spec.size() | 0x80);
  message += static_cast<char>(spec.size() >> 7);
  CHECK(model_in_grpc(GrpcMethod::predict, framed(message + spec)) == "house");
}

TEST_CASE("no model is named where the first bytes do not say it") {
  const std::string house = framed("\x0a\x05house");
  CHECK(model_in_grpc(GrpcMethod::other, house).empty());
  CHECK(model_in_grpc(GrpcMethod::model_infer, framed("\x0a\x05house", 1)).empty());
  for (std::size_t bytes = 0; bytes < house.size(); ++bytes)
    CHECK(model_in_grpc(GrpcMethod::model_infer, house.substr(0, bytes)).empty());
  CHECK(model_in_grpc(GrpcMethod::model_infer, framed("\x12\x05house")).empty());
  CHECK(model_in_grpc(GrpcMethod::model_infer, framed("\x0a\xff\xff\xff\x01")).empty());
}

TEST_CASE(
    "the grpc-status decides what became of a call, and :status only where gRPC did not answer") {
  Exchange exchange;
  exchange.protocol = Protocol::grpc;
  exchange.status = 200;
  exchange.grpc_status = 0;
  CHECK(effective_status(exchange) == 200);
  exchange.grpc_status = 3;
  CHECK(effective_status(exchange) == 400);
  exchange.grpc_status = 14;
  CHECK(effective_status(exchange) == 503);
  exchange.grpc_status = no_grpc_status;
  CHECK(effective_status(exchange) == 500);
  exchange.status = 404;
  CHECK(effective_status(exchange) == 404);
  exchange.protocol = Protocol::http2;
  exchange.status = 200;
  CHECK(effective_status(exchange) == 200);
}

TEST_CASE("each code has its name and its outcome") {
  CHECK(grpc_code_name(0) == "OK");
  CHECK(grpc_code_name(16) == "UNAUTHENTICATED");
  CHECK(grpc_code_name(17) == "OTHER");
  CHECK(grpc_code_name(-1) == "OTHER");
  CHECK(outcome_of_grpc(0) == Outcome::success);
  CHECK(outcome_of_grpc(1) == Outcome::cancelled);
  CHECK(outcome_of_grpc(3) == Outcome::client_error);
  CHECK(outcome_of_grpc(4) == Outcome::timeout);
  CHECK(outcome_of_grpc(13) == Outcome::server_error);
  CHECK(outcome_of_grpc(99) == Outcome::server_error);
}

}  // namespace
}  // namespace outrider::tap
