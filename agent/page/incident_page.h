// SPDX-License-Identifier: Apache-2.0
#pragma once

// The page of one incident: what happened, why, what was done, whether it helped, how to undo it.
// PURE.
//
// Actions are told from their JSON of the API (GET /api/v1/actions/{id}), so that what an action
// learns to say about itself shows here, and nothing shows that the API does not tell.

#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "agent/page/chart.h"
#include "agent/page/reader.h"
#include "base/wire/json.h"

namespace outrider::page {

struct IncidentContent {
  Time now;
  const incident::Incident& incident;
  std::vector<wire::Json> actions = {};  // With `history`, the oldest first.
  std::vector<Chart> charts = {};
  std::string charts_say = {};   // Where they come from, or why there are none.
  std::string grafana_url = {};  // "": no link.
  bool has_policy = false;
  Reader reader = {};
};

std::string incident_main(const IncidentContent& content);

// The dashboard of its model in a Grafana at `base`, from an hour before it began to now or an hour
// past its end; "" where `base` is, or no model is named.
std::string grafana_address(const std::string& base, const incident::Incident& incident, Time now);
// The same of a model, over the last three hours.
std::string grafana_address(const std::string& base, const incident::Identity& who, Time now);

// One action: where it stands, why, what was asked and how to undo it, its history, and the form
// while it waits; in the form's place why the reader cannot, where he cannot.
struct BlockView {
  Time now;
  bool with_incident = false;
  Reader reader = {};
};
std::string action_block(const wire::Json& action, const BlockView& view);

// "Retrain succeeded 12:13:00 UTC: verified: …" of what changes production; else "".
std::string outcome_line(const wire::Json& action);

// Whether a person is asked for a yes or a no.
bool waits_for_person(const wire::Json& action);

// The changes and actions of an incident as a chart's markers, the oldest first: C1, C2, A1 …
std::vector<Marker> markers_of(const incident::Incident& incident,
                               const std::vector<wire::Json>& actions);

}  // namespace outrider::page
