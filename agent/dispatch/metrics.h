// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent's own metrics. Thread-safe: counters are atomic; known series start at 0.

#include <array>
#include <atomic>
#include <mutex>

#include "agent/decide/action.h"
#include "agent/incident/incident_book.h"
#include "base/wire/exposition.h"

namespace outrider {

class AgentMetrics final : public wire::Collector {
 public:
  void count_webhook(bool accepted) { ++(accepted ? webhooks_accepted_ : webhooks_refused_); }
  void count_alert(incident::IncidentBook::What what) { ++alerts_[static_cast<std::size_t>(what)]; }
  void count_invalid_alert(bool is_limit) { ++(is_limit ? alerts_past_limit_ : alerts_bad_); }
  void count_truncated(std::uint64_t alerts) { alerts_truncated_ += alerts; }
  void count_change() { ++changes_; }
  void count_outcome(decide::Kind kind, decide::Outcome outcome) {
    ++actions_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(outcome)];
  }
  void count_attempt(int status);  // 0: no answer.
  void count_query(bool answered) { ++(answered ? queries_answered_ : queries_failed_); }
  void count_journal_failure() { ++journal_failures_; }
  void count_turned_away() { ++actions_turned_away_; }
  void set_reload(bool succeeded, Time now);
  void set_state(std::size_t open_incidents, std::size_t active_actions, std::size_t awaiting);
  void set_dry_run(bool dry_run) { dry_run_ = dry_run; }

  void collect(wire::MetricSink& sink) override;

 private:
  using Count = std::atomic<std::uint64_t>;
  Count webhooks_accepted_{0}, webhooks_refused_{0}, alerts_truncated_{0}, changes_{0};
  Count alerts_bad_{0}, alerts_past_limit_{0};
  Count queries_answered_{0}, queries_failed_{0}, journal_failures_{0}, actions_turned_away_{0};
  std::array<Count, 9> alerts_{};
  std::array<std::array<Count, 5>, 5> actions_{};
  std::array<Count, 6> attempts_{};  // none, 1xx … 5xx.
  std::atomic<std::size_t> open_incidents_{0}, active_actions_{0}, awaiting_{0};
  std::atomic<bool> reload_succeeded_{true}, dry_run_{true};
  std::atomic<double> reloaded_seconds_{0};
};

}  // namespace outrider
