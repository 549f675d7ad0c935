// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which incidents are to be decided about next, so that one that has changed is not kept waiting by
// those that have not. PURE; not thread-safe; O(log n) an incident; as many entries as incidents.
//
//   agenda.changed(id, incident.opened_at, now);       // decided at the next look
//   for (const auto& due : agenda.take(now, 32)) …     // what has changed first, then what waits
//   agenda.wait(id, incident.opened_at, next);         // time alone may decide it otherwise then
//   agenda.hurry(domain);                              // an action has ended: others may begin
//
// What has nothing left to decide is not here until it changes. Of two that are due the older comes
// first, as it has the better claim to its failure domain.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/core/clock.h"

namespace outrider {

class Agenda {
 public:
  struct Due {
    std::string incident;
    std::optional<Time> changed_at;  // Nothing: time brought it up.
  };

  void changed(const std::string& incident, Time opened_at, Time now);
  // To come up at `next`, unless it changes before, or an action ends in one of these failure
  // domains; nothing: only if it changes.
  void wait(const std::string& incident, Time opened_at, std::optional<Time> next,
            const std::set<std::string>& domains = {});
  // An action has ended in that failure domain: what waits for it comes up now.
  void hurry(const std::string& domain);
  void hurry();  // All that wait.
  std::size_t waiting() const { return waiting_.size(); }

  // At most so many that have changed, and as many that waited until now; they leave the agenda.
  std::vector<Due> take(Time now, std::size_t count_max);
  bool has_due(Time now) const;

  // Incidents whose actions are to be called off; each once.
  void ended(const std::string& incident) { ended_.insert(incident); }
  std::set<std::string> take_ended() { return std::exchange(ended_, {}); }

 private:
  using Place = std::tuple<Time, Time, std::string>;  // Due, opened, incident.
  void leave(const std::string& incident);

  struct Changed {
    Time opened_at, at;
  };
  std::map<std::string, Changed> changed_;
  std::set<std::pair<Time, std::string>> changed_order_;  // By age.
  struct Waiting {
    Time due, opened_at;
    std::set<std::string> domains;
  };
  std::map<std::string, Waiting> waiting_;
  std::map<std::string, std::set<std::string>> by_domain_;  // Of those.
  std::set<Place> waiting_order_;
  std::set<std::string> ended_;
};

}  // namespace outrider
