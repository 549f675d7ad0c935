// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/live_diagnosis.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "agent/diagnose/evidence.h"
#include "agent/suspects/shown_rows.h"
#include "base/core/text.h"

namespace outrider::suspects {
namespace {

using incident::Change;
using incident::Component;
using incident::Incident;
using incident::Topology;

constexpr int hops_max = 6;
constexpr std::size_t unknown_max = 20;
constexpr std::size_t shown_causes = 3;
constexpr double shown_probability = 0.05;

double seconds_of(Time time) {
  return to_seconds(time.time_since_epoch());
}

// The components that the incident's alerts name.
struct Affected {
  std::set<Component> workloads, machines;
  std::set<std::string> models;
};

Affected affected_by(const Incident& incident, const Collection& collection) {
  Affected out;
  for (const incident::Member& member : incident.members) {
    const incident::Spot spot = incident::spot_of(member.labels);
    if (spot.workload) out.workloads.insert(*spot.workload);
    if (spot.about_machine) out.machines.insert(spot.machines.begin(), spot.machines.end());
    const std::string model = incident::identity_of(member.labels).model;
    if (!model.empty()) out.models.insert(model);
  }
  if (!out.workloads.empty()) return out;
  // An alert that names a model and no workload: whoever serves a model of that name.
  for (const auto& [suspect, metrics] : collection.suspects()) {
    if (suspect.role == Role::model && out.models.contains(suspect.detail))
      out.workloads.insert(suspect.place);
  }
  return out;
}

bool names(const std::set<Component>& set, const Component& one) {
  return std::any_of(set.begin(), set.end(),
                     [&one](const Component& other) { return may_be_same(one, other); });
}

struct Scope {
  std::set<Component> places;  // Empty: all there are.
  std::set<std::string> models;
  std::string text;
  std::vector<std::string> unknown;

