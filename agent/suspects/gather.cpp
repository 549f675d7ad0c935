// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/gather.h"

#include <algorithm>
#include <set>

#include "base/core/text.h"
#include "base/net/address.h"

namespace outrider::suspects {
namespace {

using incident::Component;
using incident::Topology;
using query::InstantValue;
using query::Prometheus;

constexpr const char* predictions = "outrider_predictions_total";

std::string cluster_matcher(const std::string& cluster) {
  // Series need not have the label: it may be external to the Prometheus that has them.
  return cluster.empty() ? "" : "cluster=~" + query::promql_text(query::regex_text(cluster) + "|");
}

// "a|b|c" of all metrics that a query needs.
std::string needed_names(const QuerySet& queries) {
  std::set<std::string> names = {predictions};
  for (const MetricQuery& one : queries.metrics) names.insert(one.needs);
  for (const LogsQuery& one : queries.logs) names.insert(one.needs);
  std::string text;
  for (const std::string& one : names) {
    if (!one.empty()) text += (text.empty() ? "" : "|") + query::regex_text(one);
  }
  return text;
}

class Asking {
 public:
  Asking(const Sources& sources, const incident::Incident& incident, const Bounds& bounds,
         const Clock& clock, Collection& out)
      : sources_(sources),
        incident_(incident),
        bounds_(bounds),
        clock_(clock),
        end_(clock.now() + bounds.total),
        out_(out) {}

  // The metrics that exist, or nothing where Prometheus does not answer.
  std::optional<std::set<std::string>> existing(const QuerySet& queries) {
    const auto answer = sources_.prometheus.query(
        "group by (__name__) ({__name__=~" + query::promql_text(needed_names(queries)) + "})",
        bounds_.timeout);
    if (!answer) {
      out_.unknown("Prometheus did not answer: " + answer.error().message);
      return std::nullopt;
    }
    std::set<std::string> names;
    for (const InstantValue& one : *answer) names.emplace(one.labels.get("__name__"));
    return names;
  }

  std::optional<std::vector<Series>> ask(const std::string& promql, const std::string& what) {
    return ask(sources_.prometheus, promql, what, out_.plan().step);
  }
  // Rows of a whole window: those that overlap would count a line twice.
  std::optional<std::vector<Series>> ask(const LogsQuery& logs) {
    const bool of_loki = logs.from == LogStore::loki;
    return ask(of_loki ? *sources_.loki : sources_.prometheus, logs.query,
               "log lines (" + logs.family + ")", out_.plan().rate);
  }

  void tell_skipped() {
    if (skipped_ > 0) {
      out_.unknown(std::to_string(skipped_) + " questions to Prometheus: the time of " +
                   format_duration(bounds_.total) + " was over");
    }
  }

 private:
  std::optional<std::vector<Series>> ask(Prometheus& source, const std::string& query,
                                         const std::string& what, Duration step) {
    const Plan& plan = out_.plan();
    const std::string rate = format_duration(plan.rate);
    const std::string cluster = cluster_matcher(incident_.cluster);
    for (const bool narrow : {false, true}) {
      const bool cancelled = bounds_.cancelled != nullptr && *bounds_.cancelled;
      if (cancelled || clock_.now() >= end_) {
        ++skipped_;
        return std::nullopt;
      }
      if (narrow && incident_.name_space.empty()) break;
      const std::string scope = narrow ? "namespace=" + query::promql_text(incident_.name_space) +
                                             (cluster.empty() ? "" : ",") + cluster
                                       : cluster;
      auto series = source.query_range(filled(query, scope, rate), plan.from, plan.to, step,
                                       bounds_.bytes_max, bounds_.timeout);
      if (series) {
        if (narrow) out_.unknown(what + " outside namespace " + incident_.name_space);
        return std::move(*series);
      }
      if (series.error().code != "body_too_large") {
        out_.unknown(what + ": " + series.error().message);
        return std::nullopt;
      }
    }
    out_.unknown(what + ": the answer is larger than " + format_bytes(bounds_.bytes_max) +
                 ", and the incident names no namespace to narrow it to");
    return std::nullopt;
  }

