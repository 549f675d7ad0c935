// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which component depends on which: who calls whom, and what runs on which machine. PURE; not
// thread-safe; O(edges) a walk.
//
// An edge has a source and an age. What no edge says is unknown, which is not the same as
// unrelated: knows() tells the two apart. A part of a name that is not known may be any, as in
// identity.h.

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/series.h"

namespace outrider::incident {

struct Component {
  std::string cluster, name_space;  // "" where not known.
  std::string name;                 // Of a workload or a machine.
  bool machine = false;
  auto operator<=>(const Component&) const = default;
};

// "shop/cart", "machine node-7".
std::string text_of(const Component& component);
// Whether no part that both know differs.
bool may_be_same(const Component& a, const Component& b);

// What an alert is about, by its labels. A workload: `workload`, `deployment`, `statefulset`,
// `daemonset`, `destination_workload`, `service_name`, `service`, the pod's name without its
// hashes, `job` unless that is an exporter of others' metrics. A machine: `node`, `nodename`,
// `Hostname`, or the host of `instance`.
struct Spot {
  std::optional<Component> workload;
  std::vector<Component> machines;  // Where it runs; of an alert about a machine, that.
  bool about_machine = false;       // No workload is named: the machine itself is meant.
  bool by_pod = false;              // Nothing but the pod's name tells the workload.
};
Spot spot_of(const Labels& labels);

// "checkout-7d9f8b6c5-x2x1z" -> "checkout"; a name without hashes as it is.
std::string workload_of_pod(std::string_view pod);
// "10.0.0.7:9100" -> "10.0.0.7"; "" where there is no host.
std::string host_of(std::string_view instance);

class Topology {
 public:
  static constexpr std::size_t edges_max = 100'000;
  enum class Source { configuration, service_graph, mesh, owners, labels };

  // `from` depends on `to`. Told again, an edge is as young as the younger telling. False: no room.
  bool learn(const Component& from, const Component& to, Source source, Time seen_at);
  void forget(Time before);  // Edges last seen before; those of configuration stay.

  // All components that `who` depends on (or that depend on it), itself included, by hops.
  using Walk = std::map<Component, int>;
  Walk below(const Component& who, int hops_max) const { return walk(who, hops_max, true); }
  Walk above(const Component& who, int hops_max) const { return walk(who, hops_max, false); }
  // Whether any edge names it.
  bool knows(const Component& who) const;

  // By number, for whoever walks often: the components that `who` may be, and what each depends on.
  std::vector<std::size_t> numbers_of(const Component& who) const;
  const std::vector<std::size_t>& depends_on(std::size_t number) const { return down_[number]; }
  const Component& component(std::size_t number) const { return nodes_[number]; }
  std::size_t components() const { return nodes_.size(); }

  struct Edge {
    Component from, to;
    Source source;
    Time seen_at;
  };
  std::vector<Edge> edges() const;
  std::size_t size() const { return edges_.size(); }
  std::optional<Time> newest() const;  // Of the edges that were seen.

 private:
  struct Told {
    Source source;
    Time seen_at;
  };
  Walk walk(const Component& who, int hops_max, bool down) const;
  std::size_t index_of(const Component& component);

  std::vector<Component> nodes_;
  std::map<Component, std::size_t> index_;
  std::multimap<std::string, std::size_t, std::less<>> by_name_;
  std::map<std::pair<std::size_t, std::size_t>, Told> edges_;
  std::vector<std::vector<std::size_t>> down_, up_;
};

std::string_view name(Topology::Source source);

}  // namespace outrider::incident
