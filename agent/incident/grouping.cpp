// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/grouping.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <optional>

#include "agent/incident/identity.h"
#include "agent/incident/signal_key.h"
#include "base/core/text.h"

namespace outrider::incident {
namespace {

bool is_like(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  if (!text.starts_with(head)) return false;
  text.remove_prefix(head.size());
  if (tail.empty()) return true;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (is_like(tail, text.substr(at))) return true;
  }
  return false;
}

bool differ(std::string_view a, std::string_view b) {
  return !a.empty() && !b.empty() && a != b;
}

// Sets of signals that only grow together.
class Unions {
 public:
  explicit Unions(std::size_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t one) {
    while (parent_[one] != one) one = parent_[one] = parent_[parent_[one]];
    return one;
  }
  // The smaller number stays, so that the outcome does not depend on the order.
  void join(std::size_t a, std::size_t b) {
    a = find(a);
    b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> parent_;
};

// A component that alerts, with its signals.
struct Affected {
  Component component;
  std::vector<std::size_t> signals;
  std::vector<std::size_t> numbers;  // In the topology.
};

class Placing {
 public:
  Placing(const std::vector<Told>& told, Reach& reach, const GroupingRules& rules)
      : told_(told), reach_(reach), rules_(rules), unions_(told.size()), why_(told.size()) {}

  std::vector<Placement> place() {
    find_affected();
    bad_machine_.resize(told_.size());
    join_settled();
    join_by_rules();
    if (rules_.within != Duration{}) {
      find_bad_machines();
      join_same_subjects();
      join_causes();
    }
    join_parts();
    std::vector<Placement> out;
    for (std::size_t i = 0; i < told_.size(); ++i) out.push_back({unions_.find(i), why_[i]});
    return out;
  }

 private:
  bool near(std::size_t a, std::size_t b) const {
    return std::chrono::abs(told_[a].starts_at - told_[b].starts_at) <= rules_.within &&
           !differ(told_[a].labels.get("cluster"), told_[b].labels.get("cluster"));
  }
  void join(std::size_t a, std::size_t b, const std::string& why) {
    // The first reason stays: it is the one by which it came.
    if (why_[a].empty()) why_[a] = why;
    unions_.join(a, b);
  }

  void find_affected() {
    std::map<Component, std::size_t> index;
    for (std::size_t i = 0; i < told_.size(); ++i) {
      spots_.push_back(spot_of(told_[i].labels));
      const Spot& spot = spots_.back();
      of_signal_.emplace_back();
      if (!spot.workload && !spot.about_machine) continue;
      const Component& component = spot.workload ? *spot.workload : spot.machines.front();
      const auto [at, is_new] = index.try_emplace(component, affected_.size());
      if (is_new) affected_.push_back({component, {}, reach_.topology().numbers_of(component)});
      Affected& one = affected_[at->second];
      one.signals.push_back(i);
      of_signal_[i] = at->second;
    }
    for (std::size_t a = 0; a < affected_.size(); ++a) {
      for (const std::size_t number : affected_[a].numbers) by_number_.emplace(number, a);
      by_name_.emplace(affected_[a].component.name, a);
    }
  }
  bool is_of_pod(std::size_t signal) const {
    return spots_[signal].workload && !told_[signal].labels.get("pod").empty();
  }

  void join_settled() {
    std::map<int, std::size_t> first;
    for (std::size_t i = 0; i < told_.size(); ++i) {
      if (told_[i].settled < 0) continue;
      unions_.join(first.try_emplace(told_[i].settled, i).first->second, i);
    }
  }

