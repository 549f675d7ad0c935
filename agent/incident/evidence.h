// SPDX-License-Identifier: Apache-2.0
#pragma once

// An incident in plain words, from what its alerts and Prometheus say. PURE.
//
// From the alert: the annotations `accuracy_before`, `accuracy_after` ("95%"),
// `labels_since_change` and `since` (Unix seconds or RFC 3339: the detector's estimate of when the
// change began), as alerts/outrider-accuracy.rules.yml writes them; any alert's `description`
// otherwise. From Prometheus: the inputs since the change beside those before it and the
// reference's (agent/query/inputs_since.h). "Inputs unchanged", and with a fall in accuracy
// "concept drift", is said only where a shift would have been seen, with its power; too few rows
// are called so, with how many are needed. Where no beginning is known the drift verdicts stand in:
// every input must have one and none may warn. What has not been judged is called so, with the
// reason.

#include <vector>

#include "agent/incident/incident.h"

namespace outrider::incident {

// Writes the incident's `since`, `owner`, `inputs`, `summary` and `evidence` anew from its
// annotations, facts, changes and members. Calling it again changes nothing.
void explain(Incident& incident);

// Whether a change may have to do with it: of its model or of none, not of another place, from an
// hour before the change began (or the incident, while that is unknown) up to its end.
bool is_near(const Incident& incident, const Change& change);
// The 20 of those that are nearest its beginning.
std::vector<Change> related_changes(const Incident& incident, const std::vector<Change>& recent);

// Whether its alert is about the accuracy of a model.
bool is_about_accuracy(const Incident& incident);

// What somebody who was asleep a minute ago must know, in at most five lines.
std::vector<std::string> brief_lines(const Incident& incident);

// "2026-01-31 12:00:00 UTC".
std::string plain_time(Time time);

}  // namespace outrider::incident
