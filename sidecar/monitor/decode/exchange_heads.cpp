// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/exchange_heads.h"

#include <algorithm>

#include "base/core/text.h"
#include "sidecar/tap/grpc_call.h"

namespace outrider::decode {
namespace {

// A head that the proxy let pass was judged there, with limits of its own.
constexpr http1::HeadLimits head_limits{
    .head_bytes = 16 << 20, .request_line_bytes = 16 << 20, .fields = http1::fields_capacity};

constexpr std::size_t kept_bytes_max = 8 << 10;  // Of a head that may be used again.

// The text in a place of our own, where it is short enough.
std::string_view kept(std::string_view text, std::string& place) {
  if (text.size() > kept_bytes_max) {
    place.clear();
    return text;
  }
  place = text;
  return place;
}

constexpr std::string_view message_coding = "grpc-encoding", puid = "seldon-puid",
                           event_id = "ce-id";
constexpr std::size_t own_ids = 3;  // Of the aliases: by these the caller chose the sample.

}  // namespace

std::string_view field_in(std::string_view lines, std::string_view name) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size() - 1);
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 1);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && iequals_ascii(line.substr(0, colon), name))
      return trim(line.substr(colon + 1));
  }
  return {};
}

bool ExchangeHeads::read(const tap::Exchange& exchange) {
  exchange_ = &exchange;
  has_response_ = false;
  if (!read_request(exchange.request_head)) return false;
  if (exchange.response_head.empty()) return true;
  has_response_ = true;
  return read_response(exchange.response_head);
}

bool ExchangeHeads::read_request(std::string_view text) {
  if (!request_text_.empty() && text == request_text_) return true;
  http1::HeadCursor cursor;
  if (parse(kept(text, request_text_), cursor, head_limits, request_) ==
      http1::Progress::complete) {
    request_message_coding_ = request_.value_of(message_coding);
    return true;
  }
  request_text_.clear();
  return false;
}

bool ExchangeHeads::read_response(std::string_view text) {
  const auto context = http1::ResponseContext::of(request_.summary);
  if (!response_text_.empty() && text == response_text_ && context == response_context_)
    return true;
  response_context_ = context;
  http1::HeadCursor cursor;
  if (parse(kept(text, response_text_), cursor, head_limits, context, response_) ==
      http1::Progress::complete) {
    said_ = {response_.value_of(message_coding), response_.value_of(puid),
             response_.value_of(event_id)};
    return true;
  }
  response_text_.clear();
  return false;
}

void ExchangeHeads::fill(ExchangeParts& parts) {
  using http1::FieldId;
  parts.id = tap::view(exchange_->id);
  parts.started = exchange_->started;
  parts.outcome = exchange_->outcome;
  parts.is_grpc = exchange_->protocol == tap::Protocol::grpc;
  if (parts.is_grpc && exchange_->status == 200 && parts.outcome == tap::Outcome::success)
    parts.outcome = tap::outcome_of_grpc(exchange_->grpc_status);
  // Who goes away says nothing of the model.
  const bool is_cancelled = parts.outcome == tap::Outcome::cancelled;
  parts.status = is_cancelled ? exchange_->status : tap::effective_status(*exchange_);
  parts.request_body = exchange_->request_body;
  parts.response_body = exchange_->response_body;
  if (exchange_->response_gap.bytes != 0) {
    parts.response_is_end_only = true;
    parts.response_body.remove_prefix(exchange_->response_gap.at);
  }
  parts.method = request_.method();
  parts.path = request_.path();
  parts.query = request_.query();
  parts.request_type = request_.value_of(FieldId::content_type);
  parts.response_type = answered(FieldId::content_type);
  parts.request_coding =
      parts.is_grpc ? request_message_coding_ : request_.value_of(FieldId::content_encoding);
  parts.response_coding = parts.is_grpc ? answered(said_.message_coding, message_coding)
                                        : answered(FieldId::content_encoding);
  parts.request_json_bytes = request_.value_of(FieldId::inference_header_content_length);
  parts.response_json_bytes = answered(FieldId::inference_header_content_length);
  parts.model_name = answered(FieldId::x_model_name);
  parts.model_version = answered(FieldId::x_model_version);
  aliases_ = {request_.value_of(FieldId::x_prediction_id), request_.value_of(FieldId::x_request_id),
              request_.value_of(FieldId::ce_id), request_.value_of(FieldId::seldon_puid),
              request_.value_of(FieldId::x_amzn_sagemaker_inference_id)};
  const auto own = std::find_if(aliases_.begin(), aliases_.begin() + own_ids,
                                [](std::string_view id) { return !id.empty(); });
  parts.sampling_key = own == aliases_.begin() + own_ids ? std::string_view() : *own;
  // What the server minted itself. MLServer says it in gRPC's trailing metadata.
  if (aliases_[3].empty()) aliases_[3] = answered(said_.puid, puid);
  if (parts.is_grpc && aliases_[2].empty()) aliases_[2] = answered(said_.event_id, event_id);
  parts.aliases = aliases_;
}

std::string_view ExchangeHeads::answered(std::string_view name) const {
  return has_response_ ? answered(response_.value_of(name), name) : std::string_view();
}

// What the head says, else the trailers.
std::string_view ExchangeHeads::answered(std::string_view in_head, std::string_view name) const {
  if (!has_response_) return {};
  return in_head.empty() ? field_in(exchange_->response_trailers, name) : in_head;
}

std::string_view ExchangeHeads::value_of(std::string_view name) const {
  const std::string_view value = answered(name);
  return value.empty() ? request_.value_of(name) : value;
}

bool ExchangeHeads::is_packed() const {
  const auto has = [](const http1::Head& head) {
    return head.find(http1::FieldId::content_encoding) != nullptr ||
           !head.value_of("grpc-encoding").empty();
  };
  return has(request_) || (has_response_ && has(response_));
}

}  // namespace outrider::decode
