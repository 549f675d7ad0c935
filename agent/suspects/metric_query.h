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
//   logs:
//     - query: sum by (namespace, workload, level) (increase(log_lines_total{$scope}[$rate]))
//       site: [template, level]           # the first label that is there names what is counted
//     - query: sum by (namespace, app, level) (count_over_time({app=~".+", $scope} | logfmt [$rate]))
//       from: loki                        # LogQL, asked of --loki.url
//   calls:
//     - query: sum by (client, server) (rate(calls_total{$scope}[$rate]))
//       caller: client
//       callee: server
//
// `$scope` stands for matchers of the incident's cluster (and namespace, where too much would
// come); it comes last between the braces, and takes the comma before it along where it stands for
// nothing. `$rate` is the window of rates.

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

enum class LogStore { prometheus, loki };

// Lines that were logged within `$rate`, by level or template: counts alone, no text is asked for.
struct LogsQuery {
  std::string family, needs, query;  // PromQL, or Loki's LogQL.
  LogStore from = LogStore::prometheus;
  std::vector<std::string> component = {}, site = {"level"};  // Labels.
  std::string name_space = "namespace";
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
  std::vector<LogsQuery> logs;  // The first that knows a component counts its lines.
};

// Outrider itself, OpenTelemetry (HTTP servers, span metrics, service graph), Istio, cAdvisor,
// kube-state-metrics, node exporter, DCGM exporter, what client libraries tell of processes, and
// logged lines by level as Micrometer (Logback, Log4j 2), Promrus (logrus) and Loki count them.
QuerySet default_queries();

// The defaults and what the file adds. Error "bad_config": every mistake, one a line.
Result<QuerySet> parse_queries(const std::string& file, const std::string& text);

// Whether a file's query is of Loki.
bool asks_loki(const QuerySet& queries);

// `$scope` and `$rate` filled in.
std::string filled(std::string promql, const std::string& scope, const std::string& rate);

}  // namespace outrider::suspects
