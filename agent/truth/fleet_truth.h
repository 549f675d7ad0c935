// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's ground truth: predictions that sidecars ship here, their labels, and what came of
// them. SHELL: the routes and the parts behind them.
//
//   POST /api/v1/predictions     a shipment (truth/shipment.proto): 200 once it is on disk
//   POST /api/v1/labels          as a sidecar's (truth/api/label_api.h), for any workload
//   POST /api/v1.0/feedback      Seldon's
//   POST /api/v1/passed-labels   labels that the other agent of a pair has acknowledged
//   POST /api/v1/counted-labels  labels that the other agent of a pair asks this one to count
//   GET  /api/v1/pair            this agent's id
//   POST /api/v1/erase           truth/api/erase_api.h; at the other agent of a pair, too
//   GET  /api/v1/training-data   joined rows; only where the API asks for a token
//   GET  /api/v1/export          truth/api/export_api.h; likewise
//   GET  /api/v1/truth           who ships here, and how many labels each version has
//
//   FleetTruth truth(settings, clock);     // throws where the store cannot be opened
//   truth.add_routes(router);
//   collectors = truth.collectors();
//   truth.stop(5s);

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/truth/fleet_outcomes.h"
#include "agent/truth/freshness_probe.h"
#include "agent/truth/label_pass.h"
#include "agent/truth/pair_labels.h"
#include "agent/truth/pair_link.h"
#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "truth/api/access_journal.h"
#include "truth/log/prediction_log.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::fleet {

class FleetTruth {
 public:
  struct Settings {
    std::filesystem::path folder;
    std::uint64_t bytes_max = std::uint64_t{8} << 30;
    Duration max_delay = std::chrono::hours(24 * 30);
    Duration early_hold = std::chrono::minutes(10);
    Duration probe_every = std::chrono::minutes(1);  // 0: never.
    bool asks_for_token = false;                     // The server does.
    std::string peer_url;  // Of the other agent of a pair; "": there is none.
    std::function<Result<void>(net::ClientRequest&)> peer = {};  // As whom it is asked.
    // Where labels go through a topic: what takes a request with them, in its token's limits.
    std::function<net::HttpResponse(const net::HttpRequest&)> labels_elsewhere = {};

    // truth.*, but for who is asked as whom and the topic.
    void add_to(config::OptionTable& options);
  };

  FleetTruth(const Settings& settings, const Clock& clock);
  ~FleetTruth();

  // The server of the router ends before this does.
  void add_routes(net::Router& router);
  std::vector<wire::Collector*> collectors();
  void stop(Duration limit);  // Idempotent.
  truth::PredictionLog& log() { return *log_; }

 private:
  net::HttpResponse take_predictions(const net::HttpRequest& request);
  net::HttpResponse take_labels(const net::HttpRequest& request);
  net::HttpResponse take_passed(const net::HttpRequest& request);
  net::HttpResponse count_labels(const net::HttpRequest& request);
  net::HttpResponse erase(const net::HttpRequest& request);
  wire::Json erase_there(const std::vector<truth::EraseWish>& wishes);
  net::HttpResponse training_data(const net::HttpRequest& request) const;
  net::HttpResponse export_page(const net::HttpRequest& request) const;
  net::HttpResponse status(const net::HttpRequest& request) const;
  bool probe_once();

  class Refusals;
  const Settings settings_;
  const Clock& clock_;
  std::unique_ptr<Refusals> refusals_;
  mutable truth::AccessJournal journal_;
  FleetOutcomes outcomes_;
  std::unique_ptr<truth::PredictionLog> log_;
  std::unique_ptr<LabelPass> pass_;
  std::unique_ptr<PairLink> pair_;
  std::unique_ptr<PairLabels> pair_labels_;
  std::unique_ptr<remote_write::Courier> erasures_;  // For the other agent, while it is away.
  truth::Uuid probe_stream_;                         // Of the probe's thread, as its number.
  std::uint64_t probed_ = 0;
  std::unique_ptr<FreshnessProbe> probe_;
  std::shared_ptr<std::atomic<int>> streams_ = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<int>> readers_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace outrider::fleet
