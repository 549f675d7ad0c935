// SPDX-License-Identifier: Apache-2.0
#pragma once

// One incident's cause, from what was collected about its suspects. PURE.
//
// Who is a suspect. Where calls of the incident's components are known: those, all that they depend
//   on, the machines and GPUs they run on, and the models they serve. Where none are known: all
//   components of their namespace, or all there are. `scope` says which.
// What is blamed. As agent/diagnose has it: a change is prior odds, never evidence by itself.

#include <vector>

#include "agent/diagnose/diagnosis.h"
#include "agent/incident/diagnosis.h"
#include "agent/incident/incident.h"
#include "agent/incident/topology.h"
#include "agent/suspects/collection.h"

namespace outrider::suspects {

incident::Diagnosis diagnose_live(const Collection& collection, const incident::Topology& topology,
                                  const incident::Incident& incident,
                                  const std::vector<incident::Change>& changes, Time now);

}  // namespace outrider::suspects
