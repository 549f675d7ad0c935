// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which metrics of the suspects are asked for: a table of what exporters call them, and what a YAML
// file adds. PURE.
//
//   queries:
//     - metric: memory                    # a name that docs/diagnose.md lists
//       query: sum by (namespace, workload) (heap_bytes{$scope}) / 2^20
//       needs: heap_bytes                 # asked only where this metric exists
//       component: [workload]             # the first label that is there names the component
//       role: workload                    # or model, machine, gpu
//   calls:
//     - query: sum by (client, server) (rate(calls_total{$scope}[$rate]))
//       caller: client
//       callee: server
//
// `$scope` stands for matchers of the incident's cluster (and namespace, where too much would
// come); it comes last between the braces. `$rate` is the window of rates.

#include <string>
#include <vector>

#include "base/core/result.h"

namespace outrider::suspects {

enum class Role { workload, model, machine, gpu };

// How several series of one component (its pods) become one.
enum class Combine { sum, largest };

struct MetricQuery {
  std::string family;  // Who exports it, for people: "cAdvisor".
  std::string needs;   // A metric; where it does not exist nothing is asked.
  std::string metric;  // As agent/diagnose/channels.h names it.
  std::string promql;
  Role role = Role::workload;
  std::vector<std::string> component = {};  // Labels; empty: those of incident/topology.h.
  std::string name_space = "namespace";     // The label that holds it.
  Combine combine = Combine::sum;
  bool a_row = false;  // A rate a second that becomes a count a row.
};

// Who calls whom.
struct CallsQuery {
  std::string family, needs, promql;
  std::string caller, callee;                        // Labels.
  std::string caller_name_space, callee_name_space;  // Labels; "" where there are none.
};

struct QuerySet {
  std::vector<MetricQuery> metrics;
  std::vector<CallsQuery> calls;
};

// Outrider itself, OpenTelemetry (HTTP servers, span metrics, service graph), Istio, cAdvisor,
// kube-state-metrics, node exporter, DCGM exporter, and what client libraries tell of processes.
QuerySet default_queries();

// The defaults and what the file adds. Error "bad_config": every mistake, one a line.
Result<QuerySet> parse_queries(const std::string& file, const std::string& text);

// `$scope` and `$rate` filled in.
std::string filled(std::string promql, const std::string& scope, const std::string& rate);

}  // namespace outrider::suspects
