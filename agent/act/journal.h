// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the agent must not forget: incidents, actions with their history, changes. SHELL, on SQLite
// in write-ahead mode with synchronous=FULL: what commit() returned from is on disk, and kill -9 or
// a power cut leaves the last commit, whole.
//
//   Journal journal(data_dir + "/agent.db");
//   Journal::Write write(journal);           // one transaction
//   write.put(incident);
//   write.put(action, now, "queued: the policy allows it");
//   write.commit();                          // without it, the destructor rolls back
//
// An action is there once per idempotency key (its id): the primary key sees to it.
//
// Thread-safe. Every function throws JournalError when SQLite fails (disk full, file damaged): the
// caller answers 503, and Alertmanager sends again.
//
// An older agent reads the file too, so that a roll-out can be taken back: tables and columns that
// it knows stay as they are, and what is new stands beside them.
//
// Limits: prune() drops what ended longest ago once there are more than the limits allow.

#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/decide/action.h"
#include "agent/decide/decision.h"
#include "agent/incident/incident.h"

struct sqlite3;

namespace outrider::act {

class JournalError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Journal {
 public:
  struct Limits {
    std::size_t incidents_max = 10'000;  // Resolved ones; the open are bounded by the book.
    std::size_t actions_max = 20'000;    // Done ones.
    std::size_t changes_max = 10'000;
    std::size_t events_per_action_max = 200;
    Duration age_max = std::chrono::hours(24 * 90);
  };
  struct Event {
    Time at;
    std::string text;
  };

  // Opens, or creates with its folder. Throws JournalError naming the file.
  Journal(const std::string& file, Limits limits);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  class Write {
   public:
    explicit Write(Journal& journal);
    ~Write();
    void put(const incident::Incident& incident);
    // With a line for the action's history, unless it is empty.
    void put(const decide::Action& action, Time now, const std::string& event);
    bool put(const incident::Change& change);  // False: a change of that id is there already.
    void commit();

   private:
    Journal& journal_;
    std::unique_lock<std::recursive_mutex> lock_;
    bool open_ = true;
  };

  std::vector<incident::Incident> incidents(bool open,
                                            std::size_t count_max) const;  // Newest first.
  std::optional<incident::Incident> incident(const std::string& id) const;

  std::vector<decide::Action> actions(std::size_t count_max) const;  // Newest first.
  std::vector<decide::Action> actions_of(const std::string& incident) const;
  std::vector<decide::Action> active_actions() const;  // Queued, sending, watching.
  std::vector<decide::Action> held_actions() const;
  std::optional<decide::Action> action(const std::string& id) const;
  std::vector<Event> events_of(const std::string& action) const;

  // What was let go since then for a model that may be the same (incident/identity.h).
  std::vector<decide::Past> past(const incident::Identity& who, Time since) const;

  std::vector<incident::Change> changes(Time since, std::size_t count_max) const;  // Newest first.

  void prune(Time now);  // Applies the limits.

 private:
  class Statement;
  void execute(const char* sql) const;
  void put_place(const std::string& action, const incident::Identity& who);
  void learn_places();

  const std::string file_;
  const Limits limits_;
  mutable std::recursive_mutex mutex_;  // One connection; a Write holds it for its transaction.
  sqlite3* database_ = nullptr;
};

}  // namespace outrider::act
