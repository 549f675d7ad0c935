// SPDX-License-Identifier: Apache-2.0
#pragma once

// How far every channel of every component is from its normal, beyond what calm times reach. PURE.
//
// Idea. The effect of a row is a ratio in natural logarithms: ln((value + f) / (normal + f)), so
//   that milliseconds, percent and MiB have one unit. The floor f keeps small things small, where a
//   baseline is constant above all: the largest of the lower quartile of the components' normal
//   values of this channel ("what is small in this system"), the component's own median absolute
//   deviation, and for errors 2 % and one request. A channel's level is the highest that two
//   neighbouring rows hold: one slow request of three is no level. Its excess is the level less
//   what calm windows of the same length reach in 99 of 100, never negative. So significance is the
//   gate, and the size of the effect the score.
// Normal. The median of the baseline; of memory the median of the rows just before the window,
//   since it changes for good when a pod restarts.
// Few windows. Below 30 calm windows a component's own quantile says little: that of all
//   components' rows stands in.
// Cost. O(channels x (rows + windows x rows of a window)).
// Source. Calibration on calm windows and the floors: docs/measurements/diagnose.md.

#include <cstddef>
#include <string>
#include <vector>

#include "agent/diagnose/channels.h"
#include "agent/diagnose/component_scores.h"
#include "agent/diagnose/rows.h"
#include "agent/diagnose/timeline.h"

namespace outrider::diagnose {

constexpr double calm_quantile = 0.99;
constexpr double small_errors =
    0.02;                            // Of requests; of values and predictions that are wrong, too.
constexpr double small_drift = 0.5;  // Half of the threshold from which on an input has moved.

// One channel of one component.
struct ChannelExcess {
  std::string channel;
  Group group = Group::cpu;
  double excess = 0;  // ln of a ratio, 0 or more.
  double level = 0;   // The same before calm times are taken off.
  double calm = 0;    // What those reach.
  std::size_t slot =
      Grid::none;  // Of the search window's grid: where the level begins; none without a value.
  std::size_t since = Grid::none;  // Where it first says half of its excess.
  double value = 0;                // There, in the channel's unit.
  double normal = 0;               // In the same.
  Values calm_windows = {};        // The excess of each calm window.
};
using Excesses = std::vector<std::vector<ChannelExcess>>;  // A component, its channels.

// `names`: of the components, for what their callers ask of them.
Excesses excesses(const Timeline& timeline, const CallGraph& graph,
                  const std::vector<std::string>& names);

}  // namespace outrider::diagnose
