// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/signal_key.h"

#include <algorithm>
#include <array>

#include "agent/incident/identity.h"
#include "agent/incident/topology.h"

namespace outrider::incident {
namespace {

constexpr std::array replica_labels = {"__replica__",
                                       "container",
                                       "container_id",
                                       "endpoint",
                                       "exported_instance",
                                       "exported_pod",
                                       "instance",
                                       "ip",
                                       "node",
                                       "anomaly_series",
                                       "pod",
                                       "pod_ip",
                                       "pod_template_hash",
                                       "prometheus",
                                       "prometheus_replica",
                                       "replica",
                                       "uid"};

}  // namespace

bool is_replica_label(std::string_view name) {
  return std::find(replica_labels.begin(), replica_labels.end(), name) != replica_labels.end();
}

Labels stable_labels(const Labels& labels) {
  Labels stable;
  for (const Label& label : labels) {
    if (label.name != "severity" && !is_replica_label(label.name))
      stable.set(label.name, label.value);
  }
  if (!identity_of(labels).model.empty()) return stable;
  // An exporter tells of everybody's pods and machines: there those labels say whom it is about.
  const Spot spot = spot_of(labels);
  if (spot.about_machine) {
    for (const std::string_view name : {"instance", "node"}) stable.set(name, labels.get(name));
  } else if (spot.workload && spot.by_pod) {
    stable.set("workload", spot.workload->name);
  }
  return stable;
}

std::string incident_key(const Labels& stable) {
  std::string key;
  for (const Label& label : stable) {
    if (is_routing_label(label.name)) continue;
    // Lengths, so that no value can imitate another label set.
    key += std::to_string(label.name.size()) + ":" + label.name + "=" +
           std::to_string(label.value.size()) + ":" + label.value + ";";
  }
  return key;
}

std::string part_of(const Labels& labels) {
  const std::string_view node = labels.get("node");
  if (node.empty() || labels.get("pod").empty()) return {};
  if (!identity_of(labels).model.empty() || !spot_of(labels).workload) return {};
  return std::string(node);
}

std::string part_key(const Labels& labels) {
  const std::string machine = part_of(labels);
  if (machine.empty()) return {};
  Labels stable = stable_labels(labels);
  stable.set("node", machine);
  return incident_key(stable);
}

}  // namespace outrider::incident
