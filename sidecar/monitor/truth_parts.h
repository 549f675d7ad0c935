// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the monitor's state, its exchanges and the prediction log meet. Thread-safe.

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/wire/exposition.h"
#include "sidecar/monitor/guarded_monitor.h"
#include "sidecar/monitor/state/log_holder.h"
#include "truth/sample.h"
#include "truth/truth_consumer.h"

namespace outrider::monitor {

// The consumer that the log knows: the monitor, under its lock. Between two calls a scrape may
// come; it sees no half group, since counters advance with committed() alone.
class LockedConsumer final : public truth::TruthConsumer {
 public:
  explicit LockedConsumer(GuardedMonitor& guarded) : guarded_(guarded) {}
  void restore(std::span<const truth::StateBlob> blobs) override;
  void on_joined(const truth::JoinedRow& row) override;
  void changed_state(truth::StateWriter& out) override;
  void committed() override;

 private:
  GuardedMonitor& guarded_;
};

// The log's metrics, once there is one: labels' counters of every version that the monitor knows.
class LogMetrics final : public wire::Collector {
 public:
  LogMetrics(const LogHolder& holder, GuardedMonitor& guarded)
      : holder_(holder), guarded_(guarded) {}
  void collect(wire::MetricSink& sink) override;

 private:
  const LogHolder& holder_;
  GuardedMonitor& guarded_;
};

// Which rows are kept for their labels (truth.sample), and how many were not.
class Sampler final : public wire::Collector {
 public:
  explicit Sampler(const truth::Sample& sample) : sample_(sample) {}
  bool keeps_all() const { return sample_.share >= 1; }
  // Counts one that is not kept. Of the one thread that reads exchanges.
  bool keeps(std::string_view name);
  void collect(wire::MetricSink& sink) override;

 private:
  const truth::Sample sample_;
  std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace outrider::monitor
