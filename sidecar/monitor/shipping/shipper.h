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
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/remote_write/courier.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "sidecar/options/shipping_options.h"
#include "truth/accepted_counter.h"
#include "truth/prediction.h"
#include "truth/shipment.h"

namespace outrider::monitor {

class Shipper final : public wire::Collector {
 public:
  using RuleOf = std::function<truth::JudgeRule(std::string_view model, std::string_view version)>;

  // Throws std::runtime_error that names the option that is wrong.
  Shipper(const ShippingOptions& options, const std::filesystem::path& folder, RuleOf rule_of,
          const Clock& clock);
  ~Shipper() override;

  // `feature_set` is 0, or tells lists of feature names apart. False when it was dropped, counted.
  bool append(const truth::PredictionView& prediction, std::uint64_t feature_set);
  void caught_up(Time now) { caught_up_ms_ = to_unix_ms(now); }

  // Hands a request about labels to the first agent that answers, as one about this workload.
  net::HttpResponse relay(const net::HttpRequest& request) const;

  // True when every agent has everything, which it is then told. Idempotent.
  bool stop(Duration limit);

  void collect(wire::MetricSink& sink) override;
  wire::Json status() const;

 private:
  void run(const std::stop_token& stop);
  void cut();
  truth::ShipmentHead head() const;
  std::string only_head();
  std::string write_head() const;

  // Rows.
  struct Counts {
    std::atomic<std::uint64_t> appended{0}, invalid{0}, too_large{0}, buffer_full{0};
  };
  class FolderLock;

  const ShippingOptions options_;
  const RuleOf rule_of_;
  const Clock& clock_;
  truth::ShipmentHead identity_;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<truth::AcceptedCounter> sequence_;
  std::atomic<std::int64_t> caught_up_ms_{0};
  std::atomic<bool> closed_{false};

  std::mutex mutex_;
  std::condition_variable_any full_;
  truth::ShipmentWriter filling_;
  bool cutting_busy_ = false;  // cutting_ has what is in no queue yet.
  Counts counts_;

  truth::ShipmentWriter cutting_;  // Of the cutting thread, as what follows.
  std::vector<std::unique_ptr<remote_write::Courier>> couriers_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace outrider::monitor
