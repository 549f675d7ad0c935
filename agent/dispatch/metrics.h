// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's own metrics. Thread-safe; series whose labels are known start at 0.

#include <array>
#include <cstdint>

#include "agent/act/journal.h"
#include "agent/decide/action.h"
#include "agent/incident/incident_book.h"
#include "base/wire/registry.h"

namespace outrider {

class AgentMetrics final : public wire::Collector {
 public:
  AgentMetrics();

  void count_webhook(bool accepted) { webhooks_[accepted]->Increment(); }
  void count_alert(incident::IncidentBook::What what) {
    alerts_[static_cast<std::size_t>(what)]->Increment();
  }
  // Of an incident that has ended: what it was made of.
  void observe_signals(const incident::Incident& incident);
  // From when an incident changed until the decision about it was on disk.
  void observe_decision(Duration delay) { decisions_.delay->Observe(to_seconds(delay)); }
  // `changed`: its incident has; else something else that the decision depends on.
  void count_decision(bool changed) { decisions_.made[changed]->Increment(); }
  void count_invalid_alert(bool is_limit) { alerts_invalid_[is_limit]->Increment(); }
  void count_truncated(std::uint64_t alerts) { truncated_->Increment(static_cast<double>(alerts)); }
  void count_change() { changes_->Increment(); }
  void count_outcome(decide::Kind kind, decide::Outcome outcome) {
    actions_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(outcome)]->Increment();
  }
  void count_attempt(int status);  // 0: no answer.
  void count_query(bool answered) { queries_[answered]->Increment(); }
  void count_diagnosis(bool named) { diagnoses_[named]->Increment(); }
  void count_journal_failure() { journal_.failures->Increment(); }
  void count_dropped(const std::array<act::Journal::Dropped, 3>& dropped);  // Of the journal.
  void set_journal_bytes(std::int64_t bytes) { journal_.bytes->Set(static_cast<double>(bytes)); }
  void count_turned_away() { decisions_.turned_away->Increment(); }
  void set_reload(bool succeeded, Time now);
  void set_state(std::size_t open_incidents, std::size_t active_actions, std::size_t awaiting);
  void set_dry_run(bool dry_run) { policy_.dry_run->Set(dry_run ? 1 : 0); }

  void collect(wire::MetricSink& sink) override { registry_.collect(sink); }

 private:
  using Counter = prometheus::Counter*;
  using Gauge = prometheus::Gauge*;
  void register_alerts();
  void register_actions();
  void register_policy();
  void register_journal();

  wire::Registry registry_;
  std::array<Counter, 2> webhooks_{}, alerts_invalid_{}, queries_{}, diagnoses_{};  // By the flag.
  std::array<Counter, incident::IncidentBook::what_count> alerts_{};
  std::array<std::array<Counter, decide::outcome_count>, decide::kind_count> actions_{};
  std::array<Counter, 6> attempts_{};  // none, 1xx … 5xx.
  struct {
    prometheus::Histogram *alerts = nullptr, *notifications = nullptr, *changes = nullptr;
  } signals_;
  Counter truncated_ = nullptr, changes_ = nullptr;
  struct {
    prometheus::Histogram* delay = nullptr;
    Counter turned_away = nullptr;
    std::array<Counter, 2> made{};
  } decisions_;
  struct {
    Counter failures = nullptr;
    Gauge bytes = nullptr;
    std::array<std::array<Counter, 3>, 3> dropped{};  // By limit, and what.
  } journal_;
  struct {
    Gauge open = nullptr, active = nullptr, awaiting = nullptr;
  } state_;
  struct {
    Gauge dry_run = nullptr, reload_succeeded = nullptr, reloaded_seconds = nullptr;
  } policy_;
};

}  // namespace outrider
