// SPDX-License-Identifier: Apache-2.0
#pragma once

// The incidents at hand: alerts in, incidents out. PURE; not thread-safe; O(log n) an alert.
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
// An incident that fires again within `reopen_window` of its end is reopened; later it is a new
// one.

#include <map>
#include <string>
#include <vector>

#include "agent/incident/incident.h"
#include "base/wire/alert_webhook.h"

namespace outrider::incident {

// The labels that tell replicas of one thing apart; they are no part of an incident's identity.
bool is_replica_label(std::string_view name);

// The labels that all alerts of an incident share, and those of them by which it is known, as text.
Labels stable_labels(const Labels& labels);
std::string incident_key(const Labels& stable);

class IncidentBook {
 public:
  struct Limits {
    std::size_t open_max = 1'000;      // Past it, a new incident is refused.
    std::size_t resolved_max = 1'000;  // Remembered for reopening; the oldest is forgotten first.
    std::size_t members_max = 500;     // Of one incident; past it, an alert is refused.
    Duration reopen_window = std::chrono::hours(1);
    Duration late_window = std::chrono::minutes(2);
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
    refused
  };
  struct Heard {
    What what = What::unknown;
    const Incident* incident = nullptr;  // Valid until the next call that changes the book.
  };

  IncidentBook() : IncidentBook(Limits{}) {}
  explicit IncidentBook(Limits limits) : limits_(limits) {}

  Heard on_alert(const wire::WebhookAlert& alert, Time now);

  // After a restart: an incident as the journal has it.
  void restore(Incident incident);

  // Facts and recent changes make evidence (evidence.h). Nothing when there is no such incident.
  const Incident* set_facts(const std::string& id, Facts facts, const std::vector<Change>& changes);

  const Incident* set_diagnosis(const std::string& id, Diagnosis diagnosis,
                                std::optional<Slices> slices);

  const Incident* find(const std::string& id) const;
  std::vector<const Incident*> open() const;  // Oldest first.
  std::size_t open_count() const { return open_count_; }

 private:
  Incident* find_current(const std::string& key);
  Heard hear_firing(const wire::WebhookAlert& alert, Time now);
  Heard hear_resolved(const wire::WebhookAlert& alert, Time now);
  Heard open_new(const wire::WebhookAlert& alert, Labels stable, std::string key, Time now);
  void close_if_quiet(Incident& incident, Time now);
  void forget_oldest_resolved();

  Limits limits_;
  std::map<std::string, Incident> incidents_;  // By id.
  std::map<std::string, std::string> latest_;  // Key to the id of its latest incident.
  std::size_t open_count_ = 0;
};

std::string_view name(IncidentBook::What what);

}  // namespace outrider::incident
