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
// Limits: prune() drops what ended longest ago once there is more than the limits allow: too old,
// too many, or too many bytes. Never an action of an incident that is open, which would be decided
// and done again; nor, for bytes, an action that changed production in the last week, which the
// policy's limits count.

#include <array>
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

namespace outrider::config {
class OptionTable;
}

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
    std::int64_t bytes_max = std::int64_t{1} << 30;  // In use; the file does not shrink.

    void add_to(config::OptionTable& options);  // journal.*
  };
  enum class Why { age, count, bytes };
  struct Dropped {
    std::size_t incidents = 0, actions = 0, changes = 0;
    std::size_t all() const { return incidents + actions + changes; }
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
  // Those that have ended, were not merged, and are about a model or workload of these names;
  // newest first.
  std::vector<incident::Incident> ended_like(const incident::Identity& who,
                                             std::size_t count_max) const;

  std::vector<decide::Action> actions(std::size_t count_max) const;  // Newest first.
  std::vector<decide::Action> actions_of(const std::string& incident) const;
  std::vector<decide::Action> active_actions() const;  // Neither held nor done.
  std::vector<decide::Action> held_actions() const;
  std::optional<decide::Action> action(const std::string& id) const;
  std::vector<Event> events_of(const std::string& action) const;

  // Those that change production and were let go since then.
  std::vector<decide::Action> released_actions(Time since) const;

  // A person's word that holds across restarts, such as "actions are paused".
  struct Word {
    std::string by, why;
    Time at;
  };
  void set_word(const std::string& name, const std::optional<Word>& word);
  std::optional<Word> word(const std::string& name) const;

  // What a ticket system's tickets are followed by: a text under a key; "": no longer.
  void keep_ticket(const std::string& key, const std::string& text);
  std::vector<std::string> kept_tickets() const;
  // The incidents that were written, or one of their actions, since this was last asked.
  std::set<std::string> take_changed();

  // What was let go since then for a model that may be the same (incident/identity.h).
  std::vector<decide::Past> past(const incident::Identity& who, Time since) const;

  std::vector<incident::Change> changes(Time since, std::size_t count_max) const;  // Newest first.

  // Applies the limits; what went, by Why. Of bytes some thousand rows a call.
  std::array<Dropped, 3> prune(Time now);
  std::int64_t bytes() const;  // In use, without what was freed; the write-ahead file besides.
  bool is_over() const { return bytes() > limits_.bytes_max; }

 private:
  class Statement;
  void execute(const char* sql) const;
  void drop_by_age_and_count(Time now, std::array<Dropped, 3>& dropped);
  bool drop_oldest(Time now, Dropped& dropped);
  void put_place(const std::string& action, const incident::Identity& who);
  void learn_places();
  void put_case(const incident::Incident& incident);
  void learn_cases();

  const std::string file_;
  const Limits limits_;
  std::set<std::string> changed_;       // Since take_changed(), which the tickets ask for.
  mutable std::recursive_mutex mutex_;  // One connection; a Write holds it for its transaction.
  sqlite3* database_ = nullptr;
};

}  // namespace outrider::act
