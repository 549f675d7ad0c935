// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/incident_book.h"

#include <algorithm>
#include <array>
#include <set>

#include "agent/incident/evidence.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"

namespace outrider::incident {
namespace {

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

Signal* find_signal(Incident& incident, const std::string& key) {
  for (Signal& signal : incident.grouped) {
    if (signal.key == key) return &signal;
  }
  return nullptr;
}

// What a firing notification says about the incident as a whole, or about one of its further
// signals.
void take_in(Incident& incident, const wire::WebhookAlert& alert, const std::string& key,
             Time now) {
  const std::string_view severity = alert.labels.get("severity");
  if (severity_rank(severity) > severity_rank(incident.severity)) incident.severity = severity;
  incident.updated_at = now;
  Signal* signal = key == incident.key ? nullptr : find_signal(incident, key);
  if (signal != nullptr && severity_rank(severity) > severity_rank(signal->severity))
    signal->severity = severity;
  if (!alert.annotations.empty())
    (signal != nullptr ? signal->annotations : incident.annotations) = alert.annotations;
  Labels& labels = signal != nullptr ? signal->labels : incident.labels;
  for (const Label& label : alert.labels) {
    if (is_routing_label(label.name)) labels.set(label.name, label.value);
  }
}

// An episode that has been resolved, told again by whoever heard of it late.
bool is_stale(Incident& incident, const wire::WebhookAlert& alert, Time now, Duration late) {
  const Member* member = find_member(incident, alert.labels);
  return member != nullptr && !member->firing && alert.starts_at <= member->starts_at &&
         now - member->heard_at <= late;
}

bool leads_its_own(const wire::WebhookAlert& alert) {
  return !alert.annotations.get("accuracy_before").empty();
}

bool is_near(Time a, Time b, Duration within) {
  return std::chrono::abs(a - b) <= within;
}

}  // namespace

std::string_view name(IncidentBook::What what) {
  using What = IncidentBook::What;
  constexpr std::array<EnumName<What>, IncidentBook::what_count> words = {
      {{What::opened, "opened"},
       {What::reopened, "reopened"},
       {What::joined, "joined"},
       {What::repeated, "repeated"},
       {What::member_resolved, "member_resolved"},
       {What::resolved, "resolved"},
       {What::stale, "stale"},
       {What::refused, "refused"},
       {What::unknown, "unknown"},
       {What::grouped, "grouped"},
       {What::own, "own"}}};
  return enum_name(words, what);
}

IncidentBook::Heard IncidentBook::on_alert(const wire::WebhookAlert& alert, Time now) {
  if (alert.labels.get("alertname") == own_alert) return {What::own, nullptr};
  return alert.firing ? hear_firing(alert, now) : hear_resolved(alert, now);
}

// Those by which incidents at hand may know an alert, the nearest first.
std::vector<std::string> IncidentBook::known_keys(const Labels& labels) const {
  std::vector<std::string> keys;
  std::string part = part_key(labels);
  if (!part.empty() && latest_.contains(part)) keys.push_back(std::move(part));
  keys.push_back(incident_key(stable_labels(labels)));
  return keys;
}

IncidentBook::Heard IncidentBook::hear_firing(const wire::WebhookAlert& alert, Time now) {
  Incident* incident = nullptr;
  std::string key;
  for (std::string& known : known_keys(alert.labels)) {
    Incident* one = find_current(known);
    if (one != nullptr && is_stale(*one, alert, now, limits_.late_window))
      return {What::stale, one};
    if (one == nullptr || (incident != nullptr && (incident->open || !one->open))) continue;
    incident = one;
    key = std::move(known);
  }
  const bool too_late =
      incident != nullptr && now - incident->resolved_at.value_or(now) > limits_.reopen_window;
  const bool is_over = incident != nullptr && !incident->open;
  if (incident == nullptr || (is_over && (too_late || incident->key != key))) {
    Labels stable = stable_labels(alert.labels);
    key = incident_key(stable);
    return group_or_open(alert, std::move(stable), std::move(key), now);
  }
  if (is_over && open_count_ >= limits_.open_max) return {What::refused, nullptr};
  return take_member(*incident, alert, key, now);
}

IncidentBook::Heard IncidentBook::take_member(Incident& incident, const wire::WebhookAlert& alert,
                                              const std::string& key, Time now) {
  Member* member = find_member(incident, alert.labels);
  if (!member && incident.members.size() >= limits_.members_max) return {What::refused, nullptr};
  What what = What::repeated;
  ++incident.notifications;
  if (!member) {
    incident.members.push_back({alert.labels, true, alert.starts_at, alert.ends_at, now});
    what = What::joined;
  } else if (!member->firing || alert.starts_at > member->starts_at) {
    what = member->firing ? What::repeated : What::joined;
    *member = {alert.labels, true, alert.starts_at, alert.ends_at, now};
  }
  if (!incident.open) {
    what = What::reopened;
    incident.open = true;
    incident.resolved_at.reset();
    incident.episode_at = alert.starts_at;
    incident.since.reset();
    incident.facts = {};
    incident.diagnosis.reset();
    incident.slices.reset();
    ++incident.episodes;
    ++open_count_;
    note_all(incident);
  }
  const bool is_new_part = note(incident, key, alert.labels, alert.starts_at);
  take_in(incident, alert, key, now);
  explain(incident);
  Heard heard{what, &incident};
  if (what != What::joined || !is_new_part || !may_part(incident, key)) return heard;
  // The machines that its pods run on may tell the signal's parts from each other, or no longer.
  std::vector<Seat> seats;
  const std::vector<Told> told = seated(told_of(alert.labels, alert.starts_at), seats, now);
  heard.changed = rearrange(seats, place(told, reach_, rules_), now);
  heard.incident = incident_of(alert.labels);
  return heard;
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
  take_in(incident, alert, key, now);
  explain(incident);
  latest_[key] = incident.id;
  ++open_count_;
  note(incident, key, alert.labels, alert.starts_at);
  by_model_[incident.model].insert(incident.id);
  const auto placed = incidents_.emplace(incident.id, std::move(incident)).first;
  return {What::opened, &placed->second};
}

void IncidentBook::set_rules(GroupingRules rules) {
  rules_ = std::move(rules);
  find_neighbours();
}

void IncidentBook::set_topology(Topology topology) {
  reach_.set(std::move(topology), rules_.hops_max);
  find_neighbours();
}

void IncidentBook::find_neighbours() {
  neighbourhood_.clear();
  for (const auto& [id, signals] : told_) {
    for (const auto& [key, told] : signals)
      neighbourhood_.add(id, handles_of(told, reach_, rules_));
  }
}

// True for the first alert of a signal, or of a part of it.
bool IncidentBook::note(const Incident& incident, const std::string& key, const Labels& labels,
                        Time starts_at) {
  if (is_about_accuracy(incident)) return false;
  Told told = told_of(labels, starts_at);
  const auto [at, is_new] = told_[incident.id].try_emplace({key, part_of(labels)}, told);
  Told& known = at->second;
  const std::size_t machines = known.machines.size();
  known.machines.merge(told.machines);
  if (is_new || known.machines.size() > machines)
    neighbourhood_.add(incident.id, handles_of(known, reach_, rules_));
  return is_new;
}

void IncidentBook::unnote(const std::string& id) {
  told_.erase(id);
  neighbourhood_.remove(id);
}

void IncidentBook::note_all(const Incident& incident) {
  for (const Member& member : incident.members)
    note(incident, key_in(incident, member.labels), member.labels, member.starts_at);
}

// A young incident about the accuracy of what the alert is about.
Incident* IncidentBook::accuracy_home(const wire::WebhookAlert& alert) {
  const Identity who = identity_of(alert.labels);
  if (who.model.empty()) return nullptr;
  std::set<std::string> ids;
  for (const std::string& model : {who.model, std::string()}) {
    const auto found = by_model_.find(model);
    if (found != by_model_.end()) ids.insert(found->second.begin(), found->second.end());
  }
  for (const std::string& id : ids) {
    Incident& incident = incidents_.at(id);
    if (incident.open && is_about_accuracy(incident) && may_be_same(who, incident.identity()) &&
        is_near(alert.starts_at, incident.episode_at, rules_.within)) {
      return &incident;
    }
  }
  return nullptr;
}

IncidentBook::Heard IncidentBook::join(Incident& home, const wire::WebhookAlert& alert,
                                       Labels stable, const std::string& key,
                                       const std::string& why, Time now) {
  if (home.members.size() >= limits_.members_max) return {What::refused, nullptr};
  home.grouped.push_back({key, std::string(stable.get("alertname")), "", std::move(stable),
                          alert.annotations, alert.starts_at, why});
  home.members.push_back({alert.labels, true, alert.starts_at, alert.ends_at, now});
  ++home.notifications;
  latest_[key] = home.id;
  note(home, key, alert.labels, alert.starts_at);
  take_in(home, alert, key, now);
  return {What::grouped, &home};
}

IncidentBook::Heard IncidentBook::group_or_open(const wire::WebhookAlert& alert, Labels stable,
                                                std::string key, Time now) {
  const bool alone = rules_.within == Duration{} && rules_.correlate.empty();
  if (alone || leads_its_own(alert)) return open_new(alert, std::move(stable), std::move(key), now);
  if (Incident* home = accuracy_home(alert)) {
    Heard heard = join(*home, alert, std::move(stable), key, "it is about that model too", now);
    explain(*home);
    return heard;
  }
  const Spot spot = spot_of(alert.labels);
  const Told heard_now = told_of(alert.labels, alert.starts_at);
  std::vector<Seat> seats;
  std::vector<Told> told = seated(heard_now, seats, now);
  told.push_back(heard_now);
  const std::vector<Placement> placed = place(told, reach_, rules_);

  // The oldest incident with whose lead it stands; else those of the others that it stands with
  // are taken out for a new one.
  const Placement& own = placed.back();
  Incident* home = nullptr;
  std::size_t members = 0;
  for (std::size_t i = 0; i < seats.size(); ++i) {
    if (placed[i].group != own.group || !seats[i].leads) continue;
    Incident& incident = incidents_.at(seats[i].incident);
    members += incident.members.size();
    if (home == nullptr ||
        std::pair(incident.opened_at, incident.id) < std::pair(home->opened_at, home->id))
      home = &incident;
  }
  if (home != nullptr && members >= limits_.members_max) return {What::refused, nullptr};
  // A cause that comes last depends on nobody: its reason is that of whoever depends on it.
  std::string why = own.why;
  const std::string its_name = spot.workload        ? text_of(*spot.workload)
                               : spot.about_machine ? text_of(spot.machines.front())
                                                    : std::string();
  for (std::size_t i = 0; i < seats.size() && why.empty(); ++i) {
    if (placed[i].group == own.group && placed[i].why.ends_with(" " + its_name))
      why = placed[i].why;
  }
  if (why.empty()) why = "others of it depend on " + its_name;
  const std::string new_key = key;
  Heard heard = home != nullptr ? join(*home, alert, std::move(stable), key, why, now)
                                : open_new(alert, std::move(stable), std::move(key), now);
  if (heard.incident == nullptr) return heard;
  seats.push_back(
      {heard.incident->id, home != nullptr ? home->grouped.size() : 0, "", home == nullptr});
  heard.changed = rearrange(seats, placed, now);
  const auto found = incidents_.find(latest_.at(new_key));
  explain(found->second);
  heard.incident = &found->second;
  return heard;
}

IncidentBook::Heard IncidentBook::hear_resolved(const wire::WebhookAlert& alert, Time now) {
  Incident* incident = incident_of(alert.labels);
  if (!incident) return {What::unknown, nullptr};
  Member* member = find_member(*incident, alert.labels);
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
  unnote(incident.id);
  restored_.erase(incident.id);
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
  const auto forget = [&](const std::string& key) {
    const auto latest = latest_.find(key);
    if (latest != latest_.end() && latest->second == oldest->first) latest_.erase(latest);
  };
  forget(oldest->second.key);
  for (const Signal& signal : oldest->second.grouped) forget(signal.key);
  const auto its_model = by_model_.find(oldest->second.model);
  its_model->second.erase(oldest->first);
  if (its_model->second.empty()) by_model_.erase(its_model);
  incidents_.erase(oldest);
}

void IncidentBook::restore(Incident incident) {
  if (incidents_.contains(incident.id)) return;
  // What a label means for the identity may have changed since the journal was written.
  incident.key = incident_key(incident.labels);
  std::vector<std::string> keys = {incident.key};
  for (Signal& signal : incident.grouped) {
    signal.key = incident_key(signal.labels);
    keys.push_back(signal.key);
  }
  // An older agent knew fewer kinds of incidents apart: its alerts still end where they are.
  if (incident.open) {
    for (const Member& member : incident.members) keys.push_back(key_in(incident, member.labels));
  }
  if (incident.open) {
    ++open_count_;
  }
  for (const std::string& key : keys) {
    if (!incident.merged_into.empty()) break;  // Whom it was merged into hears of them.
    std::string& latest = latest_[key];
    if (latest == incident.id) continue;
    if (latest.empty() || incidents_.at(latest).opened_at < incident.opened_at)
      latest = incident.id;
  }
  const std::string id = incident.id;
  by_model_[incident.model].insert(id);
  const Incident& placed = incidents_.emplace(id, std::move(incident)).first->second;
  if (!placed.open) return;
  note_all(placed);
  restored_.insert(id);
}

bool IncidentBook::set_facts(const std::string& id, Facts facts,
                             const std::vector<Change>& changes) {
  const auto found = incidents_.find(id);
  if (found == incidents_.end()) return false;
  Incident& incident = found->second;
  Facts before = std::exchange(incident.facts, std::move(facts));
  const bool is_first = !before.asked_at;
  before.asked_at = incident.facts.asked_at;
  const bool tells_more = is_first || before != incident.facts;
  // May learn when the change began, which says what changes are near.
  if (tells_more) explain(incident);
  std::vector<Change> near = related_changes(incident, changes);
  if (!tells_more && near == incident.changes) return false;
  incident.changes = std::move(near);
  explain(incident);
  return true;
}

std::vector<const Incident*> IncidentBook::on_change(const Change& change) {
  std::vector<const Incident*> told;
  for (auto& [id, incident] : incidents_) {
    // One that was not asked about yet is told with its first facts.
    if (!incident.open || !incident.facts.asked_at || !is_near(incident, change)) continue;
    std::vector<Change> changes = incident.changes;
    changes.push_back(change);
    changes = related_changes(incident, changes);
    if (changes == incident.changes) continue;
    incident.changes = std::move(changes);
    explain(incident);
    told.push_back(&incident);
  }
  return told;
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

// The one that has this very alert; an open one before one that has ended.
Incident* IncidentBook::incident_of(const Labels& labels) {
  Incident* ended = nullptr;
  for (const std::string& key : known_keys(labels)) {
    Incident* incident = find_current(key);
    if (incident == nullptr || find_member(*incident, labels) == nullptr) continue;
    if (incident->open) return incident;
    if (ended == nullptr) ended = incident;
  }
  return ended;
}

Incident* IncidentBook::find_current(const std::string& key) {
  const auto latest = latest_.find(key);
  return latest == latest_.end() ? nullptr : &incidents_.at(latest->second);
}

void IncidentBook::each_open(const std::function<void(const Incident&)>& visit) const {
  for (const auto& [id, incident] : incidents_) {
    if (incident.open) visit(incident);
  }
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
