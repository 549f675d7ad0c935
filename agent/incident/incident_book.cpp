// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/incident_book.h"

#include <algorithm>
#include <array>

#include "agent/incident/evidence.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"

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

int rank(std::string_view severity) {
  if (severity == "critical") return 3;
  if (severity == "warning") return 2;
  return severity == "info" ? 1 : 0;
}

// FNV-1a, 64 bit: short, stable over versions and machines. It names; it does not protect.
std::string short_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (int shift = 44; shift >= 0; shift -= 4) hex += digits[(hash >> shift) & 15];
  return hex;
}

// "20260131T120000Z-0db0a6e8a7c9". It follows from the alert alone, so that an agent that lost its
// journal gives the incident the same name, and its actions the same idempotency keys.
std::string make_id(std::string_view key, Time starts_at) {
  std::string stamp;
  for (const char c : format_rfc3339(starts_at).substr(0, 19)) {
    if (c != '-' && c != ':') stamp += c;
  }
  return stamp + "Z-" + short_hash(key);
}

Member* find_member(Incident& incident, const Labels& labels) {
  for (Member& member : incident.members) {
    if (member.labels == labels) return &member;
  }
  return nullptr;
}

// What a firing notification says about the incident as a whole.
void take_in(Incident& incident, const wire::WebhookAlert& alert, Time now) {
  const std::string_view severity = alert.labels.get("severity");
  if (rank(severity) > rank(incident.severity)) incident.severity = severity;
  if (!alert.annotations.empty()) incident.annotations = alert.annotations;
  for (const Label& label : alert.labels) {
    if (is_routing_label(label.name)) incident.labels.set(label.name, label.value);
  }
  incident.updated_at = now;
}

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

std::string_view name(IncidentBook::What what) {
  using What = IncidentBook::What;
  constexpr std::array<EnumName<What>, 9> words = {{{What::opened, "opened"},
                                                    {What::reopened, "reopened"},
                                                    {What::joined, "joined"},
                                                    {What::repeated, "repeated"},
                                                    {What::member_resolved, "member_resolved"},
                                                    {What::resolved, "resolved"},
                                                    {What::stale, "stale"},
                                                    {What::refused, "refused"},
                                                    {What::unknown, "unknown"}}};
  return enum_name(words, what);
}

IncidentBook::Heard IncidentBook::on_alert(const wire::WebhookAlert& alert, Time now) {
  return alert.firing ? hear_firing(alert, now) : hear_resolved(alert, now);
}

IncidentBook::Heard IncidentBook::hear_firing(const wire::WebhookAlert& alert, Time now) {
  Labels stable = stable_labels(alert.labels);
  std::string key = incident_key(stable);
  Incident* incident = find_current(key);
  if (!incident) return open_new(alert, std::move(stable), std::move(key), now);

  Member* member = find_member(*incident, alert.labels);
  if (member && !member->firing) {
    const bool same_episode = alert.starts_at <= member->starts_at;
    if (same_episode && now - member->heard_at <= limits_.late_window) {
      return {What::stale, incident};
    }
  }
  if (!incident->open && now - incident->resolved_at.value_or(now) > limits_.reopen_window) {
    return open_new(alert, std::move(stable), std::move(key), now);
  }
  if (!incident->open && open_count_ >= limits_.open_max) return {What::refused, nullptr};
  if (!member && incident->members.size() >= limits_.members_max) return {What::refused, nullptr};

  What what = What::repeated;
  ++incident->notifications;
  if (!member) {
    incident->members.push_back({alert.labels, true, alert.starts_at, alert.ends_at, now});
    what = What::joined;
  } else if (!member->firing || alert.starts_at > member->starts_at) {
    what = member->firing ? What::repeated : What::joined;
    *member = {alert.labels, true, alert.starts_at, alert.ends_at, now};
  }
  if (!incident->open) {
    what = What::reopened;
    incident->open = true;
    incident->resolved_at.reset();
    incident->episode_at = alert.starts_at;
    incident->since.reset();
    incident->facts = {};
    incident->diagnosis.reset();
    incident->slices.reset();
    ++incident->episodes;
    ++open_count_;
  }
  take_in(*incident, alert, now);
  explain(*incident);
  return {what, incident};
}

