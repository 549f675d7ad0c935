// SPDX-License-Identifier: Apache-2.0
#include "agent/suspects/diagnoser.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "agent/incident/evidence.h"
#include "agent/suspects/live_diagnosis.h"
#include "base/core/text.h"

namespace outrider::suspects {
namespace {

using namespace std::chrono_literals;
using incident::Incident;

constexpr Duration look_every = 500ms;
constexpr Duration joined_after = 15s;
constexpr Duration facts_within = 5s;
constexpr std::array<Duration, 5> again_after = {30s, 2min, 5min, 10min, 20min};
constexpr std::size_t due_at_once = 8;
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
  if (!looked || looked->episode != incident.episode_at) {
    // Slices are asked since when the change began, which the facts tell.
    const bool waits = incident::is_about_accuracy(incident) && !incident.facts.asked_at;
    return !waits || now - incident.opened_at >= facts_within;
  }
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
    if (dependencies_.owners) {
      for (const incident::Topology::Edge& edge : dependencies_.owners())
        topology.learn(edge.from, edge.to, edge.source, edge.seen_at);
    }
    topology.forget(now - settings_.topology_age_max);
    dependencies_.topology(topology);
    std::lock_guard lock(mutex_);
    topology_ = std::move(topology);
    topology_unknown_ = std::move(unknown);
  } while (rest(settings_.topology_every));
}

// Those that are due and were looked at the fewest times: new ones before older ones. A few at
// once, as finding them goes through all that are open; few, as a new one has to wait for them.
void Diagnoser::find_due() {
  const Time now = clock_.now();
  std::vector<std::tuple<int, Time, std::string>> found;
  std::map<std::string, Looked> kept;  // Of those that are open still.
  dependencies_.each_open([&](const Incident& incident) {
    std::optional<Looked> looked;
    if (auto node = looked_.extract(incident.id)) {
      looked = node.mapped();
      kept.insert(std::move(node));
    }
    if (busy_.contains(incident.id) || !is_due(incident, looked, now)) return;
    const int times = looked && looked->episode == incident.episode_at ? looked->times : 0;
    found.emplace_back(times, incident.opened_at, incident.id);
  });
  looked_ = std::move(kept);
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), due_at_once));
  std::partial_sort(found.begin(), end, found.end());
  for (auto it = found.begin(); it != end; ++it) due_.push_back(std::get<2>(*it));
}

std::optional<std::string> Diagnoser::next_due() {
  std::lock_guard lock(mutex_);
  if (due_.empty()) find_due();
  if (due_.empty()) return std::nullopt;
  std::string id = std::move(due_.front());
  due_.pop_front();
  busy_.insert(id);
  return id;
}

std::optional<Incident> Diagnoser::take() {
  while (const auto id = next_due()) {
    auto incident = dependencies_.incident(*id);
    const Time now = clock_.now();
    std::lock_guard lock(mutex_);
    const auto found = looked_.find(*id);
    const std::optional<Looked> looked =
        found == looked_.end() ? std::nullopt : std::optional(found->second);
    // It may have ended or changed since it was found.
    if (incident && incident->open && is_due(*incident, looked, now)) {
      const int times = looked && looked->episode == incident->episode_at ? looked->times : 0;
      looked_[*id] = {now, incident->episode_at, incident->members.size(), changes_of(*incident),
                      times + 1};
      return incident;
    }
    busy_.erase(*id);
  }
  return std::nullopt;
}

void Diagnoser::diagnose_on() {
  query::Prometheus prometheus(settings_.prometheus_url, settings_.prepare);
  query::Prometheus loki(loki_api(settings_.loki_url), settings_.loki_prepare);
  const Sources sources = {prometheus, settings_.loki_url.empty() ? nullptr : &loki};
  while (rest(look_every)) {
    while (const auto incident = take()) {
      try {
        diagnose(sources, *incident);
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

void Diagnoser::diagnose(const Sources& sources, const Incident& incident) {
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
        gather(sources, settings_.queries, incident, plan, bounds(), clock_);
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
  if (dependencies_.earlier) diagnosis.earlier = dependencies_.earlier(incident, diagnosis);
  dependencies_.give(incident.id, std::move(diagnosis), slices_of(sources.prometheus, incident));
}

std::optional<incident::Slices> Diagnoser::slices_of(query::Prometheus& prometheus,
                                                     const Incident& incident) {
  if (!incident::is_about_accuracy(incident) || incident.model.empty()) return std::nullopt;
  const auto configured = dependencies_.sidecars();
  std::vector<std::string> instances;
  if (!settings_.prometheus_url.empty())
    instances = model_instances(prometheus, incident, settings_.bounds.timeout);
  const SliceSidecars sidecars =
      choose_sidecars(configured.value_or(std::vector<std::string>()), instances);
  if (sidecars.urls.empty() && !configured) {
    incident::Slices none;
    none.asked_at = clock_.now();
    none.summary = "not known: " + configured.error().message;
    return none;
  }
  SliceBounds bounds = settings_.slices;
  bounds.cancelled = &stopping_;
  return ask_slices(sidecars, incident, bounds, clock_);
}

}  // namespace outrider::suspects
