// SPDX-License-Identifier: Apache-2.0
// gRPC calls of anything at all: each method's messages, streams, compression. What is decoded must
// not depend on the calls before it: a decoder that has seen others says the same as a fresh one.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/decoder.h"
#include "sidecar/monitor/decode/grpc_stream.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

namespace {

constexpr std::string_view methods[] = {"/inference.GRPCInferenceService/ModelInfer",
                                        "/inference.GRPCInferenceService/ModelStreamInfer",
                                        "/tensorflow.serving.PredictionService/Predict",
                                        "/tensorflow.serving.PredictionService/Classify",
                                        "/tensorflow.serving.PredictionService/Regress"};

decode::Rules small_rules() {
  decode::Rules rules;
  rules.unpacked_bytes_max = 1 << 20;
  return rules;
}

std::string described(decode::Decoder& decoder, const tap::Exchange& exchange) {
  const auto outcome = decoder.decode(exchange);
  if (!outcome) {
    return outcome.error().kind == tap::Disposal::Kind::skipped
               ? "skipped"
               : std::string(to_string(outcome.error().fail_reason));
  }
  std::string text = std::string(outcome->model_name) + "/" + std::string(outcome->model_version);
  for (const std::string_view alias : outcome->aliases) text += " " + std::string(alias);
  std::string scratch;
  for (const decode::Row& row : outcome->rows) {
    for (std::size_t i = 0; i < row.features.size(); ++i)
      text += " " + outcome->names->names[i] + "=" +
              std::string(decode::as_category(row.features[i], scratch));
    text += " -> " + std::string(decode::as_category(row.prediction.value, scratch));
  }
  return text;
}

}  // namespace

// Input: the method and whether it is packed, the length of the request's body (two bytes), both
// bodies.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size < 3) return 0;
  static decode::Decoder seasoned{small_rules()};
  decode::Decoder fresh{small_rules()};
  decode::GrpcStream stream(1 << 20);
  const std::string_view bodies(reinterpret_cast<const char*>(input) + 3, size - 3);
  const std::size_t request = std::min<std::size_t>(input[1] << 8 | input[2], bodies.size());
  const std::string packing = input[0] >= 128 ? "grpc-encoding: gzip\r\n" : "";
  const std::string head = "POST " + std::string(methods[input[0] % std::size(methods)]) +
                           " HTTP/1.1\r\nhost: m\r\n" + packing + "\r\n";
  const std::string answered = "HTTP/1.1 200 \r\n" + packing + "\r\n";
  tap::Exchange call;
  call.id.fill('0');
  call.protocol = tap::Protocol::grpc;
  call.status = 200;
  call.grpc_status = 0;
  call.request_head = head;
  call.response_head = answered;
  call.request_body = bodies.substr(0, request);
  call.response_body = bodies.substr(request);
  require(described(seasoned, call) == described(fresh, call), "what came before changes nothing");
  // The second time by the short way, where there is one.
  require(described(fresh, call) == described(seasoned, call), "the same call says the same");
  if (!stream.open(call)) return 0;
  while (const tap::Exchange* one = stream.next())
    require(described(seasoned, *one) == described(fresh, *one), "nor in a stream");
  return 0;
}
