// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the rooms meet: one lock around the incident book, the journal and the actions under way.
// SHELL; thread-safe. It decides nothing itself: incident/ says what an alert means, decide/ what
// is to be done and what an answer means; the dispatcher sees that everything is in the journal
// first.
//
//   webhook thread   receive()                     alerts -> incidents, committed before the 200
//   dispatcher thread   look()                        facts -> evidence -> decisions, committed
//   sender threads   take_due() … give_back()      intent committed before the request leaves
//
// After kill -9: restore() takes the journal's word. An action whose request may or may not have
// left is sent again with the same Idempotency-Key: at least once, and once for a receiver that
// honours the key.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "agent/act/journal.h"
#include "agent/decide/decision.h"
#include "agent/decide/delivery.h"
#include "agent/dispatch/metrics.h"
#include "agent/incident/incident_book.h"
#include "base/wire/alert_webhook.h"

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
  };
  // Asks the dependencies; called without the lock, from the dispatcher thread only.
  struct Dependencies {
    std::function<incident::Facts(const incident::Incident&, Time now)> facts;
    std::function<std::optional<double>(const std::string& promql)> value;
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
  std::vector<incident::Change> changes_since(Time since) const;
  void receive(const std::string& incident, incident::Diagnosis diagnosis,
               std::optional<incident::Slices> slices);

  void look();                         // One round over the open incidents.
  bool wait_for_news(Duration limit);  // Until something makes a look worthwhile, or the limit.

  // An action that is due, its attempt journalled; nothing when none came due within `limit`.
  std::optional<decide::Action> take_due(Duration limit);
  void give_back(decide::Action action, const decide::Answer& answer);
  void stop();  // wait_for_news and take_due return at once.

 private:
  struct Active {
    decide::Action action;
    bool busy = false;     // In a sender's hands.
    bool unsaved = false;  // The journal failed when it was given back; tried again at each look.
  };
  struct CachedAnswer {
    std::optional<double> value;
    Time asked_at;
  };

  void ask_about(const std::vector<incident::Incident>& incidents);
  decide::Answers answers_for(const decide::Policy& policy,
                              const std::vector<incident::Incident>& incidents);
  void decide_all(const decide::Policy& policy, const decide::Answers& answers);
  void decide_one(const decide::Policy& policy, const incident::Incident& incident,
                  const decide::Answers& answers, act::Journal::Write& write,
                  std::vector<decide::Action>& let_go);
  std::vector<decide::Past> past_of(const incident::Incident& incident, Time since) const;
  void call_off_ended();
  void save_unsaved();
  void save(act::Journal::Write& write, const decide::Action& action, decide::Outcome before,
            const std::string& event);
  void publish_state();
  void activate(decide::Action action);
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
  std::map<std::string, Active> active_;  // By action id.
  std::mt19937_64 random_{std::random_device{}()};
  std::map<std::string, CachedAnswer> answers_;  // Dispatcher thread only.
};

}  // namespace outrider
