// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/component_scores.h"

#include <algorithm>

namespace outrider::diagnose {
namespace {

// What mute callees may have to answer for; the callers' own errors become their share.
std::vector<double> shared_errors(std::vector<GroupExcess>& groups, const CallGraph& graph,
                                  const std::vector<bool>& reports_errors) {
  std::vector<double> shared(groups.size(), 0);
  for (std::size_t c = 0; c < groups.size(); ++c) {
    if (!reports_errors[c]) continue;
    std::vector<std::size_t> mute;
    for (const std::size_t callee : graph.callees[c]) {
      if (!reports_errors[callee]) mute.push_back(callee);
    }
    double& errors = groups[c][Group::errors];
    errors /= static_cast<double>(1 + mute.size());
    for (const std::size_t callee : mute) shared[callee] = std::max(shared[callee], errors);
  }
  return shared;
}

}  // namespace

std::vector<ComponentScore> component_scores(std::vector<GroupExcess> groups,
                                             const CallGraph& graph,
                                             const std::vector<bool>& reports_errors) {
  const std::vector<double> shared = shared_errors(groups, graph, reports_errors);
  std::vector<ComponentScore> out(groups.size());
  for (std::size_t c = 0; c < groups.size(); ++c) {
    const GroupExcess& own = groups[c];
    double slow_below = 0, failing_below = 0, silent_above = 0;
    for (const std::size_t callee : graph.callees[c]) {
      const GroupExcess& below = groups[callee];
      slow_below = std::max({slow_below, below[Group::latency], below[Group::wire]});
      failing_below = std::max({failing_below, below[Group::errors], below.more_lines});
    }
    for (const std::size_t caller : graph.callers[c])
      silent_above =
          std::max({silent_above, groups[caller].fewer_lines, groups[caller][Group::calls]});
    ComponentScore& score = out[c];
    score.latency = std::max(own[Group::self], own[Group::latency] - slow_below);
    score.errors =
        std::max(0.0, std::max(own[Group::errors], own.more_lines) - failing_below) + shared[c];
    score.wire = own[Group::wire];
    score.cpu = own[Group::cpu];
    score.memory = own[Group::memory];
    score.model =
        std::max({own[Group::drift], own[Group::quality], own[Group::wrong], own[Group::upstream]});
    score.gpu = own[Group::gpu];
    score.restarts = own[Group::restarts];
    score.path = std::max({0.0, own[Group::calls] - std::max(slow_below, failing_below),
                           own.fewer_lines - silent_above});
  }
  return out;
}

}  // namespace outrider::diagnose
