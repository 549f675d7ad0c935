// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/sources/event_exchange.h"

#include "base/core/digest.h"
#include "truth/codec.h"
#include "truth/prediction.h"

namespace outrider::monitor {
namespace {

std::string id_of(const decode::CloudEvent& request, Time time) {
  Sha256 digest;
  digest.update(request.key());
  const auto bytes = digest.bytes();
  const std::string_view halves(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return truth::format_uuid(
      truth::make_uuid7(time, truth::read_u64_key(halves), truth::read_u64_key(halves.substr(8))));
}

}  // namespace

bool EventExchange::is_prediction(const decode::EventPairs::Pair& pair) {
  return !pair.request.data.empty() && pair.request.component != "explainer";
}

EventExchange::EventExchange(const decode::EventPairs::Pair& pair, Time now)
    : id_(id_of(pair.request, pair.request.time.value_or(now))),
      alias_(pair.request.id),
      request_(decode::nature_of(pair.request.data, pair.request.data_type)),
      response_(decode::nature_of(pair.response.data, pair.response.data_type)) {
  parts_.id = id_;
  parts_.started = pair.request.time.value_or(now);
  parts_.status = pair.response.status;
  parts_.method = "POST";
  parts_.request_type = request_.type;
  parts_.request_coding = request_.coding;
  parts_.request_json_bytes = request_.json_bytes;
  parts_.response_type = response_.type;
  parts_.response_coding = response_.coding;
  parts_.response_json_bytes = response_.json_bytes;
  parts_.model_name =
      pair.request.model_name.empty() ? pair.response.model_name : pair.request.model_name;
  parts_.aliases = {&alias_, 1};
  parts_.sampling_key = alias_;
  parts_.request_body = pair.request.data;
  parts_.response_body = pair.response.data;
  parts_.exchange_is_prediction = true;
}

}  // namespace outrider::monitor
