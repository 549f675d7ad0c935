// SPDX-License-Identifier: Apache-2.0
#include "agent/dispatch/metrics.h"

namespace outrider {
namespace {

using incident::IncidentBook;
using wire::MetricSink;
using wire::MetricType;
using wire::SeriesKey;

void single(MetricSink& sink, const char* name, MetricType type, const char* help, double value) {
  sink.family({name, type, help});
  sink.value(SeriesKey(), value);
}

double number(const std::atomic<std::uint64_t>& count) {
  return static_cast<double>(count.load());
}

}  // namespace

void AgentMetrics::count_attempt(int status) {
  const int hundreds = status / 100;
  ++attempts_[static_cast<std::size_t>(hundreds >= 1 && hundreds <= 5 ? hundreds : 0)];
}

void AgentMetrics::set_reload(bool succeeded, Time now) {
  reload_succeeded_ = succeeded;
  if (succeeded) reloaded_seconds_ = to_seconds(now.time_since_epoch());
}

void AgentMetrics::set_state(std::size_t open_incidents, std::size_t active_actions,
                             std::size_t awaiting) {
  open_incidents_ = open_incidents;
  active_actions_ = active_actions;
  awaiting_ = awaiting;
}

void AgentMetrics::collect(MetricSink& sink) {
  sink.family({"outrider_agent_webhooks_total", MetricType::counter,
               "Webhooks of Alertmanager and Grafana received, by whether they were accepted."});
  sink.value(SeriesKey({{"result", "accepted"}}), number(webhooks_accepted_));
  sink.value(SeriesKey({{"result", "refused"}}), number(webhooks_refused_));

  sink.family({"outrider_agent_alerts_total", MetricType::counter,
               "Alerts in webhooks, by what they did to an incident."});
  for (std::size_t i = 0; i < alerts_.size(); ++i) {
    const auto what = static_cast<IncidentBook::What>(i);
    sink.value(SeriesKey({{"result", std::string(incident::name(what))}}), number(alerts_[i]));
  }
  sink.family({"outrider_agent_alerts_invalid_total", MetricType::counter,
               "Alerts in webhooks that could not be read, by what was wrong; the others of their "
               "webhook were taken."});
  sink.value(SeriesKey({{"reason", "bad_alert"}}), number(alerts_bad_));
  sink.value(SeriesKey({{"reason", "alert_limit"}}), number(alerts_past_limit_));
  single(sink, "outrider_agent_alerts_truncated_total", MetricType::counter,
         "Alerts that Alertmanager left out of its webhooks (max_alerts).",
         number(alerts_truncated_));
  single(sink, "outrider_agent_changes_total", MetricType::counter, "Change events taken in.",
         number(changes_));
  single(sink, "outrider_agent_incidents_open", MetricType::gauge, "Incidents that are open.",
         static_cast<double>(open_incidents_.load()));

  sink.family({"outrider_agent_actions_total", MetricType::counter,
               "Actions that came to an outcome; one action can pass through several."});
  for (std::size_t kind = 0; kind < actions_.size(); ++kind) {
    for (std::size_t outcome = 0; outcome < actions_[kind].size(); ++outcome) {
      sink.value(SeriesKey({{"action", std::string(decide::name(static_cast<decide::Kind>(kind)))},
                            {"outcome",
                             std::string(decide::name(static_cast<decide::Outcome>(outcome)))}}),
                 number(actions_[kind][outcome]));
    }
  }
  single(sink, "outrider_agent_actions_active", MetricType::gauge,
         "Actions that are queued, being sent, or whose job is watched.",
         static_cast<double>(active_actions_.load()));
  single(sink, "outrider_agent_actions_awaiting_approval", MetricType::gauge,
         "Actions that wait for a person.", static_cast<double>(awaiting_.load()));
  single(sink, "outrider_agent_actions_turned_away_total", MetricType::counter,
         "Actions not let go because too many were active.", number(actions_turned_away_));
  sink.family({"outrider_agent_action_attempts_total", MetricType::counter,
               "Requests sent to receivers, by class of the answer's status."});
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    sink.value(SeriesKey({{"status", i == 0 ? "none" : std::to_string(i) + "xx"}}),
               number(attempts_[i]));
  }

  single(sink, "outrider_agent_policy_dry_run", MetricType::gauge,
         "1 while the policy only recommends, or there is none.", dry_run_ ? 1 : 0);
  single(sink, "outrider_agent_policy_last_reload_successful", MetricType::gauge,
         "Whether the last attempt to load the policy succeeded.", reload_succeeded_ ? 1 : 0);
  single(sink, "outrider_agent_policy_last_reload_success_timestamp_seconds", MetricType::gauge,
         "When the policy at hand was loaded, in seconds since the epoch.", reloaded_seconds_);
  sink.family({"outrider_agent_prometheus_queries_total", MetricType::counter,
               "Questions put to Prometheus, by whether they were answered."});
  sink.value(SeriesKey({{"result", "answered"}}), number(queries_answered_));
  sink.value(SeriesKey({{"result", "failed"}}), number(queries_failed_));
  single(sink, "outrider_agent_journal_failures_total", MetricType::counter,
         "Writes to the journal that failed.", number(journal_failures_));
}

}  // namespace outrider