  void join_by_rules() {
    for (const CorrelationRule& rule : rules_.correlate) {
      std::map<std::vector<std::string>, std::size_t> latest;
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < told_.size(); ++i) {
        if (rule.matches(told_[i].labels)) order.push_back(i);
      }
      std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
        return told_[a].starts_at < told_[b].starts_at;
      });
      for (const std::size_t i : order) {
        std::vector<std::string> values;
        for (const std::string& name : rule.by) values.emplace_back(told_[i].labels.get(name));
        if (std::find(values.begin(), values.end(), "") != values.end()) continue;
        const auto before = latest.find(values);
        if (before != latest.end() &&
            told_[i].starts_at - told_[before->second].starts_at <= rule.within) {
          join(i, before->second, "the rule " + rule.name + " says so");
        }
        latest[values] = i;
      }
    }
  }

  // Chained in time: what goes on for long stays one.
  void join_same_subjects() {
    const auto chain = [this](std::vector<std::size_t> signals, const std::string& why) {
      std::stable_sort(signals.begin(), signals.end(), [this](std::size_t a, std::size_t b) {
        return told_[a].starts_at < told_[b].starts_at;
      });
      for (std::size_t i = 1; i < signals.size(); ++i) {
        if (near(signals[i - 1], signals[i])) join(signals[i], signals[i - 1], why);
      }
    };
    for (std::size_t a = 0; a < affected_.size(); ++a) {
      const Affected& one = affected_[a];
      std::vector<std::size_t> signals;
      // A pod's alert on a machine that alerts is that machine's.
      for (const std::size_t signal : one.signals) {
        if (!bad_machine(signal)) signals.push_back(signal);
      }
      chain(signals, "it is about " + text_of(one.component) + " too");
      // Another telling of the same, with more or less of its name.
      const auto [first, last] = by_name_.equal_range(one.component.name);
      for (auto it = first; it != last; ++it) {
        if (it->second <= a || signals.empty() ||
            !may_be_same(one.component, affected_[it->second].component))
          continue;
        const std::size_t other = affected_[it->second].signals.front();
        if (near(signals.front(), other))
          join(other, signals.front(), "it is about " + text_of(one.component) + " too");
      }
    }
    std::map<std::string, std::vector<std::size_t>> models;
    for (std::size_t i = 0; i < told_.size(); ++i) {
      const Identity who = identity_of(told_[i].labels);
      if (!who.model.empty()) models[who.model].push_back(i);
    }
    for (const auto& [model, signals] : models) {
      for (std::size_t i = 1; i < signals.size(); ++i) {
        if (near(signals[i - 1], signals[i]) &&
            may_be_same(identity_of(told_[signals[i - 1]].labels),
                        identity_of(told_[signals[i]].labels)))
          join(signals[i], signals[i - 1], "it is about the model " + model + " too");
      }
    }
  }

  // The machine that a pod's alert names, where that alerts itself and so do those of all other
  // parts of the signal.
  void find_bad_machines() {
    std::set<std::string_view> well;
    for (std::size_t signal = 0; signal < told_.size(); ++signal) {
      if (!is_of_pod(signal)) continue;
      for (const Component& machine : told_[signal].machines) {
        if (const auto found = affected_machine(machine, signal)) bad_machine_[signal] = found;
      }
      if (!bad_machine_[signal]) well.insert(told_[signal].signal);
    }
    for (std::size_t signal = 0; signal < told_.size(); ++signal) {
      if (is_part(signal) && well.contains(told_[signal].signal)) bad_machine_[signal].reset();
    }
  }
  std::optional<std::size_t> bad_machine(std::size_t signal) const { return bad_machine_[signal]; }
  bool is_part(std::size_t signal) const { return !told_[signal].signal.empty(); }

  // Those of one signal that no machines explain.
  void join_parts() {
    std::map<std::string_view, std::size_t> first;
    for (std::size_t i = 0; i < told_.size(); ++i) {
      if (!is_part(i) || bad_machine(i)) continue;
      const auto [at, is_new] = first.try_emplace(told_[i].signal, i);
      if (!is_new)
        join(i, at->second, "it is about " + text_of(affected_[*of_signal_[i]].component) + " too");
    }
  }
  // Whether nothing of it alerts but pods on machines that do.
  bool is_machines(const Affected& one) const {
    return std::all_of(one.signals.begin(), one.signals.end(),
                       [this](std::size_t its) { return bad_machine(its).has_value(); });
  }
  // Whether pods of it alert that run on machines which are well: then no machine explains it.
  bool alerts_elsewhere(const Affected& one, std::size_t signal) const {
    return std::any_of(one.signals.begin(), one.signals.end(), [&](std::size_t its) {
      return is_of_pod(its) && !told_[its].labels.get("node").empty() && near(its, signal) &&
             !bad_machine(its);
    });
  }
  std::optional<std::size_t> affected_machine(const Component& machine, std::size_t signal) const {
    const auto [first, last] = by_name_.equal_range(machine.name);
    for (auto it = first; it != last; ++it) {
      const Affected& one = affected_[it->second];
      if (one.component.machine && may_be_same(one.component, machine) &&
          nearest_signal(one, signal))
        return it->second;
    }
    return std::nullopt;
  }
  // Of a component's signals that which began closest; nothing where none is near. Those that are a
  // bad machine's stand back: they go with the machine, not with the component.
  std::optional<std::size_t> nearest_signal(const Affected& one, std::size_t to) const {
    std::optional<std::size_t> best;
    std::pair<bool, Duration> least{};
    for (const std::size_t signal : one.signals) {
      if (!near(signal, to)) continue;
      const std::pair now = {!one.component.machine && bad_machine(signal).has_value(),
                             distance(signal, to)};
      if (best && now >= least) continue;
      best = signal;
      least = now;
    }
    return best;
  }
  Duration distance(std::size_t a, std::size_t b) const {
    return std::chrono::abs(told_[a].starts_at - told_[b].starts_at);
  }

  void join_causes() {
    for (std::size_t signal = 0; signal < told_.size(); ++signal) {
      if (!of_signal_[signal]) continue;
      if (const auto machine = bad_machine(signal)) {
        join(signal, *nearest_signal(affected_[*machine], signal),
             "it runs on " + text_of(affected_[*machine].component));
      }
    }
    for (const Affected& one : affected_) {
      // A component goes as a whole, but for its pods on bad machines.
      std::optional<std::size_t> first;
      for (const std::size_t signal : one.signals) {
        if (!bad_machine(signal) && (!first || told_[signal].starts_at < told_[*first].starts_at))
          first = signal;
      }
      if (!first || one.component.machine) continue;
      const auto cause = cause_of(one, *first);
      if (!cause) continue;
      const Affected& beneath = affected_[*cause];
      join(*first, *nearest_signal(beneath, *first),
           text_of(one.component) + (beneath.component.machine ? " runs on " : " depends on ") +
               text_of(beneath.component));
    }
  }

  // The nearest that alerts beneath it.
  std::optional<std::size_t> cause_of(const Affected& one, std::size_t signal) {
    std::optional<std::size_t> best;
    std::pair<int, Duration> least{};
    const auto consider = [&](std::size_t candidate, int hops) {
      const Affected& beneath = affected_[candidate];
      if (&beneath == &one || may_be_same(beneath.component, one.component)) return;
      if (beneath.component.machine && alerts_elsewhere(one, signal)) return;
      const auto its = nearest_signal(beneath, signal);
      if (!its) return;
      const bool weak = !beneath.component.machine && is_machines(beneath);
      if (weak && alerts_elsewhere(one, signal)) return;
      const std::pair<int, Duration> now = {hops + (weak ? 1 : 0), distance(*its, signal)};
      if (best && now >= least) return;
      best = candidate;
      least = now;
    };
    for (const std::size_t number : one.numbers) {
      for (const auto& [below, hops] : reach_.below(number)) {
        const auto [first, last] = by_number_.equal_range(below);
        for (auto it = first; it != last; ++it) consider(it->second, hops);
      }
    }
    // Where it runs, by its own labels.
    for (const Component& machine : told_[signal].machines) {
      if (const auto found = affected_machine(machine, signal)) consider(*found, 1);
    }
    return best;
  }

  const std::vector<Told>& told_;
  Reach& reach_;
  const GroupingRules& rules_;
  Unions unions_;
  std::vector<std::string> why_;
  std::vector<Spot> spots_;
  std::vector<std::optional<std::size_t>> of_signal_;
  std::vector<std::optional<std::size_t>> bad_machine_;  // Of each signal, among the affected.
  std::vector<Affected> affected_;
  std::unordered_multimap<std::size_t, std::size_t> by_number_;
  std::multimap<std::string, std::size_t> by_name_;
};

}  // namespace

