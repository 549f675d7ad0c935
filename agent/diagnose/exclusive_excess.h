// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a named symptom comes from: the excess of its metric that a component's callees do not
// explain. PURE.
//
//   excess of a component = max(0, its value - its normal median) x requests, in the symptom's
//   worst row
//   own                   = max(0, excess - the sum of its callees')
//
// Idea. A complaint names a component and a metric ("PetSite: latency_mean_ms"). Time lost and
//   failures add up along calls, weighted by requests; the component that keeps most of them for
//   itself is where they arise. No constants.
// p. How often calm windows have a row of the symptom that is as bad.
// Example. PetShop: .96 of 52 faults first, where the largest z has .15
//   (docs/measurements/diagnose.md).
// Fails. Without the metric at the components in between nothing is taken off their callers.
// Cost. O(components x rows + calls).

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "agent/diagnose/component_scores.h"
#include "agent/diagnose/timeline.h"

namespace outrider::diagnose {

struct SymptomExcess {
  std::vector<double> share;  // A component, of all that is kept; they sum to 1.
  double p = 1;
  double time = 0;               // Of the worst row, Unix seconds.
  double value = 0, normal = 0;  // Of the symptom's metric there.
};

// Nothing where the component has no such metric in the search window, or no excess is found
// anywhere.
std::optional<SymptomExcess> exclusive_excess(const Timeline& timeline, const CallGraph& graph,
                                              std::size_t component, const std::string& metric);

}  // namespace outrider::diagnose
