// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/agenda.h"

namespace outrider {

void Agenda::changed(const std::string& incident, Time opened_at, Time now) {
  leave(incident);
  const auto [at, is_new] = changed_.try_emplace(incident, Changed{opened_at, now});
  if (is_new) changed_order_.emplace(opened_at, incident);
}

void Agenda::wait(const std::string& incident, Time opened_at, std::optional<Time> next,
                  const std::set<std::string>& domains) {
  leave(incident);
  if (!next || changed_.contains(incident)) return;
  waiting_[incident] = {*next, opened_at, domains};
  waiting_order_.emplace(*next, opened_at, incident);
  for (const std::string& domain : domains) by_domain_[domain].insert(incident);
}

void Agenda::leave(const std::string& incident) {
  const auto found = waiting_.find(incident);
  if (found == waiting_.end()) return;
  const Waiting& one = found->second;
  waiting_order_.erase({one.due, one.opened_at, incident});
  for (const std::string& domain : one.domains) {
    const auto at = by_domain_.find(domain);
    at->second.erase(incident);
    if (at->second.empty()) by_domain_.erase(at);
  }
  waiting_.erase(found);
}

void Agenda::hurry(const std::string& domain) {
  const auto found = by_domain_.find(domain);
  if (found == by_domain_.end()) return;
  for (const std::string& incident : found->second) {
    Waiting& one = waiting_.at(incident);
    waiting_order_.erase({one.due, one.opened_at, incident});
    one.due = Time{};
    waiting_order_.emplace(one.due, one.opened_at, incident);
  }
}

void Agenda::hurry() {
  waiting_order_.clear();
  for (auto& [incident, one] : waiting_) {
    one.due = Time{};
    waiting_order_.emplace(one.due, one.opened_at, incident);
  }
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
