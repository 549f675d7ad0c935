// SPDX-License-Identifier: Apache-2.0
#pragma once

// (policy, incident, what was done before, now) -> actions. PURE.
//
// Each rule that matches makes one action, whose id is its idempotency key: it follows from the
// rule, the incident and its episode, so deciding the same again makes the same action. Checks, in
// this order; the first that holds decides. "The model" is that of one workload (may_be_same of
// incident/identity.h): what was done to another cluster's is no reason.
//   the request cannot be rendered           failed, held
//   a scale number is unknown, or no change  suppressed, held
//   scaling in on a forecast                 suppressed, held
//   the precondition does not hold           suppressed, held
//   the model and action are in cool-down    suppressed, held
//   dry run                                  recommended, held
//   what care.h holds back                   recommended or suppressed, held
//   scaling in without a precondition        recommended, held, waits for a person
//   otherwise                                queued
// While an incident is open its held actions are decided anew, so what a cool-down suppressed is
// done once the cool-down has passed and the incident still stands.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/decide/care.h"
#include "agent/decide/policy.h"

namespace outrider::decide {

// The PromQL queries that deciding about the incident needs answers to.
std::vector<std::string> queries(const Policy& policy, const incident::Incident& incident);

using Answers = std::map<std::string, double>;  // Query to its one value; absent: no answer.

// And the conditions whose answers are evidence (Situation::answers): with their left sides. They
// may name the replicas, which `answers` may say.
std::vector<std::string> conditions(const Policy& policy, const incident::Incident& incident,
                                    const Answers& answers);

struct Decisions {
  std::vector<Action> actions;
  std::string abstained;  // "rule: reason" when a rule ended the reading.
  // Of all that are held; and when a rule that matches will have waited enough: its `after`, or
  // for a diagnosis.
  Causes causes = {};
};
// `settled`: ids of actions of this incident that are no longer held; they are not decided again.
Decisions decide(const Policy& policy, const incident::Incident& incident,
                 const std::vector<Past>& past, const std::set<std::string>& settled,
                 const Answers& answers, Time now, const Situation& situation = {});

}  // namespace outrider::decide
