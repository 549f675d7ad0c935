// SPDX-License-Identifier: Apache-2.0
#pragma once

// "Seen before: …, what helped then": earlier incidents that are like one at hand, and what was
// done about them. PURE; O(cases x their alerts).
//
// Alike is what is about the same model or workload (incident/identity.h) and agrees in its alerts
// or in its cause: the same alerts, the same leading alert, or the same kind of cause at the same
// component, both named. What agrees in more comes first, then the newest. Incidents that were
// merged, are open, or are this one are left out.
//
// Claimed is what is known: that alerts ended so long after an action, not that they ended by it.
// What was done by hand is not known.

#include <string>
#include <vector>

#include "agent/incident/incident.h"

namespace outrider::incident {

// An action of the agent on an earlier incident: what became of it, in the agent's own words.
struct PastAction {
  std::string action, outcome;
  std::optional<Time> sent_at;  // Nothing: it was never sent.
};
struct PastCase {
  Incident incident;
  std::vector<PastAction> actions;
};

// `diagnosis`: of the incident, as it was just made.
Earlier earlier_like(const Incident& incident, const Diagnosis& diagnosis,
                     const std::vector<PastCase>& cases);

}  // namespace outrider::incident
