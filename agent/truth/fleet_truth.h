// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's ground truth: predictions that sidecars ship here, their labels, and what came of
// them. SHELL: the routes and the parts behind them.
//
//   POST /api/v1/predictions     a shipment (truth/shipment.proto): 200 once it is on disk
//   POST /api/v1/labels          as a sidecar's (truth/label_api.h), for any workload
//   POST /api/v1.0/feedback      Seldon's
//   POST /api/v1/passed-labels   labels that the other agent of a pair has acknowledged
//   GET  /api/v1/training-data   joined rows; only where the API asks for a token
//   GET  /api/v1/truth           who ships here, and how many labels each version has
//
//   FleetTruth truth(settings, clock);     // throws where the store cannot be opened
//   truth.add_routes(router);
//   collectors = truth.collectors();
//   truth.stop(5s);

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/truth/fleet_outcomes.h"
#include "agent/truth/label_pass.h"
#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "truth/prediction_log.h"

namespace outrider::fleet {

class FleetTruth {
 public:
  struct Settings {
    std::filesystem::path folder;
    std::uint64_t bytes_max = std::uint64_t{8} << 30;
    Duration max_delay = std::chrono::hours(24 * 30);
    Duration early_hold = std::chrono::minutes(10);
    bool asks_for_token = false;  // The server does.
    std::string peer_url;         // Of the other agent of a pair; "": there is none.
    std::string peer_bearer_token_file;
  };

  FleetTruth(const Settings& settings, const Clock& clock);
  ~FleetTruth();

  // The server of the router ends before this does.
  void add_routes(net::Router& router);
  std::vector<wire::Collector*> collectors();
  void stop(Duration limit);  // Idempotent.

 private:
  net::HttpResponse take_predictions(const net::HttpRequest& request);
  net::HttpResponse take_labels(const net::HttpRequest& request);
  net::HttpResponse take_passed(const net::HttpRequest& request);
  net::HttpResponse training_data(const net::HttpRequest& request) const;
  net::HttpResponse status() const;

  const Settings settings_;
  const Clock& clock_;
  FleetOutcomes outcomes_;
  std::unique_ptr<truth::PredictionLog> log_;
  std::unique_ptr<LabelPass> pass_;
  std::shared_ptr<std::atomic<int>> streams_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace outrider::fleet
