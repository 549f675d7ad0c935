// SPDX-License-Identifier: Apache-2.0
#pragma once

// Predictions to the agents that keep them: numbered, gathered for a tenth of a second, put in a
// queue on disk for each agent, and sent from there (base/remote_write/courier.h). SHELL;
// thread-safe.
//
//   Shipper shipper(options, "data/shipping", rule_of, clock);
//   shipper.append(prediction, feature_set);     // copies; never waits
//   shipper.caught_up(clock.now());              // all that was answered until then is appended
//
// What is lost when: a kill -9 loses what came in the last tenth of a second; the numbers go on
// behind it, so the agents count it. A queue past its bytes or age loses its oldest, counted here
// by reason and there as a gap. A pod that is removed while an agent is away takes its queue along.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/remote_write/courier.h"
#include "sidecar/monitor/shipping/gatherer.h"
#include "sidecar/monitor/shipping/shipping.h"
#include "sidecar/monitor/shipping/stream_folder.h"
#include "sidecar/options/shipping_options.h"
#include "truth/prediction.h"
#include "truth/shipment.h"

namespace outrider::monitor {

class Shipper final : public Shipping {
 public:
  // Throws std::runtime_error that names the option that is wrong.
  Shipper(const ShippingOptions& options, const truth::Sample& sample,
          const std::filesystem::path& folder, RuleOf rule_of, const Clock& clock);
  ~Shipper() override;

  bool append(const truth::PredictionView& prediction, std::uint64_t feature_set) override {
    return gatherer_.append(prediction, feature_set);
  }
  void caught_up(Time now) override { caught_up_ms_ = to_unix_ms(now); }

  // Hands a request about labels to the first agent that answers, as one about this workload.
  net::HttpResponse relay(const net::HttpRequest& request) override;

  // Has every agent erase what a request names, of this workload. What waits here for an agent is
  // left out there when it comes. 503 where one of them did not: asking again is safe.
  net::HttpResponse erase(const net::HttpRequest& request) override;

  // True when every agent has everything, which it is then told. Idempotent.
  bool stop(Duration limit) override;

  void collect(wire::MetricSink& sink) override;
  wire::Json status() const override;

 private:
  std::string own_query(const net::HttpRequest& request) const;
  void cut();
  truth::ShipmentHead head() const;
  std::string only_head();
  std::string write_head() const;

  const ShippingOptions options_;
  const RuleOf rule_of_;
  const Clock& clock_;
  truth::ShipmentHead identity_;
  StreamFolder folder_;
  std::atomic<std::int64_t> caught_up_ms_{0};
  std::atomic<bool> closed_{false};
  Gatherer gatherer_;
  std::vector<std::unique_ptr<remote_write::Courier>> couriers_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::monitor
