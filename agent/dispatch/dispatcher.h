// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rooms meet: one lock around the incident book, the journal and the actions under way.
// SHELL; thread-safe. It decides nothing itself: incident/ says what an alert means, decide/ what
// is to be done and what an answer means; the dispatcher sees that everything is in the journal
// first.
//
//   webhook thread   receive()                     alerts -> incidents, committed before the 200
//   dispatcher thread   look()                        facts -> evidence -> decisions, committed
//
// A look is about the incidents that have changed since they were decided, and those whose held
// actions may be decided otherwise (decide::Causes, agenda.h), a bounded number of each. Only what
// Prometheus answers is asked for again and again.
//
//   workers             take_due() … give_back()      intent committed before the request leaves
//
// After kill -9: restore() takes the journal's word. An action whose request may or may not have
// left is sent again with the same Idempotency-Key: at least once, and once for a receiver that
// honours the key.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/act/journal.h"
#include "agent/decide/decision.h"
#include "agent/decide/life.h"
#include "agent/dispatch/active_actions.h"
#include "agent/dispatch/agenda.h"
#include "agent/dispatch/metrics.h"
#include "agent/dispatch/policy_answers.h"
#include "agent/incident/incident_book.h"
#include "base/wire/alert_webhook.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider {

class Dispatcher {
 public:
  struct Settings {
    incident::IncidentBook::Limits book = {};
    std::size_t active_actions_max =
        1'000;  // Queued, being sent or watched; past it none is let go.
    Duration facts_soonest =
        std::chrono::seconds(3);  // While the inputs are not judged: at first …
    Duration facts_every = std::chrono::seconds(30);   // … and at last.
    Duration facts_for = std::chrono::hours(1);        // … and no longer than that after opening.
    Duration answers_last = std::chrono::seconds(15);  // Of the policy's own queries.
    // What an answer of Prometheus holds back is decided anew so often, though not before that
    // answer is asked for again; where more than 200 are, 100 of them a second.
    Duration held_every = std::chrono::seconds(2);

    void add_to(config::OptionTable& options);  // actions.max-active
  };
  // Asks the dependencies; called without the lock, from the dispatcher thread only.
  struct Dependencies {
    // Empty: there is no Prometheus.
    std::function<incident::Facts(const incident::Incident&, Time now)> facts = {};
    PolicyAnswers::AskValue value = {};
    PolicyAnswers::AskCondition ask = {};
    // What lets actions go: from any thread, and quick.
    std::function<std::string()> paused = {};
    std::function<std::optional<std::int64_t>()> fencing = {};
  };
  using PolicyPointer = std::shared_ptr<const decide::Policy>;

  Dispatcher(Settings settings, const Clock& clock, act::Journal& journal, AgentMetrics& metrics,
             Dependencies dependencies);

  void restore();  // Once, before anything else. Throws JournalError.
  void set_policy(PolicyPointer policy);
  PolicyPointer policy() const;

  // Each returns once what it did is on disk; they throw JournalError when that failed.
  struct Receipt {
    std::size_t alerts = 0;
    std::map<std::string, std::size_t> results;  // IncidentBook::What by name.
  };
  Receipt receive(const wire::AlertWebhook& webhook);
  bool receive(const incident::Change& change);  // False: known already.
  // Errors: "not_found", and those of decide::approve and reject.
  Result<decide::Action> approve(const std::string& action, const std::string& person);
  Result<decide::Action> reject(const std::string& action, const std::string& person,
                                const std::string& why);

  // The label sets of the firing members of the open incidents of this alert.
  std::vector<Labels> firing(std::string_view alert) const;

  void set_grouping(incident::GroupingRules rules);
  void set_topology(incident::Topology topology);

  // For whoever finds out why: the open incidents, the changes since then, and what was found.
  std::vector<incident::Incident> open_incidents() const;
  // Without a copy of each; what it calls must not call the dispatcher.
  void each_open(const std::function<void(const incident::Incident&)>& visit) const;
  std::optional<incident::Incident> incident(const std::string& id) const;
  std::vector<incident::Change> changes_since(Time since) const;
  void receive(const std::string& incident, incident::Diagnosis diagnosis,
               std::optional<incident::Slices> slices);

  void look();                         // One round over the incidents that are due.
  bool wait_for_news(Duration limit);  // Until something makes a look worthwhile, or the limit.

  // An action that is due, its attempt journalled; nothing when none came due within `limit`. Its
  // stage says what is to be done (act/worker.h).
  std::optional<decide::Action> take_due(Duration limit);
  void give_back(decide::Action action, const decide::Findings& findings);
  void wake();  // Something outside has changed what may be done: the switch, or the lease.
  void stop();  // wait_for_news and take_due return at once.

 private:
  // What one look writes, until it is on disk.
  struct Round {
    decide::Situation situation = {};
    std::vector<decide::Action> written = {};
    std::size_t let_go = 0;
  };

  // What a look is about: to be decided, and to be asked about.
  struct Matters {
    std::vector<Agenda::Due> due, facts;
  };
  void look_at(const Matters& matters);
  std::vector<incident::Incident> open_ones(const std::vector<Agenda::Due>& listed) const;
  bool facts_are_due(const incident::Incident& incident, Time now) const;
  std::optional<Time> facts_due_at(const incident::Incident& incident) const;
  void ask_about(const Matters& matters);
  incident::Facts facts_of(const incident::Incident& incident);
  decide::Situation situation_at(Time now, std::map<std::string, decide::Answered> answers);
  void decide_all(const decide::Policy& policy, const std::vector<Agenda::Due>& due,
                  PolicyAnswers::Answers answers);
  // Gives what may decide it otherwise.
  decide::Causes decide_one(const decide::Policy& policy, const incident::Incident& incident,
                            const PolicyAnswers::Answers& answers, act::Journal::Write& write,
                            Round& round);
  void take_decision(decide::Action action, const std::map<std::string, decide::Action>& held,
                     decide::Causes& causes, act::Journal::Write& write, Round& round);
  Duration held_every() const;
  void look_at_the_switch();
  void look_at_the_hour(const decide::Policy& policy, const decide::Situation& situation);
  // What waits for such an action is decided anew.
  void was_let_go(const decide::Action& action);
  void has_left(const decide::Action& action);  // It is no longer under way.
  std::vector<decide::Past> past_of(const incident::Incident& incident, Time since) const;
  void call_off_ended();
  void bring_up_all();
  void publish_state();
  ActiveActions::Gates gates() const;
  Result<decide::Action> by_person(const std::string& id,
                                   const std::function<Result<void>(decide::Action&, Time)>& word);

  const Settings settings_;
  const Clock& clock_;
  act::Journal& journal_;
  AgentMetrics& metrics_;
  Dependencies dependencies_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::condition_variable due_;
  bool has_news_ = true;
  bool stopping_ = false;
  PolicyPointer policy_;
  incident::IncidentBook book_;
  ActiveActions active_;
  struct {
    Agenda decisions, facts;  // What is to be decided, and what is to be asked about.
    // As they were when they were last looked at: who turns or passes them tells nobody.
    std::string paused;
    bool hour_is_full = false;
  } anew_;
  struct {
    PolicyAnswers policy;
    Silence facts;
  } answers_;  // Dispatcher thread only.
};

}  // namespace outrider
