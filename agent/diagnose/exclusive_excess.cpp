// SPDX-License-Identifier: Apache-2.0
#include "agent/diagnose/exclusive_excess.h"

#include <algorithm>
#include <cmath>

namespace outrider::diagnose {
namespace {

// By slot; 0 where nothing is known.
Values excess_of(const Rows& rows, const Grid& grid, const std::string& metric,
                 std::optional<double> normal) {
  const Values* values = rows.find(metric);
  if (values == nullptr || !normal) return Values(grid.size(), 0);
  const Values* requests = rows.find("requests");
  const double worse = metric == "availability" ? -1 : 1;
  Values out(rows.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double excess = worse * ((*values)[i] - *normal);
    out[i] = std::isnan(excess)
                 ? excess
                 : std::max(0.0, excess) * (requests == nullptr ? 1 : (*requests)[i]);
  }
  out = grid.on(rows.times, out);
  for (double& value : out) {
    if (std::isnan(value)) value = 0;
  }
  return out;
}

std::optional<double> normal_of(const Rows& rows, const std::string& metric) {
  const Values* values = rows.find(metric);
  return values == nullptr ? std::nullopt : median(*values);
}

// The share of calm windows with a row as bad, the one at hand counted among them.
double p_of(const Values& calm, const std::vector<CalmWindow>& windows, double worst) {
  std::size_t as_bad = 1;
  for (const CalmWindow& window : windows) {
    const auto first = calm.begin() + static_cast<std::ptrdiff_t>(window.first);
    if (*std::max_element(first, first + static_cast<std::ptrdiff_t>(window.length)) >= worst)
      ++as_bad;
  }
  return static_cast<double>(as_bad) / static_cast<double>(1 + windows.size());
}

}  // namespace

std::optional<SymptomExcess> exclusive_excess(const Timeline& timeline, const CallGraph& graph,
                                              std::size_t component, const std::string& metric) {
  const Rows& complaining = timeline.now[component];
  const Values* values = complaining.find(metric);
  if (values == nullptr || timeline.now_grid.size() == 0) return std::nullopt;
  const auto normal = normal_of(timeline.calm[component], metric);
  const Values symptom = excess_of(complaining, timeline.now_grid, metric, normal);
  const auto worst = std::max_element(symptom.begin(), symptom.end());
  const auto slot = static_cast<std::size_t>(worst - symptom.begin());

  Values excess;
  for (std::size_t c = 0; c < timeline.now.size(); ++c) {
    excess.push_back(excess_of(timeline.now[c], timeline.now_grid, metric,
                               normal_of(timeline.calm[c], metric))[slot]);
  }
  SymptomExcess out;
  double total = 0;
  for (std::size_t c = 0; c < excess.size(); ++c) {
    double own = excess[c];
    for (const std::size_t callee : graph.callees[c]) own -= excess[callee];
    out.share.push_back(std::max(0.0, own));
    total += out.share.back();
  }
  if (!(total > 0)) return std::nullopt;
  for (double& share : out.share) share /= total;
  out.p = p_of(excess_of(timeline.calm[component], timeline.calm_grid, metric, normal),
               timeline.windows, *worst);
  out.time = timeline.now_grid.time(slot);
  out.value = timeline.now_grid.on(complaining.times, *values)[slot];
  out.normal = normal.value_or(0);
  return out;
}

}  // namespace outrider::diagnose
