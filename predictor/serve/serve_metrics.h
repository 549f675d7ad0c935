// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the server counts about itself, for /metrics. Thread-safe.

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/core/clock.h"
#include "base/wire/registry.h"

namespace outrider::serve {

enum class Route { predict, v1, v2, admin };
constexpr std::size_t route_count = 4;

// Of one version; valid as long as the ServeMetrics.
struct VersionCounters {
  prometheus::Counter& predictions;  // Rows.
  prometheus::Counter& filled;       // Missing values filled in.
  prometheus::Counter& unseen;       // Categories that training never saw.
};

class ServeMetrics final : public wire::Collector {
 public:
  static constexpr std::size_t versions_max = 50;  // Later ones count together as "other".

  explicit ServeMetrics(std::string model_name);

  void count(Route route, int status, Duration took);
  VersionCounters version_counters(const std::string& version);
  void collect(wire::MetricSink& sink) override { registry_.collect(sink); }

  prometheus::Counter& swaps() { return *swaps_; }
  prometheus::Counter& reload_failures() { return *reload_failures_; }
  prometheus::Gauge& in_flight() { return *in_flight_; }

 private:
  static constexpr std::size_t code_count = 12;  // Of the statuses told apart; the last is "other".
  prometheus::Counter& requests(std::size_t route, std::size_t code);

  std::string model_name_;
  wire::Registry registry_;
  // Registered when first counted, but for those that every server has.
  std::array<std::array<std::atomic<prometheus::Counter*>, code_count>, route_count> requests_{};
  std::array<prometheus::Histogram*, route_count> latency_{};
  prometheus::Counter *swaps_ = nullptr, *reload_failures_ = nullptr;
  prometheus::Gauge* in_flight_ = nullptr;
  std::mutex mutex_;  // Guards versions_.
  std::set<std::string> versions_;
};

}  // namespace outrider::serve
