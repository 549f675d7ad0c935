// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the containers of a workload asked for and used, from the answers of a Prometheus that has
// kube-state-metrics, cAdvisor and, where there are GPUs, DCGM's exporter. PURE.
//
// Answers are by pod; pods of one workload are one row. A pod belongs to the workload that owns it:
// its ReplicaSet's Deployment, else its direct owner, else itself.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/query/prometheus.h"
#include "base/core/clock.h"

namespace outrider::right_size {

// One question of a run: its name here, and PromQL for a history.
struct Question {
  std::string name;
  std::string promql;
};

// `matchers` for cAdvisor's and kube-state-metrics' series,
// such as `namespace=~"shop|models"`; empty: all.
std::vector<Question> questions(Duration history, const std::string& matchers);

using Answers = std::map<std::string, std::vector<query::InstantValue>>;  // By Question::name.

struct ContainerUsage {
  std::string cluster, name_space, workload, container;  // The cluster "" where there are no names.
  std::uint64_t pods = 0;                                // Running now.
  double hours = 0;                                      // Of the pod that was seen longest.
  std::optional<double> cpu_request, cpu_limit, memory_request, memory_limit;  // Cores, bytes.
  std::optional<double> cpu_p95, cpu_max, memory_max;  // Of the pod that uses most.
  double throttled = 0;                 // Share of the scheduler's periods, of the pod with most.
  bool out_of_memory = false;           // Was killed for it.
  std::optional<double> gpus, gpu_p95;  // Requested; used, 0 to 1.
  std::optional<double> requests;  // Predictions through the sidecar, all pods; none: not known.
};

// In the order of names. Containers that nothing was asked for and nothing is known of are left
// out.
std::vector<ContainerUsage> usage_of(const Answers& answers);

}  // namespace outrider::right_size
