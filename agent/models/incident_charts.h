// SPDX-License-Identifier: Apache-2.0
#pragma once

// The charts of an incident's page: what is asked of Prometheus about its model, before and since
// the change. PURE.

#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/models/fleet_answers.h"
#include "agent/page/chart.h"

namespace outrider::models {

struct ChartQuestion {
  page::Chart chart;  // All but its values.
  std::string promql;
};

// From an hour before the change (or three times its age, while it is young, but five minutes at
// least) to now, or half an hour past the incident's end; some 120 steps of at least `step`.
Window chart_window(const incident::Incident& incident, Time now, Duration step);

// Accuracy, failures, latency, requests, drift of its model; none where it names no model.
// `rate`: the shortest window of rates.
std::vector<ChartQuestion> chart_questions(const incident::Incident& incident, const Window& window,
                                           Duration rate);

// The series of an answer that is the incident's workload's; nothing where that is not known.
const Series* series_of(const std::vector<Series>& answer, const incident::Incident& incident);

}  // namespace outrider::models
