// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where predictions wait for their labels: in the log of this pod, or, shipped, at the agents. The
// label routes, slices of joined rows, and what is told of either. SHELL.
//
//   WaitingPredictions waiting(config, options, folder, guarded, clock);
//   waiting.open();                    // After a predecessor that may still hold the log.
//   … Pipeline(config, guarded, waiting.log(), waiting.shipper(), clock) …
//   waiting.stop(deadline);
//
// Thread-safe, but for open(), caught_up() and stop(), which are one thread's.

#include <chrono>
#include <filesystem>
#include <memory>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "sidecar/monitor/guarded_monitor.h"
#include "sidecar/monitor/shipping/shipping.h"
#include "sidecar/monitor/slices/slices_api.h"
#include "sidecar/monitor/state/log_holder.h"
#include "sidecar/monitor/truth_parts.h"
#include "sidecar/options/monitor_options.h"

namespace outrider::monitor {

class WaitingPredictions {
 public:
  // Shipped ones are queued in `folder`.
  WaitingPredictions(const ModelConfig& config, const MonitorOptions& options,
                     const std::filesystem::path& folder, GuardedMonitor& guarded,
                     const Clock& clock);

  void open();
  // Says which settings of `wanted` hold only from the next start on.
  void warn_of_changes(const truth::LogSettings& wanted) const;

  LogHolder& log() { return log_; }
  Shipping* shipper() { return shipper_.get(); }  // Null: they wait here.
  wire::Collector& metrics();
  wire::Json status() const;  // {"shipping": …} or {"log": …}
  net::HttpResponse slices(const net::HttpRequest& request);

  // All that was answered until then has been taken.
  void caught_up(Time now);
  // Ships and flushes what there is time for.
  void stop(std::chrono::steady_clock::time_point deadline);

 private:
  std::unique_ptr<Shipping> make_shipper(const MonitorOptions& options) const;

  const std::filesystem::path shipping_folder_;
  GuardedMonitor& guarded_;
  const Clock& clock_;
  LockedConsumer consumer_;
  LogHolder log_;
  const std::unique_ptr<Shipping> shipper_;
  LogMetrics log_metrics_;
  SlicesApi slices_;
};

}  // namespace outrider::monitor
