// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/agenda.h"

namespace outrider {

void Agenda::changed(const std::string& incident, Time opened_at, Time now) {
  leave(incident);
  const auto [at, is_new] = changed_.try_emplace(incident, Changed{opened_at, now});
  if (is_new) changed_order_.emplace(opened_at, incident);
}

void Agenda::wait(const std::string& incident, Time opened_at, std::optional<Time> next,
                  const std::set<std::string>& events) {
  leave(incident);
  if ((!next && events.empty()) || changed_.contains(incident)) return;
  waiting_[incident] = {next, opened_at, events};
  if (next) waiting_order_.emplace(*next, opened_at, incident);
  for (const std::string& event : events) by_event_[event].insert(incident);
}

void Agenda::leave(const std::string& incident) {
  const auto found = waiting_.find(incident);
  if (found == waiting_.end()) return;
  const Waiting& one = found->second;
  if (one.due) waiting_order_.erase({*one.due, one.opened_at, incident});
  for (const std::string& event : one.events) {
    const auto at = by_event_.find(event);
    at->second.erase(incident);
    if (at->second.empty()) by_event_.erase(at);
  }
  waiting_.erase(found);
}

void Agenda::bring_up(const std::string& incident, Waiting& one) {
  if (one.due) waiting_order_.erase({*one.due, one.opened_at, incident});
  one.due = Time{};
  waiting_order_.emplace(*one.due, one.opened_at, incident);
}

void Agenda::hurry(const std::string& event) {
  const auto found = by_event_.find(event);
  if (found == by_event_.end()) return;
  for (const std::string& incident : found->second) bring_up(incident, waiting_.at(incident));
}

void Agenda::hurry() {
  for (auto& [incident, one] : waiting_) bring_up(incident, one);
}

std::size_t Agenda::waiting_for(const std::string& event) const {
  const auto found = by_event_.find(event);
  return found == by_event_.end() ? 0 : found->second.size();
}

void Agenda::ended(const std::string& incident) {
  leave(incident);
  ended_.insert(incident);
}

std::vector<Agenda::Due> Agenda::take(Time now, std::size_t count_max) {
  std::vector<Due> due;
  while (!changed_order_.empty() && due.size() < count_max) {
    const auto first = changed_order_.begin();
    const auto found = changed_.find(first->second);
    due.push_back({found->first, found->second.at});
    changed_order_.erase(first);
    changed_.erase(found);
  }
  for (std::size_t i = 0; i < count_max && !waiting_order_.empty(); ++i) {
    const Place& first = *waiting_order_.begin();
    if (std::get<0>(first) > now) break;
    const std::string incident = std::get<2>(first);
    due.push_back({incident, std::nullopt});
    leave(incident);
  }
  return due;
}

bool Agenda::has_due(Time now) const {
  return !changed_.empty() ||
         (!waiting_order_.empty() && std::get<0>(*waiting_order_.begin()) <= now);
}

}  // namespace outrider
