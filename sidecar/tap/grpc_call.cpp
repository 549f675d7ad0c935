// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/grpc_call.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "base/core/text.h"

namespace outrider::tap {
namespace {

struct KnownMethod {
  std::string_view path;
  GrpcMethod method;
};
constexpr KnownMethod known_methods[] = {
    {"/inference.GRPCInferenceService/ModelInfer", GrpcMethod::model_infer},
    {"/inference.GRPCInferenceService/ModelStreamInfer", GrpcMethod::model_stream_infer},
    {"/tensorflow.serving.PredictionService/Predict", GrpcMethod::predict},
    {"/tensorflow.serving.PredictionService/Classify", GrpcMethod::classify},
    {"/tensorflow.serving.PredictionService/Regress", GrpcMethod::regress},
};

// Of the services above, health checking and reflection.
constexpr std::string_view labels[] = {"ModelInfer",
                                       "ModelStreamInfer",
                                       "Predict",
                                       "Classify",
                                       "Regress",
                                       "MultiInference",
                                       "ServerLive",
                                       "ServerReady",
                                       "ModelReady",
                                       "ServerMetadata",
                                       "ModelMetadata",
                                       "ModelConfig",
                                       "ModelStatistics",
                                       "GetModelMetadata",
                                       "GetModelStatus",
                                       "HandleReloadConfigRequest",
                                       "RepositoryIndex",
                                       "RepositoryModelLoad",
                                       "Check",
                                       "Watch",
                                       "ServerReflectionInfo",
                                       "other"};
static_assert(std::size(labels) == grpc_method_labels);
constexpr std::size_t other_place = grpc_method_labels - 1;

struct Code {
  std::string_view name;
  int http_status;
  Outcome outcome;
};
constexpr Code codes[] = {{"OK", 200, Outcome::success},
                          {"CANCELLED", 499, Outcome::cancelled},
                          {"UNKNOWN", 500, Outcome::server_error},
                          {"INVALID_ARGUMENT", 400, Outcome::client_error},
                          {"DEADLINE_EXCEEDED", 504, Outcome::timeout},
                          {"NOT_FOUND", 404, Outcome::client_error},
                          {"ALREADY_EXISTS", 409, Outcome::client_error},
                          {"PERMISSION_DENIED", 403, Outcome::client_error},
                          {"RESOURCE_EXHAUSTED", 429, Outcome::client_error},
                          {"FAILED_PRECONDITION", 400, Outcome::client_error},
                          {"ABORTED", 409, Outcome::client_error},
                          {"OUT_OF_RANGE", 400, Outcome::client_error},
                          {"UNIMPLEMENTED", 501, Outcome::server_error},
                          {"INTERNAL", 500, Outcome::server_error},
                          {"UNAVAILABLE", 503, Outcome::server_error},
                          {"DATA_LOSS", 500, Outcome::server_error},
                          {"UNAUTHENTICATED", 401, Outcome::client_error}};
constexpr Code no_code{"OTHER", 500, Outcome::server_error};

const Code& code_of(int code) {
  const bool is_one = code >= 0 && code < static_cast<int>(std::size(codes));
  return is_one ? codes[code] : no_code;
}

// The first field of a message where it is number 1 and length-delimited; else "". Its length has
// one or two bytes: a name is no longer.
std::string_view first_field(std::string_view message) {
  constexpr char tag = 0x0a;
  if (message.size() < 2 || message[0] != tag) return {};
  const auto byte = [&message](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(message[at]));
  };
  std::size_t length = byte(1), begin = 2;
  if (length >= 0x80) {
    if (message.size() < 3 || byte(2) >= 0x80) return {};
    length = (length & 0x7f) | byte(2) << 7;
    begin = 3;
  }
  if (length > message.size() - begin) return {};
  return message.substr(begin, length);
}

}  // namespace

bool is_grpc_type(std::string_view content_type) {
  constexpr std::string_view grpc = "application/grpc";
  if (!iequals_ascii(content_type.substr(0, grpc.size()), grpc)) return false;
  const std::string_view rest = content_type.substr(grpc.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';' || rest.front() == ' ';
}

GrpcMethod grpc_method(std::string_view path) {
  for (const KnownMethod& known : known_methods) {
    if (known.path == path) return known.method;
  }
  return GrpcMethod::other;
}

std::size_t grpc_method_place(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  const auto* others = std::begin(labels) + other_place;
  return static_cast<std::size_t>(std::find(std::begin(labels), others, name) - std::begin(labels));
}

std::string_view grpc_method_label(std::size_t place) {
  return labels[std::min(place, other_place)];
}

std::string_view model_in_grpc(GrpcMethod method, std::string_view body) {
  constexpr std::size_t prefix_bytes = 5;
  if (method == GrpcMethod::other || body.size() < prefix_bytes || body[0] != 0) return {};
  const std::string_view first = first_field(body.substr(prefix_bytes));
  const bool is_open_inference =
      method == GrpcMethod::model_infer || method == GrpcMethod::model_stream_infer;
  return is_open_inference ? first : first_field(first);
}

std::string_view grpc_code_name(int code) {
  return code_of(code).name;
}
int http_status_of_grpc(int code) {
  return code_of(code).http_status;
}
Outcome outcome_of_grpc(int code) {
  return code_of(code).outcome;
}

int effective_status(const Exchange& exchange) {
  const bool decides = exchange.protocol == Protocol::grpc && exchange.status == 200;
  return decides ? http_status_of_grpc(exchange.grpc_status) : exchange.status;
}

}  // namespace outrider::tap
