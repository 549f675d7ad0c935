// SPDX-License-Identifier: Apache-2.0
#pragma once

// The incidents at hand: alerts in, incidents out. PURE; not thread-safe; O(members) an alert, and
// of a new key O(open incidents) more.
//
//   IncidentBook book;
//   for (const wire::WebhookAlert& alert : webhook.alerts) {
//     const IncidentBook::Heard heard = book.on_alert(alert, clock.now());
//     if (heard.incident) journal.put(*heard.incident);
//   }
//
// Two alerts are of one incident when they agree on every label but severity, those that only tell
// replicas apart (pod, instance, replica, …) and those that say who answers (owner, team). So the
// repeats of one Alertmanager, the copies of an HA pair, and one alert a pod are all one incident.
// It is open while any member fires.
//
// Notifications come late and out of order, above all from two Alertmanagers that do not hear each
// other. startsAt names a member's episode:
//   - a resolve of an older episode than the one at hand is stale: ignored;
//   - a firing of an episode that was already resolved is stale if it comes within `late_window` of
//   the
//     resolve; after that it is believed, because Alertmanager also resolves alerts whose
//     Prometheus fell silent, and those come back with the startsAt that they had.
// An alert of another key may belong to an open incident all the same (grouping.h): it is then one
// of its further signals. While incidents are young, a new signal may show that two are one (the
// older stays, the other is `merged`), or that a signal belongs elsewhere (it moves, with its
// members), as a whole or those of its pods that run on one machine (signal_key.h). A resolved
// incident takes no new signal, and only its leading alert reopens it: what else fires again is a
// new incident, or joins an open one. An alert about a model's accuracy leads its own incident,
// since what is said of the inputs, and done, is that model's; others join it.
//
// An incident that fires again within `reopen_window` of its end is reopened; later it is a new
// one.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/incident/grouping.h"
#include "agent/incident/incident.h"
#include "agent/incident/neighbourhood.h"
#include "agent/incident/signal_key.h"
#include "base/wire/alert_webhook.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::incident {

class IncidentBook {
 public:
  struct Limits {
    std::size_t open_max = 1'000;      // Past it, a new incident is refused.
    std::size_t resolved_max = 1'000;  // Remembered for reopening; the oldest is forgotten first.
    std::size_t members_max = 2'000;   // Of one incident; past it, an alert is refused.
    Duration reopen_window = std::chrono::hours(1);
    Duration late_window = std::chrono::minutes(2);

    void add_to(config::OptionTable& options);  // incidents.max-open, incidents.reopen-window
  };

  enum class What {
    opened,
    reopened,
    joined,
    repeated,
    member_resolved,
    resolved,
    stale,
    unknown,
    refused,
    grouped,
    own
  };
  struct Heard {
    What what = What::unknown;
    const Incident* incident = nullptr;     // Valid until the next call that changes the book.
    std::vector<std::string> changed = {};  // Ids of other incidents that it changed.
  };
  static constexpr std::size_t what_count = 11;
  // Alerts that the agent itself has told Alertmanager of; they open nothing.
  static constexpr std::string_view own_alert = "IncidentDiagnosed";

  IncidentBook() : IncidentBook(Limits{}) {}
  explicit IncidentBook(Limits limits) : limits_(limits) {}

  void set_rules(GroupingRules rules);   // O(signals of the open incidents); so is
  void set_topology(Topology topology);  // this.

  Heard on_alert(const wire::WebhookAlert& alert, Time now);

  // After a restart: an incident as the journal has it.
  void restore(Incident incident);

  // Facts and recent changes make evidence (evidence.h). False: there is no such incident, or they
  // tell nothing new of it.
  bool set_facts(const std::string& id, Facts facts, const std::vector<Change>& changes);
  // A change that came in: evidence of the open incidents that it is near, which these are. O(open
  // incidents).
  std::vector<const Incident*> on_change(const Change& change);

  const Incident* set_diagnosis(const std::string& id, Diagnosis diagnosis,
                                std::optional<Slices> slices);

  const Incident* find(const std::string& id) const;
  std::vector<const Incident*> open() const;  // Oldest first.
  void each_open(const std::function<void(const Incident&)>& visit) const;
  std::size_t open_count() const { return open_count_; }

 private:
  Incident* find_current(const std::string& key);
  Incident* incident_of(const Labels& labels);
  std::vector<std::string> known_keys(const Labels& labels) const;
  Heard hear_firing(const wire::WebhookAlert& alert, Time now);
  Heard take_member(Incident& incident, const wire::WebhookAlert& alert, const std::string& key,
                    Time now);
  Heard hear_resolved(const wire::WebhookAlert& alert, Time now);
  Heard open_new(const wire::WebhookAlert& alert, Labels stable, std::string key, Time now);
  Heard group_or_open(const wire::WebhookAlert& alert, Labels stable, std::string key, Time now);
  Incident* accuracy_home(const wire::WebhookAlert& alert);
  Heard join(Incident& home, const wire::WebhookAlert& alert, Labels stable, const std::string& key,
             const std::string& why, Time now);
  // The signals of all open incidents that may be placed anew, the new one last.
  struct Seat {
    std::string incident;
    std::size_t signal = 0;  // 0: the lead.
    std::string machine;     // Of a part; "": of all, or of the rest.
    bool leads = false;      // The lead, or its first part.
  };
  struct Move {
    std::string from, key;
    std::string machine;  // Only that part; "": the whole signal.
    std::size_t group;
    std::string why;
  };
  // Of the incidents that the alert may have to do with.
  std::vector<Told> seated(const Told& alert, std::vector<Seat>& seats, Time now) const;
  bool may_part(const Incident& incident, const std::string& key) const;
  std::string part_off(Incident& incident, const std::string& key, const std::string& machine);
  std::map<std::size_t, std::string> homes_of(const std::vector<Seat>& seats,
                                              const std::vector<Placement>& placed) const;
  std::vector<Move> moves_of(const std::vector<Seat>& seats, const std::vector<Placement>& placed,
                             const std::map<std::size_t, std::string>& homes) const;
  void move_signal(Incident& from, const std::string& key, Incident& to, const std::string& why);
  Incident& split_off(Incident& from, const std::string& key, Time now);
  std::vector<std::string> rearrange(const std::vector<Seat>& seats,
                                     const std::vector<Placement>& placed, Time now);
  void settle(Incident& incident, Time now);
  bool note(const Incident& incident, const std::string& key, const Labels& labels, Time starts_at);
  void note_all(const Incident& incident);
  void unnote(const std::string& id);
  void find_neighbours();
  void close_if_quiet(Incident& incident, Time now);
  void forget_oldest_resolved();

  Limits limits_;
  std::map<std::string, Incident> incidents_;  // By id.
  std::map<std::string, std::string> latest_;  // Key to the id of its latest incident.
  // What of the open incidents may be placed anew: by id, their signals by key and machine
  // (part_of).
  std::map<std::string, std::map<std::pair<std::string, std::string>, Told>> told_;
  Neighbourhood neighbourhood_;                            // Of those.
  std::map<std::string, std::set<std::string>> by_model_;  // Ids; under "" those that name none.
  // Restored ones stay as they were: right after a restart nobody knows yet what depends on what.
  std::set<std::string> restored_;
  GroupingRules rules_;
  Reach reach_;
  std::size_t open_count_ = 0;
};

std::string_view name(IncidentBook::What what);

}  // namespace outrider::incident
