// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who no longer asks whom: the requests of a callee for each request of its caller, as channels of
// the caller. PURE.
//
// Idea. A request that ends early, by an early return or an exception, does not ask the callees
//   that it used to ask: the caller is as busy as ever, and the callee is idle. So the ratio of two
//   rates tells a fault of code that no latency shows. A callee with other callers varies more, and
//   calm windows take that into account.
// Rates. `requests` or a metric that ends in `_ops` (a second), whichever has more rows in the
//   baseline where both components have it. A baseline of fewer than 30 rows tells no ratio.
// Cost. O(calls x rows).
// Fails. A callee that is down is not asked either; its errors and latency must outweigh its
//   caller's silence.

#include <cstddef>
#include <vector>

#include "agent/diagnose/channels.h"
#include "agent/diagnose/component_scores.h"
#include "agent/diagnose/timeline.h"

namespace outrider::diagnose {

// Of one component: "asks X" by callee, in the baseline and in the search window; both of one
// length and order.
struct CallRatios {
  std::vector<Channel> calm, now;
};
// `names`: of the components.
CallRatios call_ratios(const Timeline& timeline, const CallGraph& graph,
                       const std::vector<std::string>& names, std::size_t component);

bool is_rate(std::string_view metric);

}  // namespace outrider::diagnose
