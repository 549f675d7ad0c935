// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which open incidents a new alert may have to do with, so that grouping.h need not place all of
// them anew. Two of what have no handle in common, not even by way of others, are never placed
// together: a handle is a model, a component or machine by its name, the service graph, the labels
// that a rule of people compares. PURE.
//
//   neighbourhood.add(incident.id, handles_of(told, reach, rules));
//   for (const std::string& id : neighbourhood.around(handles_of(alert, reach, rules))) …
//
// Cost. O(log n) a handle; around() O(what it answers). Memory: the handles.

#include <map>
#include <set>
#include <string>

#include "agent/incident/grouping.h"

namespace outrider::incident {

using Handles = std::set<std::string>;

// Of one signal. Components that the topology knows share one: what lies beneath what is Reach's.
Handles handles_of(const Told& told, const Reach& reach, const GroupingRules& rules);

class Neighbourhood {
 public:
  void add(const std::string& incident, const Handles& handles);
  void remove(const std::string& incident);
  void clear();

  // Whether an alert about the machine itself is among them.
  bool has_machine(const std::string& name) const;
  // Those that share one of these handles, or one with such an incident, and so on.
  std::set<std::string> around(const Handles& handles) const;

 private:
  std::map<std::string, Handles> of_incident_;
  std::map<std::string, std::set<std::string>> by_handle_;
};

}  // namespace outrider::incident
