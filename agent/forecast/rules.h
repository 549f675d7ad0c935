// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file that says what is forecast, and whose capacity is learned (--forecast.rules). PURE.
//
//   step: 15m                       # of history and forecast
//   history: 21d                    # asked of Prometheus at the start
//   horizons: [1h, 6h, 24h]         # exported
//   series:
//     - name: requests
//       query: sum by (namespace, workload, model_name) (rate(outrider_requests_total[15m]))
//     - name: disk
//       query: node_filesystem_size_bytes - node_filesystem_avail_bytes
//       limit: node_filesystem_size_bytes          # time to it is exported; labels as the query's
//       horizons: [1d, 7d]
//   capacity:
//     - name: model-servers
//       load: sum by (namespace, workload) (rate(outrider_requests_total[2m]))
//       replicas: count by (namespace, workload) (…)
//       latency: histogram_quantile(0.95, …)       # what the objective is about
//       mean_latency: …
//       objective: 500ms
//       cold_start: 1m              # from asking for a replica until it serves
//       miss_cost: 2                # what an hour above it costs, in hours of the whole fleet
//
// A capacity's load is forecast too, under the capacity's name.

#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"

namespace outrider::forecast {

struct SeriesRule {
  std::string name;
  std::string query;
  std::string limit;               // Empty: none.
  std::vector<Duration> horizons;  // Ascending; each a multiple of the step.
};

struct CapacityRule {
  std::string name;
  std::string load, replicas, latency, mean_latency;
  Duration objective{};
  Duration cold_start = std::chrono::minutes(1);
  double miss_cost = 2;  // An hour above the objective, in hours of the whole fleet.
};

struct Rules {
  static constexpr std::size_t rules_max = 100;
  static constexpr std::size_t slots_ahead_max = 2'000;  // The longest horizon, in steps.
  static constexpr std::size_t slots_past_max = 10'000;

  Duration step = std::chrono::minutes(15);
  Duration history = std::chrono::days(21);
  // The first of them are those of the capacities, in their order.
  std::vector<SeriesRule> series;
  std::vector<CapacityRule> capacity;

  // Each model's requests, each container's CPU and memory, GPUs, disks: what the usual exporters
  // call them.
  static Rules defaults();
};

// Error "bad_config": every mistake with its line, one a line.
Result<Rules> parse_rules(const std::string& file, const std::string& text);

}  // namespace outrider::forecast
