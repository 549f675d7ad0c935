// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/grpc_stream.h"

#include <algorithm>

#include "sidecar/monitor/decode/grpc_frames.h"
#include "sidecar/monitor/decode/grpc_messages.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::decode {
namespace {

bool is_at_most_one(std::string_view body) {
  GrpcFrames frames(body);
  frames.next();
  return frames.at_end();
}

// The call's own for the first; else its last 48 bits, random ones, mixed with the message's number
// (Stafford's variant 13 of MurmurHash3's finaliser).
tap::PredictionId id_of(const tap::PredictionId& call, std::uint64_t number) {
  constexpr std::size_t digits = 12;
  constexpr std::string_view hex = "0123456789abcdef";
  tap::PredictionId id = call;
  if (number == 0) return id;
  std::uint64_t mixed = number * 0x9e3779b97f4a7c15;
  for (std::size_t i = id.size() - digits; i < id.size(); ++i)
    mixed = mixed * 31 + static_cast<unsigned char>(id[i]);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  for (std::size_t i = id.size() - digits; i < id.size(); ++i, mixed >>= 4) id[i] = hex[mixed & 15];
  return id;
}

}  // namespace

bool GrpcStream::open(const tap::Exchange& call) {
  call_ = nullptr;
  if (call.protocol != tap::Protocol::grpc) return false;
  const bool is_whole = call.request_gap.bytes == 0 && call.response_gap.bytes == 0;
  if (is_whole && is_at_most_one(call.request_body) && is_at_most_one(call.response_body))
    return false;
  if (!heads_.read(call)) return false;
  are_inferences_ =
      tap::grpc_method(heads_.request().path()) == tap::GrpcMethod::model_stream_infer;
  const auto beginning = [](std::string_view body, const tap::Gap& gap) {
    return gap.bytes == 0 ? body : body.substr(0, gap.at);
  };
  const bool are_frames = read(beginning(call.request_body, call.request_gap), true, requests_) &&
                          read(beginning(call.response_body, call.response_gap), false, responses_);
  // Of a call that succeeded nothing is cut short: what is left over is broken, and refused so.
  if (requests_.empty() || (!are_frames && is_whole && call.outcome == tap::Outcome::success))
    return false;
  call_ = &call;
  pair();
  next_ = 0;
  return true;
}

// Whole frames; false where something else follows.
bool GrpcStream::read(std::string_view body, bool is_request, std::vector<Message>& into) {
  into.clear();
  GrpcFrames frames(body);
  while (into.size() < messages_max) {
    const auto frame = frames.next();
    if (!frame) return frames.at_end();
    Message& message = into.emplace_back();
    message.frame = frame->whole;
    if (!are_inferences_) continue;
    const std::string_view coding =
        is_request ? heads_.request().value_of("grpc-encoding") : heads_.answered("grpc-encoding");
    const auto plain = unpack(*frame, coding, unpacker_);
    if (!plain) continue;  // The decoder will say so.
    const protocols::StreamedMessage seen = is_request ? protocols::look_at_stream_request(*plain)
                                                       : protocols::look_at_stream_answer(*plain);
    message.id = seen.id;
    message.has_content = seen.has_content;
  }
  return true;
}

void GrpcStream::pair() {
  pairs_.clear();
  for (const Message& request : requests_) pairs_.push_back({request.frame, {}});
  responses_.erase(std::remove_if(responses_.begin(), responses_.end(),
                                  [](const Message& one) { return !one.has_content; }),
                   responses_.end());
  if (are_inferences_ && pair_by_id()) return;
  if (requests_.size() == 1 && !responses_.empty()) {
    pairs_.front().response = responses_.back().frame;
  } else if (requests_.size() == responses_.size()) {
    for (std::size_t i = 0; i < pairs_.size(); ++i) pairs_[i].response = responses_[i].frame;
  }
}

// False where a response does not say whose it is, or two requests say the same: the last one with
// an id would be a guess.
bool GrpcStream::pair_by_id() {
  std::unordered_map<std::string_view, std::size_t> by_id;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i].id.empty() || !by_id.emplace(requests_[i].id, i).second) return false;
  }
  for (const Message& response : responses_) {
    if (by_id.find(response.id) == by_id.end()) return false;
  }
  for (const Message& response : responses_)
    pairs_[by_id.at(response.id)].response = response.frame;
  return true;
}

const tap::Exchange* GrpcStream::next() {
  if (call_ == nullptr || next_ == pairs_.size()) return nullptr;
  const Pair& pair = pairs_[next_];
  one_ = *call_;
  one_.id = id_of(call_->id, next_);
  one_.request_body = pair.request;
  one_.response_body = pair.response;
  one_.request_gap = one_.response_gap = {};
  if (!pair.response.empty()) {
    one_.outcome = tap::Outcome::success;
    one_.grpc_status = 0;
  }
  ++next_;
  return &one_;
}

}  // namespace outrider::decode
