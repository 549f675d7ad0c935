// SPDX-License-Identifier: Apache-2.0
#include "agent/page/cause_charts.h"

#include <array>
#include <string_view>

namespace outrider::page {
namespace {

// Metrics of docs/diagnose.md by name, or by how it ends.
struct Known {
  std::string_view name, title;
  Unit unit;
};
constexpr std::array<Known, 13> known = {
    {{"requests", "Requests", Unit::rate},
     {"errors", "Errors", Unit::rate},
     {"cpu", "CPU cores", Unit::number},
     {"memory", "Memory, MiB,", Unit::number},
     {"drift_ratio", "Drift in thresholds", Unit::ratio},
     {"quality_failures", "Failed quality checks", Unit::share},
     {"wrong_predictions", "Wrong predictions", Unit::share},
     {"upstream_failures", "Failed requests", Unit::share},
     {"restarts", "Restarts", Unit::number},
     {"gpu_utilisation", "GPU utilisation, %,", Unit::number},
     {"gpu_memory", "GPU memory, MiB,", Unit::number},
     {"latency_mean_ms", "Mean latency", Unit::milliseconds},
     {"latency_p95_ms", "95th percentile of the latency", Unit::milliseconds}}};

Chart chart_of(const incident::Diagnosis::Shown& shown) {
  Chart made{.title = shown.metric + " of " + shown.component};
  for (const Known& one : known) {
    if (shown.metric != one.name) continue;
    made.title = std::string(one.title) + " of " + shown.component;
    made.unit = one.unit;
  }
  if (made.unit == Unit::number && shown.metric.ends_with("_ms")) made.unit = Unit::milliseconds;
  made.course = {shown.from, shown.step, shown.values};
  made.floor = 0;
  return made;
}

}  // namespace

std::vector<Chart> cause_charts(const incident::Incident& incident) {
  std::vector<Chart> charts;
  if (!incident.diagnosis) return charts;
  for (const incident::Diagnosis::Shown& shown : incident.diagnosis->shown) {
    charts.push_back(chart_of(shown));
    charts.back().since = incident.diagnosis->at;
  }
  return charts;
}

}  // namespace outrider::page
