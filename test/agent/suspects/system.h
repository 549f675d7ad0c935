// SPDX-License-Identifier: Apache-2.0
#pragma once

// A made system as Prometheus tells of it: series of quiet noise, in which a test makes something
// go wrong, and incidents about it.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "agent/incident/incident_book.h"
#include "agent/suspects/live_diagnosis.h"

namespace outrider::suspects::testing {

inline const Time alerted = from_unix_ms(1'769'860'800'000);  // 2026-01-31 12:00:00 UTC.
inline const Time looked = alerted + std::chrono::minutes(1);

inline incident::Incident incident_of(const std::vector<Labels>& alerts) {
  incident::IncidentBook book;
  incident::Incident made;
  for (const Labels& labels : alerts) {
    wire::WebhookAlert alert;
    alert.firing = true;
    alert.labels = labels;
    alert.starts_at = alerted;
    const incident::IncidentBook::Heard heard = book.on_alert(alert, alerted);
    if (made.id.empty()) {
      made = *heard.incident;
    } else {
      made.members.push_back({labels, true, alerted, {}, alerted});
    }
  }
  return made;
}

inline const MetricQuery& query_of(const QuerySet& queries, const std::string& needs,
                                   const std::string& metric) {
  for (const MetricQuery& one : queries.metrics) {
    if (one.needs == needs && one.metric == metric) return one;
  }
  throw std::runtime_error("no query of " + needs + " for " + metric);
}

class System {
 public:
  explicit System(const incident::Incident& incident)
      : plan_(plan_of(incident, looked, Times{})), collection(plan_) {}

  // A series around `normal`, a tenth up and down, that changes at `since`.
  Series series(Labels labels, double normal, const std::function<double(double)>& change = {},
                Time since = alerted - std::chrono::minutes(2)) {
    Series out{std::move(labels), {}};
    for (Time at = plan_.from; at <= plan_.to; at += plan_.step) {
      double value = normal * (0.9 + 0.2 * uniform());
      if (change && at >= since) value = change(value);
      out.samples.push_back({to_unix_ms(at), value});
    }
    return out;
  }
  void tell(const std::string& needs, const std::string& metric, std::vector<Series> series) {
    collection.add(query_of(queries, needs, metric), series);
  }
  // Lines that a service logs within plan().rate, by level.
  void logs(const std::string& name_space, const std::string& name, const std::string& level,
            double normal, const std::function<double(double)>& change = {}) {
    Series lines{{{"namespace", name_space}, {"job", name}, {"level", level}}, {}};
    for (Time at = plan_.from; at <= plan_.to; at += plan_.rate) {
      const bool is_changed = change && at >= alerted - std::chrono::minutes(2);
      const double value = normal * (0.9 + 0.2 * uniform());
      lines.samples.push_back({to_unix_ms(at), is_changed ? change(value) : value});
    }
    collection.add_logs(queries.logs.front(), {lines});
  }
  // What a service says of itself by OpenTelemetry: calm, or `worse` since the fault.
  void service(const std::string& name_space, const std::string& name,
               const std::function<double(double)>& errors = {},
               const std::function<double(double)>& cpu = {},
               const std::function<double(double)>& latency = {}) {
    const Labels labels = {{"namespace", name_space}, {"job", name}};
    const std::string http = "http_server_request_duration_seconds_count";
    tell(http, "requests", {series(labels, 100)});
    tell(http, "errors", {series(labels, 0.2, errors)});
    tell(http, "latency_mean_ms", {series(labels, 40, latency)});
    tell("process_cpu_seconds_total", "cpu", {series(labels, 0.5, cpu)});
  }
  incident::Diagnosis diagnose(const incident::Incident& incident,
                               const std::vector<incident::Change>& changes = {}) {
    collection.merge_names();
    return diagnose_live(collection, topology, incident, changes, looked);
  }

 private:
  double uniform() { return static_cast<double>(chance_() >> 11) / 9007199254740992.0; }
  Plan plan_;
  std::mt19937_64 chance_{7};

 public:
  Collection collection;
  QuerySet queries = default_queries();
  incident::Topology topology;
};

inline std::function<double(double)> times(double factor) {
  return [factor](double value) { return value * factor; };
}

inline incident::Change deployment(const std::string& workload, const std::string& version,
                                   Duration before = std::chrono::minutes(3),
                                   const std::string& name_space = "shop") {
  incident::Change change;
  change.id = workload + version;
  change.kind = "deployment";
  change.version = version;
  change.workload = workload;
  change.name_space = name_space;
  change.at = alerted - before;
  return change;
}

}  // namespace outrider::suspects::testing
