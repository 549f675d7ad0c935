// SPDX-License-Identifier: Apache-2.0

// How the incidents of a book are arranged anew with each alert that may say more about them.

#include <algorithm>
#include <optional>
#include <ranges>

#include "agent/incident/evidence.h"
#include "agent/incident/incident_book.h"

namespace outrider::incident {
namespace {

// A signal's parts among those of its incident.
template <class Signals>
auto parts_of(Signals& signals, const std::string& key) {
  return std::ranges::subrange(signals.lower_bound({key, ""}),
                               signals.lower_bound({key + '\0', ""}));
}

}  // namespace

// Whether a machine alerts on which pods of a signal run.
bool IncidentBook::may_part(const Incident& incident, const std::string& key) const {
  return std::ranges::any_of(parts_of(told_.at(incident.id), key), [this](const auto& part) {
    return neighbourhood_.has_machine(part.first.second);
  });
}

std::vector<Told> IncidentBook::seated(const Told& alert, std::vector<Seat>& seats,
                                       Time now) const {
  std::vector<Told> out;
  int number = 0;
  const auto may_alert = [&](const std::string& machine) {
    return neighbourhood_.has_machine(machine) ||
           std::any_of(alert.machines.begin(), alert.machines.end(),
                       [&](const Component& one) { return one.name == machine; });
  };
  for (const std::string& id : neighbourhood_.around(handles_of(alert, reach_, rules_))) {
    const auto& signals = told_.at(id);
    const Incident& incident = incidents_.at(id);
    const std::size_t first = out.size();
    for (std::size_t i = 0; i <= incident.grouped.size(); ++i) {
      const std::string& key = i == 0 ? incident.key : incident.grouped[i - 1].key;
      std::optional<std::size_t> rest;  // Pods on machines that do not alert: they are one.
      for (const auto& [where, told] : parts_of(signals, key)) {
        const std::string& machine = where.second;
        const bool is_apart = may_alert(machine);
        if (!is_apart && rest) {
          out[*rest].machines.insert(told.machines.begin(), told.machines.end());
          continue;
        }
        if (!is_apart) rest = out.size();
        seats.push_back({id, i, is_apart ? machine : "", i == 0 && out.size() == first});
        out.push_back(told);
      }
    }
    ++number;
    if (!restored_.contains(id) && now - incident.opened_at <= rules_.within) continue;
    for (std::size_t i = first; i < out.size(); ++i) out[i].settled = number;
  }
  return out;
}

// A signal's alerts of one machine become a signal of their own; its key.
std::string IncidentBook::part_off(Incident& incident, const std::string& key,
                                   const std::string& machine) {
  Signal part;
  if (key == incident.key) {
    part = lead_of(incident);
  } else {
    part = *std::ranges::find(incident.grouped, key, &Signal::key);
  }
  part.labels.set("node", machine);
  part.key = incident_key(part.labels);
  auto node = told_.at(incident.id).extract({key, machine});
  part.starts_at = node.mapped().starts_at;
  node.key() = {part.key, machine};
  told_.at(incident.id).insert(std::move(node));
  latest_[part.key] = incident.id;
  incident.grouped.push_back(part);
  return part.key;
}

void IncidentBook::move_signal(Incident& from, const std::string& key, Incident& to,
                               const std::string& why) {
  // Before the signal goes: it says whose its members are.
  const auto stay =
      std::stable_partition(from.members.begin(), from.members.end(),
                            [&](const Member& one) { return key_in(from, one.labels) != key; });
  to.members.insert(to.members.end(), stay, from.members.end());
  from.members.erase(stay, from.members.end());
  if (key == from.key) {
    to.grouped.push_back(lead_of(from));
  } else {
    const auto at = std::ranges::find(from.grouped, key, &Signal::key);
    to.grouped.push_back(*at);
    from.grouped.erase(at);
  }
  to.grouped.back().why = why;
  if (severity_rank(to.grouped.back().severity) > severity_rank(to.severity))
    to.severity = to.grouped.back().severity;
  latest_[key] = to.id;
  auto& told = told_[from.id];
  const auto parts = parts_of(told, key);
  for (const auto& [where, one] : parts) {
    neighbourhood_.add(to.id, handles_of(one, reach_, rules_));
    told_[to.id].insert_or_assign(where, one);
  }
  told.erase(parts.begin(), parts.end());
}

// A new incident that one of the signals leads.
Incident& IncidentBook::split_off(Incident& from, const std::string& key, Time now) {
  const auto at = std::ranges::find(from.grouped, key, &Signal::key);
  const Signal signal = *at;
  wire::WebhookAlert alert;
  alert.firing = true;
  alert.labels = signal.labels;
  alert.annotations = signal.annotations;
  alert.starts_at = signal.starts_at;
  Labels stable = signal.labels;
  const std::string id = open_new(alert, std::move(stable), key, now).incident->id;
  Incident& made = incidents_.at(id);
  made.severity = signal.severity;
  made.members.clear();
  told_[id].clear();
  move_signal(from, key, made, "");
  made.grouped.clear();  // It leads.
  return made;
}

// After its signals moved: one that has none left has been merged.
void IncidentBook::settle(Incident& incident, Time now) {
  incident.updated_at = now;
  // What could not move goes on, under the name that it had.
  if (!incident.members.empty() || !incident.grouped.empty()) incident.merged_into.clear();
  if (!incident.merged_into.empty() && incident.open) {
    incident.open = false;
    incident.resolved_at = now;
    unnote(incident.id);
    --open_count_;
  }
  explain(incident);
}

// Whose each group is: the oldest incident whose lead is in it. Where a lead's first part goes
// elsewhere, the incident stays with another of its parts that nobody else takes in.
std::map<std::size_t, std::string> IncidentBook::homes_of(
    const std::vector<Seat>& seats, const std::vector<Placement>& placed) const {
  std::map<std::size_t, std::string> homes;
  const auto is_older = [this](const std::string& a, const std::string& b) {
    return std::pair(incidents_.at(a).opened_at, a) < std::pair(incidents_.at(b).opened_at, b);
  };
  for (std::size_t i = 0; i < seats.size(); ++i) {
    if (!seats[i].leads) continue;
    std::string& home = homes[placed[i].group];
    if (home.empty() || is_older(seats[i].incident, home)) home = seats[i].incident;
  }
  std::set<std::string> taken;
  for (const auto& [group, home] : homes) taken.insert(home);
  for (std::size_t i = 0; i < seats.size(); ++i) {
    if (seats[i].signal != 0 || homes.contains(placed[i].group)) continue;
    if (taken.insert(seats[i].incident).second) homes[placed[i].group] = seats[i].incident;
  }
  return homes;
}

std::vector<IncidentBook::Move> IncidentBook::moves_of(
    const std::vector<Seat>& seats, const std::vector<Placement>& placed,
    const std::map<std::size_t, std::string>& homes) const {
  std::map<std::pair<std::string, std::size_t>, std::set<std::size_t>> groups;
  for (std::size_t i = 0; i < seats.size(); ++i)
    groups[{seats[i].incident, seats[i].signal}].insert(placed[i].group);
  std::vector<Move> moves;
  std::set<std::pair<std::string, std::size_t>> whole;  // Signals of which all parts go together.
  for (std::size_t i = 0; i < seats.size(); ++i) {
    const auto home = homes.find(placed[i].group);
    if (home != homes.end() && home->second == seats[i].incident) continue;
    const std::pair signal(seats[i].incident, seats[i].signal);
    const bool is_whole = groups.at(signal).size() == 1;
    if (is_whole && !whole.insert(signal).second) continue;
    const Incident& from = incidents_.at(seats[i].incident);
    const std::string& key =
        seats[i].signal == 0 ? from.key : from.grouped[seats[i].signal - 1].key;
    moves.push_back(
        {from.id, key, is_whole ? "" : seats[i].machine, placed[i].group, placed[i].why});
  }
  return moves;
}

std::vector<std::string> IncidentBook::rearrange(const std::vector<Seat>& seats,
                                                 const std::vector<Placement>& placed, Time now) {
  std::map<std::size_t, std::string> homes = homes_of(seats, placed);
  std::set<std::string> changed;
  for (Move& move : moves_of(seats, placed, homes)) {
    Incident& from = incidents_.at(move.from);
    changed.insert(from.id);
    const auto home = homes.find(move.group);
    if (home == homes.end() && open_count_ >= limits_.open_max) continue;
    const auto parts = std::ranges::distance(parts_of(told_.at(from.id), move.key));
    if (!move.machine.empty() && parts > 1) move.key = part_off(from, move.key, move.machine);
    if (home == homes.end()) {
      homes[move.group] = split_off(from, move.key, now).id;
      changed.insert(homes[move.group]);
      continue;
    }
    Incident& to = incidents_.at(home->second);
    const auto members = static_cast<std::size_t>(
        std::count_if(from.members.begin(), from.members.end(),
                      [&](const Member& one) { return key_in(from, one.labels) == move.key; }));
    if (to.members.size() + members > limits_.members_max) continue;  // It stays where it is.
    move_signal(from, move.key, to, move.why);
    changed.insert(to.id);
    if (move.key == from.key) from.merged_into = to.id;
  }
  for (const std::string& id : changed) settle(incidents_.at(id), now);
  return {changed.begin(), changed.end()};
}

}  // namespace outrider::incident