  const Sources& sources_;
  const incident::Incident& incident_;
  const Bounds& bounds_;
  const Clock& clock_;
  const Time end_;
  Collection& out_;
  std::size_t skipped_ = 0;
};

// "no metrics of cAdvisor, Istio"
void tell_absent(const QuerySet& queries, const std::set<std::string>& existing, Collection& out) {
  std::set<std::string> families, present;
  for (const MetricQuery& one : queries.metrics) {
    families.insert(one.family);
    if (one.needs.empty() || existing.contains(one.needs)) present.insert(one.family);
  }
  std::string text;
  for (const std::string& family : families) {
    if (!present.contains(family)) text += (text.empty() ? "" : ", ") + family;
  }
  if (!text.empty()) out.unknown("metrics of " + text + ": Prometheus has none");
}

std::optional<Component> component_of(const Labels& labels, const std::string& name,
                                      const std::string& name_space) {
  const std::string_view found = labels.get(name);
  // What a mesh or a collector calls whom it does not know.
  if (found.empty() || found == "unknown" || found == "user") return std::nullopt;
  return Component{std::string(labels.get("cluster")),
                   name_space.empty() ? "" : std::string(labels.get(name_space)),
                   std::string(found), false};
}

}  // namespace

std::string loki_api(const std::string& url) {
  return net::without_slash(url) + "/loki";
}

Collection gather(const Sources& sources, const QuerySet& queries,
                  const incident::Incident& incident, const Plan& plan, const Bounds& bounds,
                  const Clock& clock) {
  Collection out(plan);
  Asking asking(sources, incident, bounds, clock, out);
  const auto existing = asking.existing(queries);
  if (!existing) return out;
  tell_absent(queries, *existing, out);
  for (const MetricQuery& one : queries.metrics) {
    if (!one.needs.empty() && !existing->contains(one.needs)) continue;
    if (const auto series = asking.ask(one.promql, one.metric + " (" + one.family + ")"))
      out.add(one, *series);
  }
  for (const LogsQuery& one : queries.logs) {
    if (!one.needs.empty() && !existing->contains(one.needs)) continue;
    if (one.from == LogStore::loki && sources.loki == nullptr) continue;
    if (const auto series = asking.ask(one)) out.add_logs(one, *series);
  }
  if (existing->contains(predictions)) {
    const std::string by = "cluster, namespace, job, workload, model_name, model_version";
    if (const auto series = asking.ask(
            "sum by (" + by + ") (rate(" + predictions + "{$scope}[$rate]))", "model versions")) {
      out.add_versions(*series);
    }
  }
  asking.tell_skipped();
  out.merge_names();
  return out;
}

std::vector<std::string> learn_topology(Prometheus& prometheus, const QuerySet& queries,
                                        const std::string& cluster, Time now, const Bounds& bounds,
                                        Topology& topology) {
  std::vector<std::string> unknown;
  bool full = false;
  const auto ask = [&](const std::string& promql, const std::string& what) {
    // An hour: during an incident a caller may no longer call.
    auto answer = prometheus.query(filled(promql, cluster_matcher(cluster), "1h"), bounds.timeout);
    if (!answer) unknown.push_back(what + ": " + answer.error().message);
    return answer ? std::move(*answer) : std::vector<InstantValue>();
  };
  const auto learn = [&](const Component& from, const Component& to, Topology::Source source) {
    full = full || !topology.learn(from, to, source, now);
  };
  for (const CallsQuery& calls : queries.calls) {
    const auto source =
        calls.family == "Istio" ? Topology::Source::mesh : Topology::Source::service_graph;
    for (const InstantValue& one : ask("(" + calls.promql + ") > 0", "calls of " + calls.family)) {
      const auto from = component_of(one.labels, calls.caller, calls.caller_name_space),
                 to = component_of(one.labels, calls.callee, calls.callee_name_space);
      if (from && to) learn(*from, *to, source);
    }
  }
  for (const InstantValue& one :
       ask("group by (cluster, namespace, pod, node) (kube_pod_info{node!=\"\",$scope})",
           "pods' nodes")) {
    const std::string node(one.labels.get("node")), here(one.labels.get("cluster"));
    const std::string workload = incident::workload_of_pod(one.labels.get("pod"));
    learn({here, std::string(one.labels.get("namespace")), workload, false}, {here, "", node, true},
          Topology::Source::owners);
  }
  for (const InstantValue& one :
       ask("group by (cluster, node, internal_ip) (kube_node_info{$scope})", "nodes' addresses")) {
    const Component node{std::string(one.labels.get("cluster")), "",
                         std::string(one.labels.get("node")), true};
    const Component address{node.cluster, "", std::string(one.labels.get("internal_ip")), true};
    learn(node, address, Topology::Source::owners);
    learn(address, node, Topology::Source::owners);
  }
  for (const InstantValue& one : ask("up{$scope}", "targets")) {
    const incident::Spot spot = incident::spot_of(one.labels);
    if (!spot.workload) continue;
    for (const Component& machine : spot.machines)
      learn(*spot.workload, machine, Topology::Source::labels);
  }
  if (full) {
    unknown.push_back("edges beyond " + std::to_string(Topology::edges_max));
  }
  return unknown;
}

}  // namespace outrider::suspects
