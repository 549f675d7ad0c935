// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which incidents are to be decided about next, so that one that has changed is not kept waiting by
// those that have not. PURE; not thread-safe; O(log n) an incident; as many entries as incidents.
//
//   agenda.changed(id, incident.opened_at, now);       // decided at the next look
//   for (const auto& due : agenda.take(now, 32)) …     // what has changed first, then what waits
//   agenda.wait(id, incident.opened_at, next, events); // what may decide it otherwise: time, these
//   agenda.hurry(event);                               // one of them has happened
//
// Nothing is looked at again and again: what has nothing left to decide is not here until it
// changes, and what waits for an event alone has no time to come up at. Of two that are due the
// older comes first, as it has the better claim to its failure domain.

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
    std::optional<Time> changed_at;  // Nothing: time brought it up, or an event.
  };

  void changed(const std::string& incident, Time opened_at, Time now);
  // To come up at `next`, or when one of these events happens, unless it changes before; with
  // neither, only once it changes.
  void wait(const std::string& incident, Time opened_at, std::optional<Time> next,
            const std::set<std::string>& events = {});
  // It has happened: what waits for it comes up now.
  void hurry(const std::string& event);
  void hurry();  // All that wait.
  std::size_t waiting_for(const std::string& event) const;

  // At most so many that have changed, and as many that waited until now; they leave the agenda.
  std::vector<Due> take(Time now, std::size_t count_max);
  bool has_due(Time now) const;

  // Incidents whose actions are to be called off; each once. They wait for nothing any more.
  void ended(const std::string& incident);
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
    std::optional<Time> due;
    Time opened_at;
    std::set<std::string> events;
  };
  void bring_up(const std::string& incident, Waiting& one);
  std::map<std::string, Waiting> waiting_;
  std::map<std::string, std::set<std::string>> by_event_;  // Of those.
  std::set<Place> waiting_order_;                          // Of those that have a time.
  std::set<std::string> ended_;
};

}  // namespace outrider
