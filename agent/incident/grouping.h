// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which alerts are one incident: by time, by what depends on what, and by rules of people who know
// better. PURE.
//
// Signals (alerts of one name and label set) are one incident where they began within `within` of
// each other, in one cluster as far as both are known, and
//   - are about the same workload, model or machine, or a rule says so;
//   - or one explains the other: each component belongs to the nearest component that alerts
//     beneath it, in at most `hops_max` calls, or the machine it runs on. What explains nothing
//     further is a root, and each root is an incident. A caller that two causes hurt goes with the
//     nearer, then with the one that began closer to it. A pod's alert goes with its machine before
//     its callees; a workload of which only pods on a bad machine alert explains its callers one
//     call worse, and none whose own pods alert elsewhere.
// A signal of pods may be told in parts, one a machine. They stay together, except where each of
// them runs on a machine that alerts itself: then each goes with its own.
// So alerts may come in any order: while they are young they are placed anew with each that joins.
// Source. The rule of nearest cause: docs/measurements/grouping.md has what it reaches.
// Cost. O(signals x components within reach); Reach remembers those.
//
// Fails. A cause that itself raises no alert leaves its callers as several roots.

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/incident/topology.h"
#include "base/core/series.h"

namespace outrider::incident {

// Alerts that match and agree in the labels of `by` are one incident.
struct CorrelationRule {
  std::string name;
  std::vector<std::pair<std::string, std::vector<std::string>>> match;  // A label, its values; '*'.
  std::vector<std::string> by;
  Duration within = std::chrono::minutes(10);

  bool matches(const Labels& labels) const;
};

struct GroupingRules {
  Duration within{};  // 0: alerts are never grouped but by rules.
  int hops_max = 3;
  std::vector<CorrelationRule> correlate;
};

// What lies beneath each component, remembered. Of one topology.
class Reach {
 public:
  void set(Topology topology, int hops_max);
  const Topology& topology() const { return topology_; }
  // Components beneath and their hops, without itself.
  const std::vector<std::pair<std::size_t, int>>& below(std::size_t number);

 private:
  Topology topology_;
  int hops_max_ = 3;
  std::unordered_map<std::size_t, std::vector<std::pair<std::size_t, int>>> below_;
};

// One signal to be placed.
struct Told {
  Labels labels;                 // Of one of its alerts.
  std::set<Component> machines;  // Where its alerts' pods run, as far as their labels say.
  Time starts_at;
  int settled = -1;         // Those of one number stay together, come what may.
  std::string signal = {};  // What the parts of one signal share; "" for a whole one.
};
Told told_of(const Labels& labels, Time starts_at);
struct Placement {
  std::size_t group = 0;  // The index of a signal: the same for all of a group.
  std::string why;        // "shop/checkout depends on shop/cart"; "" at a root.
};
std::vector<Placement> place(const std::vector<Told>& told, Reach& reach,
                             const GroupingRules& rules);

}  // namespace outrider::incident