bool CorrelationRule::matches(const Labels& labels) const {
  return std::all_of(match.begin(), match.end(), [&labels](const auto& condition) {
    const std::string_view value = labels.get(condition.first);
    return std::any_of(condition.second.begin(), condition.second.end(),
                       [value](const std::string& pattern) { return is_like(pattern, value); });
  });
}

Told told_of(const Labels& labels, Time starts_at) {
  Told told{labels, {}, starts_at};
  for (const Component& machine : spot_of(labels).machines) told.machines.insert(machine);
  if (!part_of(labels).empty()) told.signal = incident_key(stable_labels(labels));
  return told;
}

void Reach::set(Topology topology, int hops_max) {
  topology_ = std::move(topology);
  hops_max_ = hops_max;
  below_.clear();
}

const std::vector<std::pair<std::size_t, int>>& Reach::below(std::size_t number) {
  const auto [at, is_new] = below_.try_emplace(number);
  if (!is_new) return at->second;
  std::vector<std::pair<std::size_t, int>>& found = at->second;
  std::set<std::size_t> seen = {number};
  std::deque<std::pair<std::size_t, int>> queue = {{number, 0}};
  while (!queue.empty()) {
    const auto [node, hops] = queue.front();
    queue.pop_front();
    if (hops > 0) found.emplace_back(node, hops);
    if (hops == hops_max_) continue;
    for (const std::size_t next : topology_.depends_on(node)) {
      // Everything that a name may stand for: tracing knows no namespaces.
      for (const std::size_t same : topology_.numbers_of(topology_.component(next))) {
        if (seen.insert(same).second) queue.emplace_back(same, hops + 1);
      }
    }
  }
  return found;
}

std::vector<Placement> place(const std::vector<Told>& told, Reach& reach,
                             const GroupingRules& rules) {
  return Placing(told, reach, rules).place();
}

}  // namespace outrider::incident
