# SPDX-License-Identifier: Apache-2.0
"""Agent: what it was told, what it made of it, what it did, and whether it is well itself."""

import functools

from parts import (
    ANY_IS_BAD,
    BLUE,
    GREEN,
    GREY,
    OF_POD,
    ORANGE,
    POD,
    PODS,
    RED,
    YELLOW,
    Board,
    fixed,
    only_of,
    query,
    stat,
    steps,
    timeseries,
    variables,
    words,
)

OUTCOMES = [fixed("/succeeded|accepted/", GREEN), fixed("/failed|undone|handed_over/", RED), fixed("/sent/", BLUE),
            fixed("/recommended/", YELLOW), fixed("/suppressed|expired/", GREY)]


of_agents = functools.partial(only_of, "outrider_agent_incidents_open")


def counted(metric, by, more=""):
    """Whole events in the rate interval before each point: one that comes alone is as high as 1, and that wide."""
    return query(f"round(sum by ({by}) (increase({metric}{{{PODS}{more}}}[$__rate_interval])))",
                 OF_POD if by == POD else f"{{{{{by}}}}}")


def now():
    return [
        (stat("Open incidents", "Incidents that are not resolved. The agent's own page shows their evidence.", "none",
              query(f"sum(outrider_agent_incidents_open{{{PODS}}})"), steps((GREEN, None), (ORANGE, 1)), 0), 4),
        (stat("Wait for a person", "Actions that the policy lets nobody but a person release. Approve or reject them on the agent's "
              "page.", "none", query(f"sum(outrider_agent_actions_awaiting_approval{{{PODS}}})"),
              steps((GREEN, None), (ORANGE, 1)), 0), 4),
        (stat("Failed actions", "Actions that came to nothing, were taken back or were handed to a person in the shown time. "
              "The agent's page says why.", "none",
              query(f'round(sum(increase(outrider_agent_actions_total{{{PODS}, outcome=~"failed|undone|handed_over"}}[$__range])))', instant=True),
              ANY_IS_BAD, 0, line=False), 4),
        (stat("Policy", "Not loaded: the file has mistakes and an older policy is in force.", "none",
              query(f"min(outrider_agent_policy_last_reload_successful{{{PODS}}})"),
              mappings=words({0: ("not loaded", RED), 1: ("loaded", GREEN)}), line=False), 4),
        (stat("Does the agent act?", "In a dry run, and without a policy, it only recommends.", "none",
              query(f"max(outrider_agent_policy_dry_run{{{PODS}}})"),
              mappings=words({0: ("acts", GREEN), 1: ("only recommends", BLUE)}), line=False), 4),
        (stat("Journal failures", "Writes to the journal that failed in the shown time. While they fail the agent files no incident "
              "and does nothing.", "none",
              query(f"round(sum(increase(outrider_agent_journal_failures_total{{{PODS}}}[$__range])))", instant=True),
              ANY_IS_BAD, 0, line=False), 4),
    ]


def incidents():
    return [
        (timeseries("Open incidents", "How many incidents were open at a time, by agent.", "none",
                    query(f"sum by ({POD}) (outrider_agent_incidents_open{{{PODS}}})", OF_POD), high=2, fill=30), 12),
        (timeseries("What alerts did", "Alerts from Alertmanager by what they did to an incident. Many opened and few joined: the "
                    "grouping of Alertmanager or the agent is too fine.", "none",
                    counted("outrider_agent_alerts_total", "result"), stacked=True, bars=True, high=1,
                    colours=[fixed("/^opened/", RED), fixed("/reopened/", ORANGE), fixed("/^resolved/", GREEN),
                             fixed("/refused/", "purple"), fixed("/repeated/", GREY)]), 12),
        (timeseries("Alerts in, incidents out", "Alerts that came in an hour, repeats and copies among them, and how many incidents "
                    "they opened: the noise that nobody had to read.", "none",
                    [query(f"sum(increase(outrider_agent_alerts_total{{{PODS}}}[1h]))", "alerts"),
                     query(f'sum(increase(outrider_agent_alerts_total{{{PODS}, result="opened"}}[1h]))', "incidents")], high=2), 12),
        (timeseries("Signals of an incident", "What the incidents that ended in a day were made of, on average: alerts told apart by "
                    "their labels, notifications with repeats, changes near them.", "none",
                    query(f"""sum by (kind) (increase(outrider_agent_incident_signals_sum{{{PODS}}}[1d]))
                        / (sum by (kind) (increase(outrider_agent_incident_signals_count{{{PODS}}}[1d])) > 0)""", "{{kind}}"), high=2), 12),
    ]


