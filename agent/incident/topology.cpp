// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/topology.h"

#include <algorithm>
#include <array>
#include <deque>

#include "base/core/enum_names.h"

namespace outrider::incident {
namespace {

constexpr std::array<std::string_view, 7> workload_labels = {
    "workload",     "deployment", "statefulset", "daemonset", "destination_workload",
    "service_name", "service"};
constexpr std::array<std::string_view, 3> machine_labels = {"node", "nodename", "Hostname"};
// Jobs whose metrics are about other things than themselves.
constexpr std::array<std::string_view, 10> exporters = {
    "node",    "node-exporter", "node_exporter", "kube-state-metrics", "cadvisor",
    "kubelet", "dcgm-exporter", "dcgm_exporter", "blackbox-exporter",  "windows-exporter"};

bool is_exporter(std::string_view job) {
  return std::any_of(exporters.begin(), exporters.end(), [job](std::string_view one) {
    return job == one ||
           (job.ends_with(one) && job.size() > one.size() &&
            (job[job.size() - one.size() - 1] == '/' || job[job.size() - one.size() - 1] == '-'));
  });
}

bool may_be_equal(std::string_view a, std::string_view b) {
  return a.empty() || b.empty() || a == b;
}

bool is_hash(std::string_view text, std::size_t least, std::size_t most) {
  // Kubernetes' names of pods leave out vowels, so that no word is one of them.
  return text.size() >= least && text.size() <= most &&
         text.find_first_not_of("0123456789bcdfghjklmnpqrstvwxz") == std::string_view::npos;
}

bool is_hexadecimal(std::string_view text) {
  return text.size() >= 6 && text.size() <= 10 &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view without_last_part(std::string_view text) {
  const std::size_t dash = text.rfind('-');
  return dash == std::string_view::npos ? std::string_view() : text.substr(0, dash);
}

}  // namespace

std::string text_of(const Component& component) {
  if (component.machine) return "machine " + component.name;
  return component.name_space.empty() ? component.name
                                      : component.name_space + "/" + component.name;
}

bool may_be_same(const Component& a, const Component& b) {
  return a.machine == b.machine && a.name == b.name && may_be_equal(a.cluster, b.cluster) &&
         (a.machine || may_be_equal(a.name_space, b.name_space));
}

std::string workload_of_pod(std::string_view pod) {
  const std::string_view first = without_last_part(pod);
  if (first.empty()) return std::string(pod);
  const std::string_view last = pod.substr(first.size() + 1);
  if (!last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos)
    return std::string(first);  // A StatefulSet's.
  if (!is_hash(last, 5, 5)) return std::string(pod);
  const std::string_view second = without_last_part(first);
  if (!second.empty()) {
    const std::string_view middle = first.substr(second.size() + 1);
    if (is_hash(middle, 6, 10) || is_hexadecimal(middle)) return std::string(second);
  }
  return std::string(first);  // A DaemonSet's.
}

std::string host_of(std::string_view instance) {
  const std::size_t scheme = instance.find("://");
  if (scheme != std::string_view::npos) instance.remove_prefix(scheme + 3);
  instance = instance.substr(0, instance.find('/'));
  if (instance.starts_with('[')) return std::string(instance.substr(1, instance.find(']') - 1));
  const std::size_t colon = instance.rfind(':');
  if (colon != std::string_view::npos && instance.find(':') != colon) return std::string(instance);
  return std::string(instance.substr(0, colon));
}

Spot spot_of(const Labels& labels) {
  Spot spot;
  const std::string cluster(labels.get("cluster"));
  const auto machine = [&](std::string_view name) {
    if (!name.empty()) spot.machines.push_back({cluster, "", std::string(name), true});
  };
  for (const std::string_view label : machine_labels) machine(labels.get(label));
  machine(host_of(labels.get("instance")));

  const std::string_view job = labels.get("job");
  std::string workload;
  for (const std::string_view label : workload_labels) {
    if (workload.empty()) workload = labels.get(label);
  }
  // An exporter's own Service is no subject.
  if (is_exporter(workload)) workload.clear();
  const std::string of_pod = workload_of_pod(labels.get("pod"));
  if (workload.empty() && !is_exporter(job)) {
    workload = of_pod;
    spot.by_pod = !of_pod.empty() && job.empty();
  }
  if (workload.empty() && !job.empty() && !is_exporter(job)) workload = job;
  // These tell of other pods than their own.
  if (workload.empty() && (job.ends_with("kube-state-metrics") || job.ends_with("kubelet") ||
                           job.ends_with("cadvisor"))) {
    workload = of_pod;
    spot.by_pod = !of_pod.empty();
  }
  if (!workload.empty()) {
    spot.workload = Component{cluster, std::string(labels.get("namespace")), workload, false};
  } else {
    spot.about_machine = !spot.machines.empty();
  }
  return spot;
}

std::string_view name(Topology::Source source) {
  using Source = Topology::Source;
  constexpr std::array<EnumName<Source>, 5> words = {{{Source::configuration, "configuration"},
                                                      {Source::service_graph, "service_graph"},
                                                      {Source::mesh, "mesh"},
                                                      {Source::owners, "owners"},
                                                      {Source::labels, "labels"}}};
  return enum_name(words, source);
}

std::size_t Topology::index_of(const Component& component) {
  const auto [at, is_new] = index_.try_emplace(component, nodes_.size());
  if (is_new) {
    nodes_.push_back(component);
    by_name_.emplace(component.name, at->second);
    down_.emplace_back();
    up_.emplace_back();
  }
  return at->second;
}

bool Topology::learn(const Component& from, const Component& to, Source source, Time seen_at) {
  if (from == to || from.name.empty() || to.name.empty()) return true;
  if (edges_.size() >= edges_max) return false;
  const std::size_t a = index_of(from), b = index_of(to);
  const auto [at, is_new] = edges_.try_emplace({a, b}, Told{source, seen_at});
  if (is_new) {
    down_[a].push_back(b);
    up_[b].push_back(a);
  } else if (at->second.source != Source::configuration && seen_at >= at->second.seen_at) {
    at->second = {source, seen_at};
  }
  return true;
}

void Topology::forget(Time before) {
  std::vector<Edge> kept;
  for (Edge& edge : edges()) {
    if (edge.source == Source::configuration || edge.seen_at >= before)
      kept.push_back(std::move(edge));
  }
  if (kept.size() == edges_.size()) return;
  *this = Topology();
  for (const Edge& edge : kept) learn(edge.from, edge.to, edge.source, edge.seen_at);
}

std::vector<Topology::Edge> Topology::edges() const {
  std::vector<Edge> out;
  out.reserve(edges_.size());
  for (const auto& [ends, told] : edges_)
    out.push_back({nodes_[ends.first], nodes_[ends.second], told.source, told.seen_at});
  return out;
}

std::optional<Time> Topology::newest() const {
  std::optional<Time> newest;
  for (const auto& [ends, told] : edges_) {
    if (told.source == Source::configuration) continue;
    newest = std::max(newest.value_or(told.seen_at), told.seen_at);
  }
  return newest;
}

std::vector<std::size_t> Topology::numbers_of(const Component& who) const {
  std::vector<std::size_t> found;
  const auto [first, last] = by_name_.equal_range(who.name);
  for (auto it = first; it != last; ++it) {
    if (may_be_same(nodes_[it->second], who)) found.push_back(it->second);
  }
  return found;
}

bool Topology::knows(const Component& who) const {
  const auto [first, last] = by_name_.equal_range(who.name);
  return std::any_of(first, last,
                     [&](const auto& entry) { return may_be_same(nodes_[entry.second], who); });
}

Topology::Walk Topology::walk(const Component& who, int hops_max, bool down) const {
  Walk found = {{who, 0}};
  std::vector<int> hops(nodes_.size(), -1);
  std::deque<std::size_t> queue;
  const auto reach = [&](std::size_t node, int at) {
    if (hops[node] >= 0) return;
    hops[node] = at;
    found.emplace(nodes_[node], at);
    queue.push_back(node);
  };
  // Everything that a name may stand for: tracing knows no namespaces, Kubernetes does.
  const auto reach_namesakes = [&](const Component& component, int at) {
    const auto [first, last] = by_name_.equal_range(component.name);
    for (auto it = first; it != last; ++it) {
      if (may_be_same(nodes_[it->second], component)) reach(it->second, at);
    }
  };
  reach_namesakes(who, 0);
  while (!queue.empty()) {
    const std::size_t node = queue.front();
    queue.pop_front();
    if (hops[node] == hops_max) continue;
    for (const std::size_t next : down ? down_[node] : up_[node])
      reach_namesakes(nodes_[next], hops[node] + 1);
  }
  return found;
}

}  // namespace outrider::incident
