# SPDX-License-Identifier: Apache-2.0
"""What comes to the agent as a webhook: groups of which one alert cannot be taken, and Grafana's own alerting."""

import json

import pytest
from agent_program import Agent, alert, webhook
from processes import http, http_json

NAMELESS = {"status": "firing", "labels": {"job": "x"}, "annotations": {}, "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": ""}
WORDY = {**NAMELESS, "labels": {"alertname": "Wordy"}, "annotations": {"description": "x" * 20_000}}
TIMELESS = {**NAMELESS, "labels": {"alertname": "Timeless"}, "startsAt": "noon"}

# As Grafana 11 posts it, shortened.
GRAFANA = {
    "receiver": "outrider", "status": "firing", "orgId": 1, "version": "1", "groupKey": "{}:{alertname=\"Latency\"}", "truncatedAlerts": 2,
    "groupLabels": {"alertname": "Latency"}, "commonLabels": {"alertname": "Latency"}, "commonAnnotations": {},
    "externalURL": "http://grafana:3000/", "title": "[FIRING:1] Latency", "state": "alerting", "message": "**Firing**",
    "alerts": [{
        "status": "firing", "labels": {"alertname": "Latency", "grafana_folder": "models", "model_name": "house-price"},
        "annotations": {"summary": "slow"}, "startsAt": "2026-01-31T13:00:00.123456789+01:00", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://grafana:3000/alerting/grafana/x/view?orgId=1", "fingerprint": "57c6d9296de2ad39",
        "silenceURL": "http://grafana:3000/alerting/silence/new", "dashboardURL": "", "panelURL": "", "values": {"A": 1.5, "B": None},
        "valueString": "[ var='A' labels={} value=1.5 ]", "imageURL": "http://grafana:3000/x.png"}]}


@pytest.fixture
def agent(programs, agent_binary, tmp_path):
    return Agent(programs, agent_binary, tmp_path)


def post(agent, body):
    status, _, text = http("POST", f"{agent.admin}/api/v1/alerts", body)
    return status, json.loads(text)


def test_an_alert_that_cannot_be_taken_is_named_and_the_others_are_filed(agent):
    group = webhook(alert(), alert(name="ModelLatencyHigh"))
    group["alerts"][1:1] = [NAMELESS, WORDY, TIMELESS]
    status, answer = post(agent, group)
    assert status == 200
    assert answer["alerts"] == 2 and answer["results"] == {"opened": 2} and answer["invalid"] == 3
    assert [(e["index"], e["code"]) for e in answer["errors"]] == [(1, "bad_alert"), (2, "alert_limit"), (3, "bad_alert")]
    assert "alerts[1].labels: expected an alertname" in answer["errors"][0]["message"]
    assert "alerts[2].annotations.description: longer than 16384 bytes" in answer["errors"][1]["message"]
    assert {i["alert"] for i in agent.incidents()} == {"ModelAccuracyDropped", "ModelLatencyHigh"}
    metrics = agent.metrics()
    assert metrics.by("outrider_agent_alerts_invalid_total", "reason") == {"bad_alert": 2, "alert_limit": 1}
    assert metrics.by("outrider_agent_webhooks_total", "result") == {"accepted": 1, "refused": 0}


def test_a_group_of_which_nothing_can_be_taken_is_refused_and_counted(agent):
    status, answer = post(agent, {**webhook(), "alerts": [NAMELESS, TIMELESS]})
    assert status == 400 and answer["error"] == "bad_alert" and "alerts[0].labels" in answer["message"]
    assert agent.incidents() == []
    assert agent.metrics().sum("outrider_agent_alerts_invalid_total") == 2
    assert agent.metrics().by("outrider_agent_webhooks_total", "result") == {"accepted": 0, "refused": 1}
    assert post(agent, webhook())[0] == 200, "an empty group is no mistake"


def test_a_thousand_alerts_that_cannot_be_taken_make_a_short_answer(agent):
    group = webhook(alert())
    group["alerts"] += [NAMELESS] * 1000
    status, answer = post(agent, group)
    assert status == 200 and answer["invalid"] == 1000 and len(answer["errors"]) == 10
    assert agent.metrics().sum("outrider_agent_alerts_invalid_total") == 1000


def test_grafanas_webhook_opens_and_ends_an_incident(agent):
    status, answer = post(agent, GRAFANA)
    assert status == 200 and answer["results"] == {"opened": 1} and "errors" not in answer
    incident = agent.incidents()[0]
    assert incident["alert"] == "Latency" and incident["state"] == "open"
    shown = http_json("GET", f"{agent.admin}/api/v1/incidents/{incident['id']}")
    assert "2026-01-31T12:00:00.123Z" in json.dumps(shown)
    assert agent.metrics().sum("outrider_agent_alerts_truncated_total") == 2
    ended = {**GRAFANA["alerts"][0], "status": "resolved", "endsAt": "2026-01-31T13:05:00+01:00"}
    assert post(agent, {**GRAFANA, "status": "resolved", "state": "ok", "alerts": [ended]})[1]["results"] == {"resolved": 1}
    assert agent.incidents()[0]["state"] == "resolved"


def test_other_versions_are_refused_and_the_two_that_are_taken_named(agent):
    status, answer = post(agent, {**webhook(alert()), "version": "3"})
    assert status == 400 and 'expected "4" (Alertmanager\'s webhook) or "1" (Grafana\'s), got "3"' in answer["message"]
