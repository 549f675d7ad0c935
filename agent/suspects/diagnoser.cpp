// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/diagnoser.h"

#include <spdlog/spdlog.h>

#include <array>

#include "agent/incident/evidence.h"
#include "agent/suspects/live_diagnosis.h"
#include "base/core/text.h"

namespace outrider::suspects {
namespace {

using namespace std::chrono_literals;
using incident::Incident;

constexpr Duration look_every = 500ms;
constexpr Duration joined_after = 15s;
constexpr std::array<Duration, 5> again_after = {30s, 2min, 5min, 10min, 20min};
constexpr Duration changes_before = 1h;  // The onset: as long as a change is prior odds.

std::size_t changes_of(const Incident& incident) {
  return incident.changes.size();
}

// Changes that may have to do with it: of its cluster, from an hour before the onset on.
std::vector<incident::Change> near_changes(std::vector<incident::Change> changes,
                                           const Incident& incident) {
  std::erase_if(changes, [&](const incident::Change& change) {
    return !change.cluster.empty() && !incident.cluster.empty() &&
           change.cluster != incident.cluster;
  });
  return changes;
}

}  // namespace

bool is_due(const Incident& incident, const std::optional<Looked>& looked, Time now) {
  if (!looked || looked->episode != incident.episode_at) return true;
  const bool joined =
      incident.members.size() > looked->alerts || changes_of(incident) > looked->changes;
  if (joined && now - looked->at >= joined_after) return true;
  const auto next = static_cast<std::size_t>(looked->times - 1);
  const Time began = std::max(incident.opened_at, incident.episode_at);
  return next < again_after.size() && now - began >= again_after[next] &&
         now - looked->at >= joined_after;
}

Diagnoser::Diagnoser(Settings settings, const Clock& clock, Dependencies dependencies)
    : settings_(std::move(settings)), clock_(clock), dependencies_(std::move(dependencies)) {
  for (const incident::Topology::Edge& edge : settings_.configured)
    topology_.learn(edge.from, edge.to, edge.source, edge.seen_at);
  dependencies_.topology(topology_);
  for (std::size_t i = 0; i < settings_.threads; ++i)
    threads_.emplace_back([this] { diagnose_on(); });
  if (!settings_.prometheus_url.empty()) threads_.emplace_back([this] { watch_topology(); });
}

Diagnoser::~Diagnoser() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Bounds Diagnoser::bounds() const {
  Bounds made = settings_.bounds;
  made.cancelled = &stopping_;
  return made;
}

bool Diagnoser::rest(Duration time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stopping_.load(); });
}

void Diagnoser::watch_topology() {
  query::Prometheus prometheus(settings_.prometheus_url, settings_.prepare);
  do {
    incident::Topology topology;
    {
      std::lock_guard lock(mutex_);
      topology = topology_;
    }
    const Time now = clock_.now();
    auto unknown = learn_topology(prometheus, settings_.queries, "", now, bounds(), topology);
    topology.forget(now - settings_.topology_age_max);
    dependencies_.topology(topology);
    std::lock_guard lock(mutex_);
    topology_ = std::move(topology);
    topology_unknown_ = std::move(unknown);
  } while (rest(settings_.topology_every));
}

// The incident that is due and was looked at the fewest times: a new one before an older one.
std::optional<Incident> Diagnoser::take() {
  std::vector<Incident> open = dependencies_.open();
  const Time now = clock_.now();
  std::lock_guard lock(mutex_);
  std::set<std::string> ids;
  const Incident* best = nullptr;
  int best_times = 0;
  for (const Incident& incident : open) {
    ids.insert(incident.id);
    if (busy_.contains(incident.id)) continue;
    const auto found = looked_.find(incident.id);
    const std::optional<Looked> looked =
        found == looked_.end() ? std::nullopt : std::optional(found->second);
    const int times = looked && looked->episode == incident.episode_at ? looked->times : 0;
    if (!is_due(incident, looked, now) || (best != nullptr && times >= best_times)) continue;
    best = &incident;
    best_times = times;
  }
  std::erase_if(looked_, [&ids](const auto& entry) { return !ids.contains(entry.first); });
  if (best == nullptr) return std::nullopt;
  busy_.insert(best->id);
  looked_[best->id] = {now, best->episode_at, best->members.size(), changes_of(*best),
                       best_times + 1};
  return *best;
}

void Diagnoser::diagnose_on() {
  query::Prometheus prometheus(settings_.prometheus_url, settings_.prepare);
  net::HttpClient client;
  while (rest(look_every)) {
    while (const auto incident = take()) {
      try {
        diagnose(prometheus, client, *incident);
      } catch (const std::exception& error) {
        // The journal's: the next look writes it again.
        spdlog::error("incident {}: its diagnosis is not kept: {}", incident->id, error.what());
      }
      std::lock_guard lock(mutex_);
      busy_.erase(incident->id);
      if (stopping_) return;
    }
  }
}

void Diagnoser::diagnose(query::Prometheus& prometheus, net::HttpClient& client,
                         const Incident& incident) {
  const Time now = clock_.now();
  incident::Diagnosis diagnosis;
  if (settings_.prometheus_url.empty()) {
    diagnosis.made_at = diagnosis.from = diagnosis.at = diagnosis.to = now;
    diagnosis.reason = "no Prometheus is given (--prometheus.url)";
    diagnosis.sentence = "insufficient evidence: " + diagnosis.reason;
    diagnosis.unknown = {"metrics of any suspect: " + diagnosis.reason};
  } else {
    const Plan plan = plan_of(incident, now, settings_.times);
    const Collection collection =
        gather(prometheus, settings_.queries, incident, plan, bounds(), clock_);
    incident::Topology topology;
    std::vector<std::string> unknown;
    {
      std::lock_guard lock(mutex_);
      topology = topology_;
      unknown = topology_unknown_;
    }
    diagnosis =
        diagnose_live(collection, topology, incident,
                      near_changes(dependencies_.changes(plan.at - changes_before), incident), now);
    diagnosis.unknown.insert(diagnosis.unknown.end(), unknown.begin(), unknown.end());
  }
  dependencies_.give(incident.id, std::move(diagnosis), slices_of(client, incident));
}

std::optional<incident::Slices> Diagnoser::slices_of(net::HttpClient& client,
                                                     const Incident& incident) {
  if (!incident::is_about_accuracy(incident) || incident.model.empty()) return std::nullopt;
  const auto sidecars = dependencies_.sidecars();
  if (!sidecars) {
    incident::Slices none = choose_slices({}, clock_.now());
    none.summary = "not known: " + sidecars.error().message;
    return none;
  }
  SliceBounds bounds = settings_.slices;
  bounds.cancelled = &stopping_;
  return ask_slices(client, *sidecars, incident, bounds, clock_);
}

}  // namespace outrider::suspects
