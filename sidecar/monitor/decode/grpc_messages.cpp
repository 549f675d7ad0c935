// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/grpc_messages.h"

#include <algorithm>
#include <iterator>

#include "sidecar/monitor/decode/message_schemas.h"

namespace outrider::decode {

Decoded<std::string_view> unpack(const GrpcFrame& frame, std::string_view coding,
                                 Unpacker& unpacker) {
  if (!frame.is_packed) return frame.message;
  if (coding.empty() || coding == "identity") return failed(FailReason::invalid_encoding);
  return unpacker.unpack(coding, frame.message);
}

namespace {

// Whether the configuration looks for a value in the message's id.
bool names_id(const Rules& rules) {
  std::vector<Place> places = rules.key;
  for (const Place& place : {rules.model_name, rules.model_version, rules.prediction, rules.score})
    places.push_back(place);
  for (const FeatureRule& feature : rules.features) {
    places.push_back(feature.from);
    if (feature.name == "id") return true;
  }
  return std::any_of(places.begin(), places.end(),
                     [](const Place& place) { return place.text == "/id"; });
}

}  // namespace

GrpcMessages::GrpcMessages(const Rules& rules)
    : schemas_(rules.schemas),
      request_{Unpacker(rules.unpacked_bytes_max), {}},
      answer_{Unpacker(rules.unpacked_bytes_max), {}} {
  request_.body.with_id = answer_.body.with_id = names_id(rules);
}

bool GrpcMessages::knows(std::string_view path) {
  if (path == path_ && !path.empty()) return is_known_;
  path_ = path;
  const tap::GrpcMethod method = tap::grpc_method(path);
  const auto* found =
      std::find_if(std::begin(protocols::grpc_table), std::end(protocols::grpc_table),
                   [method](const auto& one) { return one.method == method; });
  protocol_ = found == std::end(protocols::grpc_table) ? nullptr : found;
  return is_known_ = protocol_ != nullptr || (schemas_ && schemas_->knows(path_));
}

Decoded<const MessageBody*> GrpcMessages::request(std::string_view coding, std::string_view body) {
  return open(request_, true, coding, body);
}

Decoded<const MessageBody*> GrpcMessages::answer(std::string_view coding, std::string_view body) {
  return open(answer_, false, coding, body);
}

Decoded<const MessageBody*> GrpcMessages::open(Side& side, bool is_request, std::string_view coding,
                                               std::string_view body) {
  side.body.clear();
  GrpcFrames frames(body);
  const auto frame = frames.next();
  if (!frame) return failed(body.empty() ? FailReason::wrong_shape : FailReason::invalid_message);
  if (!frames.at_end())
    return failed(frames.next() ? FailReason::wrong_shape : FailReason::invalid_message);
  const auto message = unpack(*frame, coding, side.unpacker);
  if (!message) return failed(message);
  const auto read = [&]() -> Decoded<void> {
    if (protocol_ != nullptr)
      return (is_request ? protocol_->request : protocol_->answer)(*message, side.body);
    if (!schemas_) return failed(FailReason::unsupported_format);
    side.body.restart();
    return schemas_->write(path_, is_request, *message, side.body.json);
  };
  if (const auto ok = read(); !ok) return failed(ok);
  return &side.body;
}

}  // namespace outrider::decode
