// SPDX-License-Identifier: Apache-2.0
#pragma once

// The actions under way, and which of them is due. The journal first: an attempt is on disk before
// its action is handed out, and what came of it before the next step. SHELL (the journal); not
// thread-safe: the dispatcher holds its lock.

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/act/journal.h"
#include "agent/decide/life.h"
#include "agent/dispatch/ledger.h"
#include "agent/dispatch/metrics.h"

namespace outrider {

class ActiveActions {
 public:
  // What lets an action leave the agent.
  struct Gates {
    std::function<std::string()> paused = {};  // "": not.
    // The fencing number of the lease held; 0: none is needed; nothing: another agent has it.
    std::function<std::optional<std::int64_t>()> fencing = {};
    decide::FailureDomain domain = {};
  };

  ActiveActions(const Clock& clock, act::Journal& journal, AgentMetrics& metrics)
      : clock_(clock), journal_(journal), metrics_(metrics) {}

  void add(decide::Action action);
  void remove(const std::string& id) { active_.erase(id); }
  std::size_t size() const { return active_.size(); }
  // Those in no worker's hands whose incident is one of these.
  std::vector<decide::Action> idle_of(
      const std::function<bool(const std::string& incident)>& is_one) const;
  // Those that change production, as the journal knows them.
  std::vector<decide::Situation::Underway> underway() const;
  Ledger& ledger() { return ledger_; }  // Of all actions, also those that are not under way.

  // The one that is due longest, its attempt journalled; nothing: none is due, or it may not leave.
  std::optional<decide::Action> take_due(const Gates& gates);
  struct Given {
    bool is_news = false;                     // The page and the journal tell of it.
    std::optional<decide::Action> left = {};  // It is no longer under way: done, or held again.
  };
  Given give_back(decide::Action action, const decide::Findings& findings);

  // Is told of each that is no longer under way.
  using Left = std::function<void(const decide::Action& action)>;
  // Verdicts of the agent's own: `ended` says whether an incident has. And what time alone moves.
  void look(const std::function<bool(const std::string& incident)>& ended, const Left& left);
  // What could not be written when it was given back.
  void save_unsaved(const Left& left);

  // With its line of history, and the outcome counted. Once that is on disk, the ledger is told.
  void save(act::Journal::Write& write, const decide::Action& action, decide::Outcome before,
            const std::string& event);

 private:
  struct Active {
    decide::Action action;
    bool busy = false;     // In a worker's hands.
    bool unsaved = false;  // The journal failed when it was given back; tried again at each look.
  };

  bool may_leave(const Active& active, const Gates& gates,
                 const std::vector<const decide::Action*>& begun, std::string& why) const;
  std::optional<decide::Action> hand_out(Active& active, const Gates& gates);
  Given keep(Active& active, decide::Outcome before, const std::string& event);

  const Clock& clock_;
  act::Journal& journal_;
  AgentMetrics& metrics_;
  std::map<std::string, Active> active_;  // By action id.
  Ledger ledger_;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace outrider