IncidentBook::Heard IncidentBook::open_new(const wire::WebhookAlert& alert, Labels stable,
                                           std::string key, Time now) {
  if (open_count_ >= limits_.open_max) return {What::refused, nullptr};
  Incident incident;
  incident.id = make_id(key, alert.starts_at);
  for (int copy = 2; incidents_.contains(incident.id); ++copy) {
    incident.id = make_id(key, alert.starts_at) + "-" + std::to_string(copy);
  }
  incident.key = key;
  incident.alert = stable.get("alertname");
  Identity identity = identity_of(stable);
  incident.cluster = std::move(identity.cluster);
  incident.name_space = std::move(identity.name_space);
  incident.workload = std::move(identity.workload);
  incident.model = std::move(identity.model);
  incident.version = std::move(identity.version);
  incident.labels = std::move(stable);
  incident.opened_at = now;
  incident.episode_at = alert.starts_at;
  incident.notifications = 1;
  incident.members.push_back({alert.labels, true, alert.starts_at, alert.ends_at, now});
  take_in(incident, alert, now);
  explain(incident);
  latest_[key] = incident.id;
  ++open_count_;
  const auto placed = incidents_.emplace(incident.id, std::move(incident)).first;
  return {What::opened, &placed->second};
}

IncidentBook::Heard IncidentBook::hear_resolved(const wire::WebhookAlert& alert, Time now) {
  Incident* incident = find_current(incident_key(stable_labels(alert.labels)));
  Member* member = incident ? find_member(*incident, alert.labels) : nullptr;
  if (!member) return {What::unknown, nullptr};
  if (!member->firing) return {What::repeated, incident};
  if (alert.starts_at < member->starts_at) return {What::stale, incident};
  member->firing = false;
  member->ends_at = alert.ends_at;
  member->heard_at = now;
  incident->updated_at = now;
  close_if_quiet(*incident, now);
  const bool closed = !incident->open;
  const std::string id = incident->id;
  if (closed) forget_oldest_resolved();
  return {closed ? What::resolved : What::member_resolved, find(id)};
}

void IncidentBook::close_if_quiet(Incident& incident, Time now) {
  const bool quiet = std::none_of(incident.members.begin(), incident.members.end(),
                                  [](const Member& member) { return member.firing; });
  if (!incident.open || !quiet) return;
  incident.open = false;
  incident.resolved_at = now;
  --open_count_;
}

void IncidentBook::forget_oldest_resolved() {
  if (incidents_.size() - open_count_ <= limits_.resolved_max) return;
  auto oldest = incidents_.end();
  for (auto it = incidents_.begin(); it != incidents_.end(); ++it) {
    if (it->second.open) continue;
    if (oldest == incidents_.end() || it->second.resolved_at < oldest->second.resolved_at)
      oldest = it;
  }
  const auto latest = latest_.find(oldest->second.key);
  if (latest != latest_.end() && latest->second == oldest->first) latest_.erase(latest);
  incidents_.erase(oldest);
}

void IncidentBook::restore(Incident incident) {
  if (incidents_.contains(incident.id)) return;
  // What a label means for the identity may have changed since the journal was written.
  incident.key = incident_key(incident.labels);
  if (incident.open) ++open_count_;
  std::string& latest = latest_[incident.key];
  if (latest.empty() || incidents_.at(latest).opened_at < incident.opened_at) latest = incident.id;
  const std::string id = incident.id;
  incidents_.emplace(id, std::move(incident));
}

const Incident* IncidentBook::set_facts(const std::string& id, Facts facts,
                                        const std::vector<Change>& changes) {
  const auto found = incidents_.find(id);
  if (found == incidents_.end()) return nullptr;
  found->second.facts = std::move(facts);
  explain(found->second);  // May learn when the change began, which says what changes are near.
  found->second.changes = related_changes(found->second, changes);
  explain(found->second);
  return &found->second;
}

const Incident* IncidentBook::set_diagnosis(const std::string& id, Diagnosis diagnosis,
                                            std::optional<Slices> slices) {
  const auto found = incidents_.find(id);
  if (found == incidents_.end()) return nullptr;
  found->second.diagnosis = std::move(diagnosis);
  if (slices) found->second.slices = std::move(slices);
  explain(found->second);
  return &found->second;
}

const Incident* IncidentBook::find(const std::string& id) const {
  const auto found = incidents_.find(id);
  return found == incidents_.end() ? nullptr : &found->second;
}

Incident* IncidentBook::find_current(const std::string& key) {
  const auto latest = latest_.find(key);
  return latest == latest_.end() ? nullptr : &incidents_.at(latest->second);
}

std::vector<const Incident*> IncidentBook::open() const {
  std::vector<const Incident*> found;
  for (const auto& [id, incident] : incidents_) {
    if (incident.open) found.push_back(&incident);
  }
  std::stable_sort(found.begin(), found.end(), [](const Incident* a, const Incident* b) {
    return a->opened_at < b->opened_at;
  });
  return found;
}

}  // namespace outrider::incident