def actions():
    return [
        (timeseries("Outcomes of actions", "Actions by what they came to; one action passes through several.", "none",
                    counted("outrider_agent_actions_total", "outcome"), stacked=True, bars=True, high=1, colours=OUTCOMES), 8),
        (timeseries("Kinds of actions", "What was asked for: retrain, scale, rollback, ticket, notify.", "none",
                    counted("outrider_agent_actions_total", "action", ', outcome=~"recommended|sent"'), stacked=True, bars=True,
                    high=1), 8),
        (timeseries("Answers of receivers", "Requests to receivers by the class of their answer; none: nobody answered.", "none",
                    counted("outrider_agent_action_attempts_total", "status"), stacked=True, bars=True, high=1,
                    colours=[fixed("/2xx/", GREEN), fixed("/4xx/", ORANGE), fixed("/5xx/", RED), fixed("/none/", "purple")]), 8),
        (timeseries("Under way and waiting", "Actions that are queued, being sent or watched, and those that wait for a person.",
                    "none", [query(f"sum(outrider_agent_actions_active{{{PODS}}})", "under way"),
                             query(f"sum(outrider_agent_actions_awaiting_approval{{{PODS}}})", "wait for a person")], high=2), 12),
        (timeseries("Turned away", "Actions not let go because too many were active. Not zero: the receivers are too slow, or the "
                    "policy asks for too much.", "none",
                    counted("outrider_agent_actions_turned_away_total", POD), high=1), 12),
    ]


def intake():
    return [
        (timeseries("Webhooks", "Notifications of Alertmanager. Refused: the agent could not write them down; Alertmanager tries "
                    "again.", "none", counted("outrider_agent_webhooks_total", "result"), stacked=True, bars=True, high=1,
                    colours=[fixed("/accepted/", GREEN), fixed("/refused/", RED)]), 8),
        (timeseries("Alerts that were left out", "Alerts that Alertmanager cut from its notifications (max_alerts).", "none",
                    counted("outrider_agent_alerts_truncated_total", POD), high=1), 8),
        (timeseries("Changes", "Deployments, promotions and other changes that the agent was told of.", "none",
                    counted("outrider_agent_changes_total", POD), bars=True, high=1), 8),
        (timeseries("Questions to Prometheus", "Questions by whether they were answered. An unanswered one leaves a gap in an incident's "
                    "evidence.", "none", counted("outrider_agent_prometheus_queries_total", "result"), stacked=True, bars=True, high=1,
                    colours=[fixed("/answered/", GREEN), fixed("/failed/", RED)]), 8),
        (timeseries("Requests with labels to sidecars", "Labels that came through the agent go to every sidecar. Failed: a sidecar did "
                    "not answer.", "reqps",
                    query(f"sum by (outcome) (rate(outrider_agent_label_questions_total{{{PODS}}}[$__rate_interval]))",
                          "{{outcome}}"), stacked=True, colours=[fixed("/answered/", GREEN), fixed("/failed/", RED)]), 8),
        (timeseries("Labels that nobody knew", "Labels through the agent that no sidecar could use, and (unavailable) those refused "
                    "because not every sidecar answered.", "cps",
                    [query(f"sum by (result) {of_agents('rate(outrider_labels_total', '[$__rate_interval])')}", "{{result}}"),
                     query(f"sum(rate(outrider_agent_labels_unavailable_total{{{PODS}}}[$__rate_interval]))", "unavailable")],
                    high=0.1), 8),
    ]


def series():
    return [
        (timeseries("Samples written to the agent", "Samples a second that senders (Prometheus, sidecars) wrote and the agent stored, and "
                    "those that it refused. AgentRemoteWriteRefusing fires at 1 %.", "cps",
                    [query(f"sum(rate(outrider_agent_remote_write_samples_total{{{PODS}}}[$__rate_interval]))", "stored"),
                     query(f"sum(rate(outrider_agent_remote_write_refused_total{{{PODS}}}[$__rate_interval]))", "refused")],
                    stacked=True, colours=[fixed("/stored/", GREEN), fixed("/refused/", RED)]), 8),
        (timeseries("Refused samples by reason", "series_limit: write less to it, or shard. out_of_order, duplicate_timestamp: two senders "
                    "write the same series.", "cps",
                    query(f"sum by (reason) (rate(outrider_agent_remote_write_refused_total{{{PODS}}}[$__rate_interval]))",
                          "{{reason}}"), stacked=True, high=0.1), 8),
        (timeseries("Series known, share of the limit", "At 100 % new series take the place of those that were silent longest.",
                    "percentunit",
                    query(f"""sum by ({POD}) (outrider_agent_series{{{PODS}}})
                        / sum by ({POD}) (outrider_agent_series_limit{{{PODS}}})""", OF_POD), high=0.1), 8),
    ]


def health():
    return [
        (timeseries("Journal failures", "Failed writes to the journal, by agent. Not zero: the disk is full, read-only or damaged.",
                    "none", counted("outrider_agent_journal_failures_total", POD), high=1), 8),
        (timeseries("Memory", "Resident memory, by agent.", "bytes",
                    query(f"sum by ({POD}) {of_agents('process_resident_memory_bytes')}", OF_POD)), 8),
        (timeseries("CPU", "Processor time, by agent; 1 is one core.", "none",
                    query(f"sum by ({POD}) {of_agents('rate(process_cpu_seconds_total', '[$__rate_interval])')}", OF_POD),
                    high=0.1), 8),
    ]


def board():
    agent = Board("outrider-agent", "Outrider / Agent", "What the agent was told, what it made of it, what it did.",
                  variables("outrider_agent_incidents_open"))
    agent.row(None, 4, now())
    agent.row("Incidents", 7, incidents())
    agent.row("Actions", 7, actions())
    agent.row("What comes in", 7, intake())
    agent.row("Remote write to the agent", 7, series())
    agent.row("The agent itself", 6, health())
    return agent
