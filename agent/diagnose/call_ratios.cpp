// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/call_ratios.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace outrider::diagnose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t rows_min = 30;
constexpr std::string_view requests = "requests", ops = "_ops";

std::size_t joint_rows(const Values& a, const Values& b) {
  std::size_t rows = 0;
  for (std::size_t i = 0; i < a.size(); ++i) rows += std::isfinite(a[i]) && std::isfinite(b[i]);
  return rows;
}

// A metric of another component at the times of this one's rows.
Values beside(const Side& side, const Grid& grid, std::size_t other, const Values& values,
              std::size_t component) {
  const Values on_grid = grid.on(side[other].times, values);
  Values out;
  out.reserve(side[component].size());
  std::size_t slot = 0;
  for (const double time : side[component].times) {
    while (slot + 1 < grid.size() && grid.time(slot + 1) <= time) ++slot;
    out.push_back(on_grid[slot]);
  }
  return out;
}

// `units`: how many of the rate's units of time a slot has.
Channel ratio(std::string name, const Values& asked, const Values& asking, double units) {
  Channel out{.name = std::move(name), .group = Group::calls, .worse = Worse::lower};
  for (std::size_t i = 0; i < asking.size(); ++i) {
    const double count = asking[i] * units;
    out.values.push_back(count > 0 ? asked[i] / asking[i] : nan);
    // Of seventeen requests each is a seventeenth.
    out.least.push_back(std::isnan(count) ? nan : 1 / std::max(count, 1.0));
  }
  return out;
}

// The rate that both have in most rows of the baseline; none in too few.
std::string common_rate(const Timeline& timeline, std::size_t caller, std::size_t callee) {
  std::string best;
  std::size_t most = rows_min - 1;
  for (const auto& [name, asking] : timeline.calm[caller].metrics) {
    const Values* asked = timeline.calm[callee].find(name);
    if (!is_rate(name) || asked == nullptr || timeline.now[caller].find(name) == nullptr ||
        timeline.now[callee].find(name) == nullptr)
      continue;
    const std::size_t rows =
        joint_rows(asking, beside(timeline.calm, timeline.calm_grid, callee, *asked, caller));
    if (rows > most) {
      most = rows;
      best = name;
    }
  }
  return best;
}

}  // namespace

bool is_rate(std::string_view metric) {
  return metric == requests || metric.ends_with(ops);
}

CallRatios call_ratios(const Timeline& timeline, const CallGraph& graph,
                       const std::vector<std::string>& names, std::size_t component) {
  CallRatios out;
  for (const std::size_t callee : graph.callees[component]) {
    const std::string rate = common_rate(timeline, component, callee);
    if (rate.empty()) continue;
    // `requests` are of a row as it came, `_ops` of a second.
    const double units = rate == requests ? timeline.width / timeline.step : timeline.width;
    const auto of = [&](const Side& side, const Grid& grid) {
      return ratio("asks " + names[callee],
                   beside(side, grid, callee, *side[callee].find(rate), component),
                   *side[component].find(rate), units);
    };
    out.calm.push_back(of(timeline.calm, timeline.calm_grid));
    out.now.push_back(of(timeline.now, timeline.now_grid));
  }
  return out;
}

}  // namespace outrider::diagnose
