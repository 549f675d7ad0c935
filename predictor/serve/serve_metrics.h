// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the server counts about itself, for /metrics. Thread-safe; counting is a few relaxed atomic
// additions.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/core/clock.h"
#include "base/wire/exposition.h"

namespace outrider::serve {

enum class Route { predict, v1, v2, admin };
constexpr std::size_t route_count = 4;

struct VersionCounters {
  std::atomic<std::uint64_t> predictions{0};  // Rows.
  std::atomic<std::uint64_t> filled{0};       // Missing values filled in.
  std::atomic<std::uint64_t> unseen{0};       // Categories that training never saw.
};

class ServeMetrics final : public wire::Collector {
 public:
  static constexpr std::size_t versions_max = 50;  // Later ones count together as "other".

  explicit ServeMetrics(std::string model_name) : model_name_(std::move(model_name)) {}

  void count(Route route, int status, Duration took);
  std::shared_ptr<VersionCounters> version_counters(const std::string& version);
  void collect(wire::MetricSink& sink) override;

  std::atomic<std::uint64_t> swaps{0};
  std::atomic<std::uint64_t> reload_failures{0};
  std::atomic<int> in_flight{0};

 private:
  static constexpr std::array<int, 12> codes{200, 202, 400, 401, 404, 405,
                                             409, 413, 422, 500, 503, 0};
  static constexpr std::size_t buckets = std::size(wire::latency_buckets) + 1;

  void collect_requests(wire::MetricSink& sink) const;
  void collect_versions(wire::MetricSink& sink) const;

  struct RouteCounters {
    std::array<std::atomic<std::uint64_t>, codes.size()> by_code{};
    std::array<std::atomic<std::uint64_t>, buckets> latency{};
    std::atomic<double> latency_sum{0};
  };

  std::string model_name_;
  std::array<RouteCounters, route_count> routes_;
  mutable std::mutex mutex_;  // Guards versions_.
  std::map<std::string, std::shared_ptr<VersionCounters>> versions_;
};

}  // namespace outrider::serve
