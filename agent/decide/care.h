// SPDX-License-Identifier: Apache-2.0
#pragma once

// What holds an action back although its rule matches: the switch, what goes on elsewhere, and what
// came of the last ones. PURE.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
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
  std::optional<Time> hour_eases_at = {};        // The first of those no longer counts then.
  std::map<std::string, Answered> answers;       // PromQL to what it answered.

  const Answered& answer_to(const std::string& query) const;
};

// What may decide a held action otherwise, besides its incident, the policy and the switch, which
// always may.
struct Causes {
  std::optional<Time> at = {};        // Time alone, then: the end of a cool-down or quiet hours …
  bool answers = false;               // What Prometheus answers.
  std::set<std::string> events = {};  // As named below.

  void soonest(Time time) { at = at ? std::min(*at, time) : time; }
  void add(const Causes& other);
};
// The action is no longer under way: done, or held again.
std::string end_of(const std::string& action);
// An action that counts for this one's cool-down, strikes or breaker was let go, has ended, or was
// held again: of the same kind, or of any that changes production, as this one does.
std::string course_of(Kind kind, const std::string& model);
// The limit of automatic actions an hour was reached, or no longer is, or counts one less.
std::string limits_of_the_hour();

struct Hold {
  Outcome outcome = Outcome::recommended;
  std::string reason;
  bool needs_approval = false;
  Causes causes = {};
};

// How far back what was let go counts: a week for the strikes, or the longest cool-down of the
// policy.
Duration lookback(const Policy& policy);

// Of an action that changes production, in this order: the switch, a person's approval, quiet
// hours, strikes, the breaker, the hour's limit, the pods of its owner, another action in its
// failure domain. Nothing: let it go.
std::optional<Hold> held_back(const Policy& policy, const Rule& rule, const Action& action,
                              const std::vector<Past>& past, const Situation& situation, Time now);

// Another action that is under way where this one may not be meanwhile; nullptr: none.
const Situation::Underway* in_the_way(const FailureDomain& domain, const Action& action,
                                      const std::vector<Situation::Underway>& underway);

// Whether a rule's numbers come from a forecast, on which nothing is scaled in.
bool is_forecast(const Rule& rule, const incident::Incident& incident);

}  // namespace outrider::decide
