// SPDX-License-Identifier: Apache-2.0
#pragma once

// Five incidents, played through the agent's own rooms: alerts into the book, series into the
// diagnosis, a policy's YAML into decisions, answers into the life of actions. Only the world is
// made: what Alertmanager, Prometheus and the receivers said.

#include <string>
#include <vector>

#include "agent/decide/action.h"
#include "agent/incident/incident.h"
#include "agent/page/chart.h"

namespace outrider::page::testing {

struct Told {
  std::string title, world;  // What really happened, which nobody told the agent.
  Time now;                  // When the page is read.
  incident::Incident incident;
  std::vector<decide::Action> actions;
  std::vector<std::vector<std::pair<Time, std::string>>> histories;  // By action.
  std::vector<Chart> charts;
};

std::vector<Told> five_incidents();

}  // namespace outrider::page::testing
