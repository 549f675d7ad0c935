// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks Prometheus for the metrics of an incident's suspects and for who depends on whom, and Loki,
// where one is given, for how many lines they logged. SHELL; not thread-safe: one of each a thread.
//
// Bounds. One question that lists which metrics exist, then one a metric that does: at most
//   `total` altogether, `timeout` and `bytes_max` each. An answer that is too large is asked for
//   again in the incident's namespace. What was not answered is listed in unknown().

#include <atomic>

#include "agent/incident/topology.h"
#include "agent/query/prometheus.h"
#include "agent/suspects/collection.h"
#include "agent/suspects/metric_query.h"

namespace outrider::suspects {

struct Bounds {
  Duration total = std::chrono::seconds(20);
  Duration timeout = std::chrono::seconds(5);
  std::size_t bytes_max = 8 << 20;
  const std::atomic<bool>* cancelled = nullptr;  // When it turns true no further question is asked.
};

// Loki answers a range of LogQL as Prometheus one of PromQL, under /loki. Source: Loki's
// documentation, "HTTP API: query logs within a range of time".
struct Sources {
  query::Prometheus& prometheus;
  query::Prometheus* loki = nullptr;  // None: what is `from: loki` is not asked.
};

// Where the API of Prometheus hangs at a Loki.
std::string loki_api(const std::string& url);

Collection gather(const Sources& sources, const QuerySet& queries,
                  const incident::Incident& incident, const Plan& plan, const Bounds& bounds,
                  const Clock& clock);

// Edges from the service graph, the mesh, kube-state-metrics (a pod's node) and the targets' own
// labels (`up`). `cluster`: "" for all. What was not answered is returned.
std::vector<std::string> learn_topology(query::Prometheus& prometheus, const QuerySet& queries,
                                        const std::string& cluster, Time now, const Bounds& bounds,
                                        incident::Topology& topology);

}  // namespace outrider::suspects
