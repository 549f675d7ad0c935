// SPDX-License-Identifier: Apache-2.0
#include "agent/incident/neighbourhood.h"

#include <vector>

#include "agent/incident/identity.h"

namespace outrider::incident {
namespace {

std::string about_machine(const std::string& name) {
  return "machine " + name;
}

}  // namespace

Handles handles_of(const Told& told, const Reach& reach, const GroupingRules& rules) {
  Handles handles;
  const std::string model = identity_of(told.labels).model;
  if (!model.empty()) handles.insert("model " + model);
  const Spot spot = spot_of(told.labels);
  const auto name = [&](const Component& component) { handles.insert("name " + component.name); };
  for (const Component& machine : spot.machines) name(machine);
  for (const Component& machine : told.machines) name(machine);
  if (spot.workload) name(*spot.workload);
  if (spot.about_machine) {
    for (const Component& machine : spot.machines) handles.insert(about_machine(machine.name));
  }
  const bool has_component = spot.workload || spot.about_machine;
  if (has_component) {
    const Component& itself = spot.workload ? *spot.workload : spot.machines.front();
    if (!reach.topology().numbers_of(itself).empty()) handles.insert("topology");
  }
  for (std::size_t i = 0; i < rules.correlate.size(); ++i) {
    const CorrelationRule& rule = rules.correlate[i];
    if (!rule.matches(told.labels)) continue;
    std::string handle = "rule " + std::to_string(i);
    for (const std::string& label : rule.by) {
      const std::string_view value = told.labels.get(label);
      handle += " " + std::to_string(value.size()) + ":" + std::string(value);
    }
    handles.insert(handle);
  }
  return handles;
}

void Neighbourhood::add(const std::string& incident, const Handles& handles) {
  Handles& own = of_incident_[incident];
  for (const std::string& handle : handles) {
    if (own.insert(handle).second) by_handle_[handle].insert(incident);
  }
}

void Neighbourhood::remove(const std::string& incident) {
  const auto found = of_incident_.find(incident);
  if (found == of_incident_.end()) return;
  for (const std::string& handle : found->second) {
    const auto at = by_handle_.find(handle);
    at->second.erase(incident);
    if (at->second.empty()) by_handle_.erase(at);
  }
  of_incident_.erase(found);
}

void Neighbourhood::clear() {
  of_incident_.clear();
  by_handle_.clear();
}

bool Neighbourhood::has_machine(const std::string& name) const {
  return by_handle_.contains(about_machine(name));
}

std::set<std::string> Neighbourhood::around(const Handles& handles) const {
  std::set<std::string> found;
  Handles seen = handles;
  std::vector<std::string> to_do(handles.begin(), handles.end());
  while (!to_do.empty()) {
    const auto at = by_handle_.find(to_do.back());
    to_do.pop_back();
    if (at == by_handle_.end()) continue;
    for (const std::string& incident : at->second) {
      if (!found.insert(incident).second) continue;
      for (const std::string& handle : of_incident_.at(incident)) {
        if (seen.insert(handle).second) to_do.push_back(handle);
      }
    }
  }
  return found;
}

}  // namespace outrider::incident
