// SPDX-License-Identifier: Apache-2.0
#pragma once

// What holds an action back although its rule matches: the switch, what goes on elsewhere, and what
// came of the last ones. PURE.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/decide/life.h"
#include "agent/decide/policy.h"

namespace outrider::decide {

// An action that was let go (queued, by policy or by a person), as cool-down and breaker see it.
struct Past {
  Kind kind = Kind::notify;
  incident::Identity who;
  Time at;
  bool automatic = true;              // Not approved by a person.
  std::optional<Outcome> ended = {};  // Nothing while it goes on.
};

// What goes on in the fleet when an incident is decided about.
struct Situation {
  struct Underway {  // An action that changes production, let go and not done.
    std::string id;
    incident::Identity who;
  };
  std::vector<Underway> underway;
  std::string paused;                            // "": not; else by whom and why.
  std::int64_t automatic_last_hour = 0;          // That change production, of all models.
  std::map<std::string, double> pods_last_hour;  // By owner: touched by such actions.
  std::map<std::string, Answered> answers;       // PromQL to what it answered.

  const Answered& answer_to(const std::string& query) const;
};

struct Hold {
  Outcome outcome = Outcome::recommended;
  std::string reason;
  bool needs_approval = false;
};

// Of an action that changes production, in this order: the switch, another action in its failure
// domain, a person's approval, quiet hours, strikes, the breaker, the hour's limit, the pods of its
// owner. Nothing: let it go.
std::optional<Hold> held_back(const Policy& policy, const Rule& rule, const Action& action,
                              const std::vector<Past>& past, const Situation& situation, Time now);

// Another action that is under way where this one may not be meanwhile; nullptr: none.
const Situation::Underway* in_the_way(const FailureDomain& domain, const Action& action,
                                      const std::vector<Situation::Underway>& underway);

// Whether a rule's numbers come from a forecast, on which nothing is scaled in.
bool is_forecast(const Rule& rule, const incident::Incident& incident);

}  // namespace outrider::decide
