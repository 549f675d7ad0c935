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
//   the model and action are in cool-down    suppressed, held
//   dry run                                  recommended, held
//   approval required                        recommended, held, waits for a person
//   the model's breaker is open              recommended, held, waits for a person
//   otherwise                                queued
// While an incident is open its held actions are decided anew, so what a cool-down suppressed is
// done once the cool-down has passed and the incident still stands.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/decide/policy.h"

namespace outrider::decide {

// An action that was let go (queued, by policy or by a person), as cool-down and breaker see it.
struct Past {
  Kind kind = Kind::notify;
  incident::Identity who;
  Time at;
  bool automatic = true;  // Not approved by a person.
};

// How far back decide() looks: a day for the breaker, or the longest cool-down of the policy.
Duration lookback(const Policy& policy);

// The PromQL queries that deciding about the incident needs answers to.
std::vector<std::string> queries(const Policy& policy, const incident::Incident& incident);

using Answers = std::map<std::string, double>;  // Query to its one value; absent: no answer.

struct Decisions {
  std::vector<Action> actions;
  std::string abstained;  // "rule: reason" when a rule ended the reading.
};
// `settled`: ids of actions of this incident that are no longer held; they are not decided again.
Decisions decide(const Policy& policy, const incident::Incident& incident,
                 const std::vector<Past>& past, const std::set<std::string>& settled,
                 const Answers& answers, Time now);

}  // namespace outrider::decide
