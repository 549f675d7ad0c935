// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/metrics.h"

#include <string>

namespace outrider {

using incident::IncidentBook;

AgentMetrics::AgentMetrics() {
  register_alerts();
  register_actions();
  register_policy();
  register_journal();
  const auto query = [this](const char* result) {
    return &registry_.counter("outrider_agent_prometheus_queries_total",
                              "Questions put to Prometheus, by whether they were answered.",
                              {{"result", result}});
  };
  queries_ = {query("failed"), query("answered")};
  const auto diagnosis = [this](const char* verdict) {
    return &registry_.counter("outrider_agent_diagnoses_total",
                              "Diagnoses of open incidents, by their verdict.",
                              {{"verdict", verdict}});
  };
  diagnoses_ = {diagnosis("insufficient_evidence"), diagnosis("cause")};
  journal_.failures = &registry_.counter("outrider_agent_journal_failures_total",
                                         "Writes to the journal that failed.");
}

void AgentMetrics::register_alerts() {
  const auto webhook = [this](const char* result) {
    return &registry_.counter(
        "outrider_agent_webhooks_total",
        "Webhooks of Alertmanager and Grafana received, by whether they were accepted.",
        {{"result", result}});
  };
  webhooks_ = {webhook("refused"), webhook("accepted")};
  for (std::size_t i = 0; i < alerts_.size(); ++i) {
    const std::string result(incident::name(static_cast<IncidentBook::What>(i)));
    alerts_[i] = &registry_.counter("outrider_agent_alerts_total",
                                    "Alerts in webhooks, by what they did to an incident.",
                                    {{"result", result}});
  }
  const auto invalid = [this](const char* reason) {
    return &registry_.counter(
        "outrider_agent_alerts_invalid_total",
        "Alerts in webhooks that could not be read, by what was wrong; the others of their webhook "
        "were taken.",
        {{"reason", reason}});
  };
  alerts_invalid_ = {invalid("bad_alert"), invalid("alert_limit")};
  truncated_ =
      &registry_.counter("outrider_agent_alerts_truncated_total",
                         "Alerts that Alertmanager left out of its webhooks (max_alerts).");
  changes_ = &registry_.counter("outrider_agent_changes_total", "Change events taken in.");
  const auto signals = [this](const char* kind) {
    return &registry_.counts(
        "outrider_agent_incident_signals",
        "What an incident was made of when it ended: alerts (told apart by their labels), "
        "notifications of them with repeats and copies, changes near it.",
        {{"kind", kind}});
  };
  signals_ = {signals("alerts"), signals("notifications"), signals("changes")};
  state_.open = &registry_.gauge("outrider_agent_incidents_open", "Incidents that are open.");
}

void AgentMetrics::register_actions() {
  for (std::size_t kind = 0; kind < actions_.size(); ++kind) {
    for (std::size_t outcome = 0; outcome < actions_[kind].size(); ++outcome) {
      actions_[kind][outcome] = &registry_.counter(
          "outrider_agent_actions_total",
          "Actions that came to an outcome; one action can pass through several.",
          {{"action", std::string(decide::name(static_cast<decide::Kind>(kind)))},
           {"outcome", std::string(decide::name(static_cast<decide::Outcome>(outcome)))}});
    }
  }
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    attempts_[i] =
        &registry_.counter("outrider_agent_action_attempts_total",
                           "Requests sent to receivers, by class of the answer's status.",
                           {{"status", i == 0 ? "none" : std::to_string(i) + "xx"}});
  }
  decisions_.delay =
      &registry_.latency("outrider_agent_decision_delay_seconds",
                         "From when an incident changed until the decision about it was on disk.");
  const auto made = [this](const char* cause) {
    return &registry_.counter(
        "outrider_agent_decisions_total",
        "Decisions about open incidents: as the incident changed, or anew, as something else did "
        "that holds one of its actions back.",
        {{"cause", cause}});
  };
  decisions_.made = {made("anew"), made("changed")};
  decisions_.turned_away = &registry_.counter("outrider_agent_actions_turned_away_total",
                                              "Actions not let go because too many were active.");
  state_.active = &registry_.gauge("outrider_agent_actions_active",
                                   "Actions that are queued, being sent, or whose job is watched.");
  state_.awaiting = &registry_.gauge("outrider_agent_actions_awaiting_approval",
                                     "Actions that wait for a person.");
}

void AgentMetrics::register_policy() {
  policy_.dry_run = &registry_.gauge("outrider_agent_policy_dry_run",
                                     "1 while the policy only recommends, or there is none.");
  policy_.reload_succeeded =
      &registry_.gauge("outrider_agent_policy_last_reload_successful",
                       "Whether the last attempt to load the policy succeeded.");
  policy_.reloaded_seconds =
      &registry_.gauge("outrider_agent_policy_last_reload_success_timestamp_seconds",
                       "When the current policy was loaded, in seconds since the epoch.");
  policy_.dry_run->Set(1);
  policy_.reload_succeeded->Set(1);
}

void AgentMetrics::register_journal() {
  journal_.bytes = &registry_.gauge("outrider_agent_journal_bytes",
                                    "What the journal takes on disk, without what was freed.");
  constexpr std::array limits = {"age", "count", "bytes"};
  constexpr std::array what = {"incident", "action", "change"};
  for (std::size_t i = 0; i < limits.size(); ++i) {
    for (std::size_t j = 0; j < what.size(); ++j) {
      journal_.dropped[i][j] =
          &registry_.counter("outrider_agent_journal_dropped_total",
                             "What has ended and was dropped from the journal, by the limit.",
                             {{"limit", limits[i]}, {"what", what[j]}});
    }
  }
}

void AgentMetrics::count_dropped(const std::array<act::Journal::Dropped, 3>& dropped) {
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    const std::array counts = {dropped[i].incidents, dropped[i].actions, dropped[i].changes};
    for (std::size_t j = 0; j < counts.size(); ++j)
      journal_.dropped[i][j]->Increment(static_cast<double>(counts[j]));
  }
}

void AgentMetrics::observe_signals(const incident::Incident& incident) {
  signals_.alerts->Observe(static_cast<double>(incident.members.size()));
  signals_.notifications->Observe(static_cast<double>(incident.notifications));
  signals_.changes->Observe(static_cast<double>(incident.changes.size()));
}

void AgentMetrics::count_attempt(int status) {
  const int hundreds = status / 100;
  attempts_[static_cast<std::size_t>(hundreds >= 1 && hundreds <= 5 ? hundreds : 0)]->Increment();
}

void AgentMetrics::set_reload(bool succeeded, Time now) {
  policy_.reload_succeeded->Set(succeeded ? 1 : 0);
  if (succeeded) policy_.reloaded_seconds->Set(to_seconds(now.time_since_epoch()));
}

void AgentMetrics::set_state(std::size_t open_incidents, std::size_t active_actions,
                             std::size_t awaiting) {
  state_.open->Set(static_cast<double>(open_incidents));
  state_.active->Set(static_cast<double>(active_actions));
  state_.awaiting->Set(static_cast<double>(awaiting));
}

}  // namespace outrider
