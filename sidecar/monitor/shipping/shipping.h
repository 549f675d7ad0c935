// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where predictions go that do not wait here for their labels: to agents over HTTP (shipper.h), or
// to a topic (topic_shipper.h).

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "truth/correctness.h"
#include "truth/prediction.h"

namespace outrider::monitor {

class Shipping : public wire::Collector {
 public:
  using RuleOf = std::function<truth::JudgeRule(std::string_view model, std::string_view version)>;

  // `feature_set` is 0, or tells lists of feature names apart. Copies; never waits. False when it
  // was dropped, counted.
  virtual bool append(const truth::PredictionView& prediction, std::uint64_t feature_set) = 0;
  // All that was answered until then is appended.
  virtual void caught_up(Time now) = 0;
  // Answers a request about labels, as one about this workload.
  virtual net::HttpResponse relay(const net::HttpRequest& request) = 0;
  // Answers a request to erase, likewise.
  virtual net::HttpResponse erase(const net::HttpRequest& request) = 0;
  // True when everything has been taken. Idempotent.
  virtual bool stop(Duration limit) = 0;
  virtual wire::Json status() const = 0;
};

}  // namespace outrider::monitor
