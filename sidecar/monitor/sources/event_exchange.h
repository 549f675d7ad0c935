// SPDX-License-Identifier: Apache-2.0
#pragma once

// The exchange that two events of a logger tell of: KServe's request and response. PURE.

#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "sidecar/monitor/decode/cloud_events.h"
#include "sidecar/monitor/decode/decoder.h"

namespace outrider::monitor {

class EventExchange {
 public:
  // Views into `pair`, which outlives it. `now` stands in where the request's event has no time.
  EventExchange(const decode::EventPairs::Pair& pair, Time now);
  EventExchange(const EventExchange&) = delete;
  EventExchange& operator=(const EventExchange&) = delete;

  // KServe's logger tells no path: a request for metadata has no body, and explanations are told by
  // their component.
  static bool is_prediction(const decode::EventPairs::Pair& pair);

  // The id is a digest of the event's, so that an event that is sent again gives the same
  // prediction.
  const decode::ExchangeParts& parts() const { return parts_; }

 private:
  std::string id_;
  std::string_view alias_;
  decode::BodyNature request_, response_;
  decode::ExchangeParts parts_;
};

}  // namespace outrider::monitor
