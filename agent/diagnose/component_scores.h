// SPDX-License-Identifier: Apache-2.0
#pragma once

// One score a component from the excesses of its channels, over the call graph. PURE.
//
//   latency = max(self, inclusive latency - the largest latency or wire of its callees)
//   errors  = max(errors, more log lines) - the largest of its callees'
//   path    = max(calls and spans a request - the largest latency, wire or errors of its callees,
//                 silent log sites - the largest of its callers')
//   model   = the largest of drift, quality, wrong and upstream
//   score   = latency + errors + wire + cpu + memory + path + model + gpu + restarts
//
// Idea. A group counts with its largest channel: a source with five latency columns does not vote
//   five times. A caller is slow and fails because its callees are; what those do not explain is
//   its own. The wire is the callee's: a network delay is what the callers wait beyond the callee's
//   own latency. A request that ends early asks fewer callees, be it by the component's own fault
//   or because one of them is slow or fails.
// Failures without a source. Where none of a component's callees reports errors at all, they could
//   be any of theirs: the component and those callees share its errors equally.
// Cost. O(components + calls).

#include <array>
#include <cstddef>
#include <vector>

#include "agent/diagnose/channels.h"

namespace outrider::diagnose {

// Calls between components, by index; of calls to oneself nothing is known.
struct CallGraph {
  std::vector<std::vector<std::size_t>> callees, callers;  // A component, those it calls.
};

// The largest excess of each group of one component.
struct GroupExcess {
  std::array<double, group_count> of = {};
  double more_lines = 0, fewer_lines = 0;

  double& operator[](Group group) { return of[static_cast<std::size_t>(group)]; }
  double operator[](Group group) const { return of[static_cast<std::size_t>(group)]; }
};

struct ComponentScore {
  double latency = 0, errors = 0, wire = 0, cpu = 0, memory = 0, path = 0;
  double model = 0, gpu = 0, restarts = 0;
  double sum() const {
    return latency + errors + wire + cpu + memory + path + model + gpu + restarts;
  }
};

// `reports_errors`: whether the component has a channel of errors.
std::vector<ComponentScore> component_scores(std::vector<GroupExcess> groups,
                                             const CallGraph& graph,
                                             const std::vector<bool>& reports_errors);

}  // namespace outrider::diagnose