  bool has(const Suspect& suspect) const {
    if (places.empty()) return true;
    if (suspect.role == Role::model && models.contains(suspect.detail)) return true;
    return names(places, suspect.place);
  }
};

std::string listed(const std::set<Component>& components) {
  std::string text;
  std::size_t count = 0;
  for (const Component& one : components) {
    if (++count > 3) return text + " and " + std::to_string(components.size() - 3) + " more";
    text += (count > 1 ? ", " : "") + text_of(one);
  }
  return text;
}

std::string age_of(const Topology& topology, Time now) {
  const auto newest = topology.newest();
  if (!newest) return "configured";
  return "seen " + format_duration(std::chrono::round<std::chrono::seconds>(now - *newest)) +
         " ago";
}

Scope scope_of(const Affected& affected, const Collection& collection, const Topology& topology,
               Time now) {
  Scope scope;
  scope.models = affected.models;
  std::set<std::string> name_spaces;
  bool knows_calls = false;
  std::set<Component> silent;  // Of which no calls are known.
  for (const Component& one : affected.workloads) {
    bool calls = false;
    for (const auto& [below, hops] : topology.below(one, hops_max)) {
      scope.places.insert(below);
      calls = calls || (!below.machine && !may_be_same(below, one));
    }
    knows_calls = knows_calls || calls;
    if (!calls) silent.insert(one);
    if (!one.name_space.empty()) name_spaces.insert(one.name_space);
  }
  for (const Component& machine : affected.machines) {
    for (const auto& [below, hops] : topology.below(machine, 1)) scope.places.insert(below);
    // What runs there may be what keeps it busy.
    for (const auto& [above, hops] : topology.above(machine, 2)) scope.places.insert(above);
  }
  if (!silent.empty()) {
    scope.unknown.push_back("what " + listed(silent) +
                            " depends on: no service graph, mesh or configuration names its calls");
  }
  if (knows_calls) {
    scope.text = listed(affected.workloads) + " and what it depends on (" +
                 std::to_string(topology.size()) + " edges, " + age_of(topology, now) + ")";
    return scope;
  }
  if (affected.workloads.empty() && !scope.places.empty()) {
    scope.text = listed(affected.machines) + " and what runs there";
    return scope;
  }
  if (name_spaces.empty()) {
    scope.places.clear();
    scope.text = "all components: no calls are known, and no namespace is named";
    return scope;
  }
  std::string text;
  for (const std::string& name : name_spaces) text += (text.empty() ? "" : ", ") + name;
  for (const auto& [suspect, metrics] : collection.suspects()) {
    if (name_spaces.contains(suspect.place.name_space)) scope.places.insert(suspect.place);
  }
  scope.text = "all components of namespace " + text + " and their machines: no calls are known";
  return scope;
}

// What is asked of agent/diagnose, and what its indices stand for.
struct Case {
  diagnose::Question question;
  std::vector<const Suspect*> suspects;
  std::vector<const Change*> changes;  // Of the question's.
};

bool concerns(const Change& change, const Suspect& suspect) {
  if (suspect.role == Role::machine || suspect.role == Role::gpu) return false;
  const auto fits = [](std::string_view a, std::string_view b) {
    return a.empty() || b.empty() || a == b;
  };
  if (!fits(change.cluster, suspect.place.cluster) ||
      !fits(change.name_space, suspect.place.name_space)) {
    return false;
  }
  if (suspect.role == Role::model && !change.model.empty())
    return change.model == suspect.detail && fits(change.workload, suspect.place.name);
  if (!change.workload.empty()) return change.workload == suspect.place.name;
  return !change.model.empty() && change.model == suspect.place.name;
}

bool has_errors(const Collection::Metrics& metrics) {
  return metrics.values.contains("errors") || metrics.values.contains("availability");
}

// Logged lines, where any suspect has them.
void add_logs(const std::vector<const Collection::Metrics*>& metrics, const Collection& collection,
              diagnose::Question& question) {
  std::set<double> times;
  for (const Collection::Metrics* one : metrics) {
    for (const diagnose::LogCount& count : one->logs) times.insert(count.time);
  }
  if (times.empty()) return;
  for (const Collection::Metrics* one : metrics) question.logs.push_back(one->logs);
  question.log_sites = collection.log_sites();
  question.log_times.assign(times.begin(), times.end());
}

// Calls between suspects that both tell of requests. Machines answer for no latency and no errors,
// and a callee that reports none would be made to share its caller's.
void add_graph(const Topology& topology, const std::vector<const Collection::Metrics*>& metrics,
               Case& out) {
  std::multimap<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < out.suspects.size(); ++i) {
    if (out.suspects[i]->role == Role::workload) by_name.emplace(out.suspects[i]->place.name, i);
  }
  const auto each = [&](const Component& component, const auto& visit) {
    const auto [first, last] = by_name.equal_range(component.name);
    for (auto it = first; it != last; ++it) {
      if (may_be_same(out.suspects[it->second]->place, component)) visit(it->second);
    }
  };
  std::set<std::pair<std::size_t, std::size_t>> seen;
  for (const Topology::Edge& edge : topology.edges()) {
    if (edge.from.machine || edge.to.machine) continue;
    each(edge.from, [&](std::size_t from) {
      each(edge.to, [&](std::size_t to) {
        if (from == to || !has_errors(*metrics[to]) || !seen.emplace(from, to).second) return;
        out.question.graph.callees[from].push_back(to);
        out.question.graph.callers[to].push_back(from);
        out.question.has_graph = true;
      });
    });
  }
}

Case case_of(const Collection& collection, const Topology& topology, const Scope& scope,
             const std::vector<Change>& changes) {
  Case out;
  const Plan& plan = collection.plan();
  diagnose::Question& question = out.question;
  question.at = seconds_of(plan.at);
  question.window = to_seconds(plan.to - plan.at + plan.step);
  question.of_files = false;
  diagnose::Values times;
  for (std::size_t row = 0; row < plan.rows(); ++row)
    times.push_back(seconds_of(plan.from + static_cast<std::int64_t>(row) * plan.step));
  std::vector<const Collection::Metrics*> metrics;
  for (const auto& [suspect, of] : collection.suspects()) {
    if (!scope.has(suspect)) continue;
    out.suspects.push_back(&suspect);
    metrics.push_back(&of);
    question.components.push_back(suspect.name());
    question.metrics.push_back({times, of.values});
  }
  question.graph.callees.resize(out.suspects.size());
  question.graph.callers.resize(out.suspects.size());
  add_graph(topology, metrics, out);
  add_logs(metrics, collection, question);
  for (const Change& change : changes) {
    for (std::size_t i = 0; i < out.suspects.size(); ++i) {
      if (change.is_warning() || !concerns(change, *out.suspects[i])) continue;
      question.changes.push_back({i, seconds_of(change.at), change.kind,
                                  change.summary.empty() ? change.version : change.summary});
      out.changes.push_back(&change);
    }
  }
  return out;
}

std::string percent(double share) {
  return std::to_string(std::lround(100 * share)) + " %";
}

std::string sentence_of(const incident::Diagnosis& diagnosis) {
  if (diagnosis.causes.empty()) return "insufficient evidence: " + diagnosis.reason;
  const incident::Diagnosis::Cause& first = diagnosis.causes.front();
  const std::string how = " (" + first.kind + ", " + percent(first.probability) + ")";
  if (!diagnosis.named) {
    std::string text = "insufficient evidence: " + diagnosis.reason;
    if (!first.evidence.empty()) text += ". Most suspect: " + first.component + how;
    return text;
  }
  const std::string evidence = first.evidence.empty() ? "" : ": " + first.evidence.front();
  if (!diagnosis.change) return "root cause: " + first.component + how + evidence;
  const incident::Diagnosis::Blamed& change = *diagnosis.change;
  return "root cause: " + change.kind + (change.version.empty() ? "" : " " + change.version) +
         " of " + change.component + " at " + diagnose::time_of_day(seconds_of(change.at)) + how +
         evidence;
}

void add_changes_without_suspects(const Case& asked, const Scope& scope,
                                  const std::vector<Change>& changes,
                                  std::vector<std::string>& unknown) {
  std::set<std::string> told;
  for (const Change& change : changes) {
    const Component place{change.cluster, change.name_space, change.workload, false};
    if (change.is_warning() || change.workload.empty() || !names(scope.places, place) ||
        std::find(asked.changes.begin(), asked.changes.end(), &change) != asked.changes.end()) {
      continue;
    }
    const std::string who =
        (change.name_space.empty() ? "" : change.name_space + "/") + change.workload;
    if (told.insert(who).second)
      unknown.push_back("whether the " + change.kind + " of " + who +
                        " did it: it is no suspect with metrics");
  }
}

// What a fall in accuracy is from: the inputs since the change were compared (incident/evidence.h).
void refine_kind(const Incident& incident, const Suspect& suspect, bool promoted,
                 incident::Diagnosis::Cause& cause) {
  if (suspect.role != Role::model || cause.kind == "unknown") return;
  if (promoted) {
    cause.kind = "version";
  } else if (cause.kind == "concept" && incident.inputs == incident::Inputs::changed) {
    cause.kind = "drift";
  } else if (cause.kind == "concept" && incident.inputs == incident::Inputs::not_judged) {
    cause.evidence.emplace_back(
        "no input's drift score rose; inputs were not judged, so drift is not excluded");
  }
}

// Of the likeliest causes, as far as anything speaks against them.
std::vector<incident::Diagnosis::Shown> shown_of(const Collection& collection, const Case& asked,
                                                 const diagnose::Diagnosis& found) {
  std::vector<incident::Diagnosis::Shown> shown;
  for (std::size_t i = 0; i < std::min(shown_causes, found.causes.size()); ++i) {
    const diagnose::Cause& cause = found.causes[i];
    if (cause.evidence.empty() || cause.probability < shown_probability) continue;
    for (auto& rows : shown_rows(collection, *asked.suspects[cause.component]))
      shown.push_back(std::move(rows));
  }
  return shown;
}

}  // namespace

incident::Diagnosis diagnose_live(const Collection& collection, const Topology& topology,
                                  const Incident& incident, const std::vector<Change>& changes,
                                  Time now) {
  const Affected affected = affected_by(incident, collection);
  const Scope scope = scope_of(affected, collection, topology, now);
  std::vector<Change> all = changes;
  for (const Change& promotion : collection.promotions()) {
    // Told by somebody and seen in the metrics it is one change.
    const bool told = std::any_of(changes.begin(), changes.end(), [&](const Change& one) {
      return one.model == promotion.model && one.version == promotion.version;
    });
    if (!told) all.push_back(promotion);
  }
  const Case asked = case_of(collection, topology, scope, all);
  const diagnose::Diagnosis found = diagnose::diagnose(asked.question);

  incident::Diagnosis out;
  out.made_at = now;
  out.from = collection.plan().from;
  out.at = collection.plan().at;
  out.to = collection.plan().to;
  out.named = found.named;
  out.p = found.p;
  out.reason = found.reason;
  out.scope = scope.text;
  out.suspects = found.causes.size();
  if (found.blamed) {
    const Change& blamed = *asked.changes[*found.blamed];
    out.change = {asked.question.components[asked.question.changes[*found.blamed].component],
                  blamed.kind, blamed.summary, blamed.version, blamed.at};
  }
  for (const diagnose::Cause& cause : found.causes) {
    if (out.causes.size() >= incident::Diagnosis::causes_max) break;
    const bool promoted = out.causes.empty() && out.change && out.change->kind == "promotion";
    out.causes.push_back({asked.question.components[cause.component], cause.kind, cause.probability,
                          cause.score, std::nullopt, cause.evidence});
    if (cause.onset) out.causes.back().onset = Time(from_seconds(*cause.onset));
    refine_kind(incident, *asked.suspects[cause.component], promoted, out.causes.back());
  }
  out.shown = shown_of(collection, asked, found);
  out.unknown = scope.unknown;
  out.unknown.insert(out.unknown.end(), collection.unknown().begin(), collection.unknown().end());
  add_changes_without_suspects(asked, scope, all, out.unknown);
  if (out.unknown.size() > unknown_max) {
    const std::size_t more = out.unknown.size() - unknown_max;
    out.unknown.resize(unknown_max);
    out.unknown.push_back(std::to_string(more) + " more");
  }
  out.sentence = sentence_of(out);
  return out;
}

}  // namespace outrider::suspects
