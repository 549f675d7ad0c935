# SPDX-License-Identifier: Apache-2.0
"""The agent beside a real Alertmanager: one incident for many notifications, one action for an incident,
whatever is killed in between."""

import json
import os
import random
import re
import string
import subprocess
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agent_program import Agent, Alertmanager, alert, live_policy, stamp, webhook
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import Program


class Exporter:
    """The /metrics of a sidecar whose model has just lost accuracy, or has not."""

    def __init__(self):
        self.fallen, self.in_service, self.right, self.wrong = False, True, 0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                text = outer.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.changed_at = round(time.time()) - 19.5  # Exact in binary: it travels as text.
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def text(self):
        if self.fallen:
            self.right, self.wrong = self.right + 18, self.wrong + 7
        model = 'model_name="house-price",model_version="v1"'
        lines = [f'outrider_outcomes_total{{{model},correct="true"}} {self.right}',
                 f'outrider_outcomes_total{{{model},correct="false"}} {self.wrong}',
                 f"outrider_outcomes_newest_prediction_timestamp_seconds{{{model}}} {self.changed_at:.3f}",
                 'outrider_model_info{model_name="house-price",owner="homes",team="core"} 1',
                 f"outrider_accuracy_reference_ratio{{{model}}} 0.9512",
                 f"outrider_accuracy_evidence_threshold{{{model}}} 6",
                 f"outrider_accuracy_alarm{{{model}}} {int(self.fallen)}",
                 f'outrider_drift_score{{{model},subject="size",test="psi"}} 0.013']
        lines += [f'outrider_drift_verdict{{{model},subject="size",state="{state}"}} {int(state == "stable")}'
                  for state in ("warming_up", "stable", "warning", "drift")]
        if self.in_service:  # ln L of bets on 10 and 30 % wrong, against 6 %.
            lines += [f'outrider_accuracy_bet_log_weight{{{model},bet="{bet}",correct="{correct}"}} {weight}'
                      for bet, weights in enumerate(((-0.0435, 0.5108), (-0.2948, 1.6094)))
                      for correct, weight in zip(("true", "false"), weights)]
        return "\n".join(lines) + "\n"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_the_whole_way_from_metrics_over_the_rules_to_a_retraining(programs, agent_binary, tmp_path, receiver):
    """Real Prometheus with the shipped rules, real Alertmanager, the demo's settings and policy; the model's place is known."""
    exporter = Exporter()
    prometheus_port = free_port()
    policy = string.Template((ROOT / "demo" / "policy.yaml").read_text()).substitute(predictor=receiver.url)
    agent = Agent(programs, agent_binary, tmp_path, policy,
                  options=["--prometheus.url", f"http://127.0.0.1:{prometheus_port}"])
    alertmanager = Alertmanager(programs, tmp_path, agent)
    configuration = tmp_path / "prometheus.yml"
    target = '      - targets: ["${sidecar}"]\n'
    scrape = (ROOT / "demo" / "prometheus.yml").read_text().replace(target, target + "        labels: {cluster: eu, namespace: shop}\n")
    configuration.write_text(string.Template(scrape).substitute(
        rules=ROOT / "alerts", alertmanager=alertmanager.admin[7:], agent=agent.admin[7:],
        sidecar=exporter.address, predictor=agent.admin[7:]))
    try:
        Program(programs, "prometheus", [
            "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}"], f"http://127.0.0.1:{prometheus_port}")
        time.sleep(4)
        assert agent.incidents() == []
        exporter.fallen, started = True, time.monotonic()
        wait_for("an incident", agent.incidents, 30)
        action = agent.action_when("accepted", seconds=30)
        print(f"from the metrics to the finished action: {time.monotonic() - started:.1f} s")
        incident = agent.incidents()[0]
        assert incident["summary"] == ("accuracy of house-price v1 fell from 95% to 72%; inputs unchanged, "
                                       "relation changed: concept drift")
        assert [incident[key] for key in ("cluster", "namespace", "workload", "owner")] == ["eu", "shop", "outrider-sidecar", "homes"]
        assert incident["labels"]["team"] == "core"
        assert "Runs as shop/outrider-sidecar in eu. Owner: homes." in [line["text"] for line in incident["evidence"]]
        assert incident["since"] == stamp(datetime.fromtimestamp(round(exporter.changed_at, 3), UTC))
        assert "Inputs unchanged, relation changed: concept drift (1 input judged, largest PSI 0.013 (size))." in [
            line["text"] for line in incident["evidence"]]
        body = receiver.requests[0][2]
        assert body["since"] == incident["since"] and body["version"] == "v1" and body["reason"] == incident["summary"]
        assert action["kind"] == "retrain" and action["cluster"] == "eu" and action["version"] == "v1"
        assert len(agent.incidents()) == 1
        exporter.in_service = False  # As a sidecar's monitor has it when another version took over.
        wait_for("the incident closed", lambda: agent.incidents()[0]["state"] == "resolved", 60)
        assert len(receiver.requests) == 1
    finally:
        exporter.close()


def test_an_alert_becomes_an_incident_a_request_and_a_closed_incident(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver))
    alertmanager = Alertmanager(programs, tmp_path, agent)
    fired = alert()
    for _ in range(5):  # As Prometheus does, again and again.
        alertmanager.post(fired)
        time.sleep(0.3)
    action = agent.action_when("accepted")
    assert action["reason"] == "the job succeeded: v2 promoted; not verified, as the rule has no 'verify'"
    assert [entry["text"] for entry in action["history"]][:2] == ["queued: the policy allows it", "attempt 1 begins"]
    (_, key, body, headers), = receiver.requests
    assert key == action["idempotency_key"] == body["idempotency_key"]
    assert body["model"] == "house-price" and body["version"] == "v1" and body["since"] == "2026-01-31T11:59:00.000Z"
    assert headers["Content-Type"] == "application/json"
    incident, = agent.incidents()
    assert incident["state"] == "open" and incident["id"] == body["incident"]
    assert "fell from 95% to 72%" in incident["summary"]
    alertmanager.post({**fired, "endsAt": stamp(datetime.now(UTC))})
    wait_for("the incident closed", lambda: agent.incidents()[0]["state"] == "resolved", 20)
    one = http_json("GET", f"{agent.admin}/api/v1/incidents/{incident['id']}")
    assert one["actions"][0]["outcome"] == "accepted"


def test_two_alertmanagers_and_five_pods_are_one_incident_and_one_action(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver))
    gossip = free_port()
    first = Alertmanager(programs, tmp_path, agent, "am-1", cluster=gossip)
    second = Alertmanager(programs, tmp_path, agent, "am-2", cluster=free_port(), peer=gossip)
    alone = Alertmanager(programs, tmp_path, agent, "am-3")  # One that hears nothing of the others.
    alerts = [alert(pod=f"pod-{i}") for i in range(5)]
    for round_ in range(3):
        for which in (first, second, alone):
            which.post(*alerts)
        time.sleep(0.5)
    agent.action_when("accepted")

    def heard_of():
        return agent.metrics().sum("outrider_agent_webhooks_total", result="accepted")

    wait_for("webhooks of more than one Alertmanager", lambda: heard_of() >= 2, 30)
    wait_for("all five pods", lambda: len(agent.incidents()[0]["alerts"]) == 5, 10)
    assert len(agent.incidents()) == 1
    assert len(receiver.requests) == 1
    ended = [{**a, "endsAt": stamp(datetime.now(UTC))} for a in alerts]
    for which in (first, second, alone):
        which.post(*ended)
    wait_for("the incident closed", lambda: agent.incidents()[0]["state"] == "resolved", 40)
    time.sleep(2)
    assert [i["state"] for i in agent.incidents()] == ["resolved"]
    assert len(receiver.requests) == 1


def test_one_model_name_in_two_clusters_is_two_incidents_two_requests_and_two_cool_downs(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver, per_day=1))
    alertmanager = Alertmanager(programs, tmp_path, agent)

    def fired(cluster, ended=False, minutes_ago=0.0):
        one = alert(ended=ended, minutes_ago=minutes_ago)
        return {**one, "labels": one["labels"] | {"cluster": cluster, "namespace": "shop", "job": "rent", "owner": f"team-{cluster}"}}
    alertmanager.post(fired("eu"))
    agent.action_when("accepted")
    alertmanager.post(fired("eu"), fired("us"))
    wait_for("the other cluster's request", lambda: len(receiver.requests) == 2, 20)
    bodies = {body["cluster"]: body for _, _, body, _ in receiver.requests}
    assert set(bodies) == {"eu", "us"} and len(set(receiver.keys())) == 2
    for cluster, body in bodies.items():
        assert [body[key] for key in ("namespace", "workload", "model", "version", "owner")] == [
            "shop", "rent", "house-price", "v1", f"team-{cluster}"]
    assert sorted((i["cluster"], i["owner"]) for i in agent.incidents()) == [("eu", "team-eu"), ("us", "team-us")]
    # A second incident of eu's model is in eu's cool-down, over a restart too; us is not asked.
    agent.stop()
    agent.start()
    other = fired("eu")
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook({**other, "labels": other["labels"] | {"model_version": "v2"}}))
    held = agent.action_when("suppressed")
    assert held["reason"].startswith("cool-down of 30m after the last retrain") and held["cluster"] == "eu"
    page = http("GET", agent.admin + "/")[2]
    assert "shop/rent in eu · owner team-eu" in page and "shop/rent in us · owner team-us" in page


def test_a_dry_run_and_no_policy_at_all_send_nothing(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver).replace("dry_run: false", "dry_run: true"))
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))
    action = agent.action_when("recommended")
    assert action["reason"] == "dry run: the policy sends nothing"
    status, _, text = http("POST", f"{agent.admin}/api/v1/actions/{action['id']}/approve", {"by": "ada"})
    assert status == 409 and "nothing waits" in text
    agent.stop()
    (tmp_path / "other").mkdir()
    bare = Agent(programs, agent_binary, tmp_path / "other")
    http_json("POST", f"{bare.admin}/api/v1/alerts", webhook(alert()))
    time.sleep(3)
    assert len(bare.incidents()) == 1 and bare.actions() == []
    assert receiver.requests == []


def test_past_the_breaker_a_person_decides(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver, per_day=1, cooldown="0s"))
    for number in range(3):  # Three incidents of one model.
        http_json("POST", f"{agent.admin}/api/v1/alerts",
                  webhook({**alert(), "labels": alert()["labels"] | {"shard": str(number)}}))
    waiting = wait_for("two that wait", lambda: (w := [a for a in agent.actions() if a["needs_approval"]])
                       and len(w) == 2 and w, 20)
    assert all("breaker: 1 automatic" in a["reason"] for a in waiting)
    wait_for("one request", lambda: len(receiver.requests) == 1, 10)
    wait_for("both in the metric", lambda: agent.metrics().sum("outrider_agent_actions_awaiting_approval") == 2, 10)
    yes, no = waiting
    assert http("POST", f"{agent.admin}/api/v1/actions/{yes['id']}/approve", {})[0] == 400
    foreign = {"Origin": "http://evil.example"}
    assert http("POST", f"{agent.admin}/api/v1/actions/{yes['id']}/approve", {"by": "x"}, foreign)[0] == 403
    assert http("POST", f"{agent.admin}/api/v1/actions/none/approve", {"by": "x"})[0] == 404
    http_json("POST", f"{agent.admin}/api/v1/actions/{yes['id']}/approve", {"by": "ada"})
    http_json("POST", f"{agent.admin}/api/v1/actions/{no['id']}/reject", {"by": "bob", "why": "known"})
    wait_for("the approved one sent", lambda: yes["idempotency_key"] in receiver.keys(), 10)
    done = {a["id"]: a for a in agent.actions()}
    assert done[no["id"]]["outcome"] == "suppressed" and done[no["id"]]["reason"] == "rejected by bob: known"
    assert len(receiver.requests) == 2


def test_the_page_shows_what_is_and_takes_a_decision_without_script(programs, agent_binary, tmp_path, receiver):
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver, approval="required"))
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert(model="<b>house</b>")))
    wait_for("a form", lambda: "/approve" in http("GET", agent.admin + "/actions")[2], 20)
    status, headers, page = http("GET", agent.admin + "/actions")
    assert status == 200 and "<b>house" not in page and "&lt;b&gt;house" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    path = re.search(r'action="(/api/v1/actions/[^"]+/approve)"', page).group(1)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": agent.admin}
    # The redirect back to the page is followed.
    status, _, page = http("POST", agent.admin + path, b"by=ada+l%26ovelace", form)
    assert status == 200 and "approved by ada l&amp;ovelace" in page
    wait_for("the request", lambda: len(receiver.requests) == 1, 10)


def test_a_failing_receiver_is_asked_again_with_the_same_key(programs, agent_binary, tmp_path, receiver):
    receiver.answers = [(503, [("Retry-After", "1")]), (500, []), (429, [("Retry-After", "2")])]
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver))
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))
    assert agent.action_when("accepted", seconds=30)["attempts"] == 4
    assert len(set(receiver.keys())) == 1 and len(receiver.keys()) == 4
    times = [when for when, *_ in receiver.requests]
    assert times[1] - times[0] >= 0.95 and times[3] - times[2] >= 1.95
    attempts = agent.metrics().by("outrider_agent_action_attempts_total", "status")
    assert attempts["5xx"] == 2 and attempts["4xx"] == 1 and attempts["2xx"] == 1


def test_a_refusal_is_final(programs, agent_binary, tmp_path, receiver):
    receiver.answers = [(422, [])]
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver))
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))
    assert agent.action_when("failed")["reason"] == "refused, HTTP 422: as you wish"
    time.sleep(3)
    assert len(receiver.requests) == 1


@pytest.mark.timeout(240)
def test_kill_9_at_random_moments_loses_no_incident_and_gives_each_one_key(programs, agent_binary, tmp_path, receiver):
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "7"))
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver, per_day=1000))
    models = [f"model-{i}" for i in range(60)]
    accepted = set()
    ending = threading.Event()

    def notify():  # As Alertmanager does: until it is accepted, and then again.
        mine = random.Random(11)
        while not ending.is_set():
            missing = [m for m in models if m not in accepted]
            model = mine.choice(missing or models)
            try:
                http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alerts[model]), timeout=5)
                accepted.add(model)
            except Exception:  # The agent is dead just now.
                pass
            time.sleep(0.05)

    alerts = {model: alert(model=model) for model in models}
    sender = threading.Thread(target=notify)
    sender.start()
    try:
        for _ in range(20):
            time.sleep(chance.uniform(0.02, 0.5))
            agent.kill()
            agent.start()
        wait_for("every alert accepted", lambda: len(accepted) == len(models), 60)
        wait_for("every action done", lambda: sum(a["outcome"] == "accepted" for a in
                 http_json("GET", f"{agent.admin}/api/v1/actions?limit=1000")["actions"]) == len(models), 60)
    finally:
        ending.set()
        sender.join()
    actions = http_json("GET", f"{agent.admin}/api/v1/actions?limit=1000")["actions"]
    incidents = http_json("GET", f"{agent.admin}/api/v1/incidents?limit=1000")["incidents"]
    assert sorted(i["model"] for i in incidents) == sorted(models)
    assert sorted(a["model"] for a in actions) == sorted(models)
    keys = {}
    for _, key, body, _ in receiver.requests:
        keys.setdefault(body["model"], set()).add(key)
    assert {model: len(k) for model, k in keys.items()} == {model: 1 for model in models}
    repeats = len(receiver.requests) - len(models)
    print(f"20 kills, {len(models)} actions, {repeats} sent again with their key")
    # Sent again only where a kill fell between the request and its journalled answer, at most 4 senders a kill.
    assert repeats <= 80
    again = sum("the same idempotency key" in entry["text"] for a in actions for entry in a["history"])
    assert again >= repeats


def test_a_restart_in_the_middle_of_a_job_goes_on_watching(programs, agent_binary, tmp_path, receiver):
    receiver.looks = {}
    policy = live_policy(receiver).replace("every: 100ms", "every: 1s")
    agent = Agent(programs, agent_binary, tmp_path, policy)
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))
    wait_for("a watched job", lambda: any(a["stage"] == "watching" for a in agent.actions()), 10)
    assert agent.stop() == 0
    agent.start()
    assert agent.action_when("accepted")["attempts"] == 1
    assert len(receiver.requests) == 1


def test_a_bad_policy_stops_the_start_and_not_a_reload(programs, agent_binary, tmp_path, receiver):
    bad = "dry_runn: 1\nrules:\n  - name: A B\n    action: dance\n    webhook: {url: 'x', body: '{{ modell }}'}\n"
    (tmp_path / "bad.yaml").write_text(bad)
    started = subprocess.run([agent_binary, "--data.dir", tmp_path / "none", "--web.listen-address", "127.0.0.1:0",
                              "--policy", tmp_path / "bad.yaml"], capture_output=True, text=True, timeout=20, check=False)
    assert started.returncode == 1
    for mistake in ("dry_runn: unknown key", "rules[0].name", "rules[0].action: expected retrain",
                    "rules[0].webhook.url", "unknown placeholder 'modell'"):
        assert mistake in started.stderr
    agent = Agent(programs, agent_binary, tmp_path, live_policy(receiver))
    agent.policy_file.write_text(bad)
    status, _, text = http("POST", f"{agent.admin}/-/reload", b"")
    assert status == 400 and "dry_runn: unknown key" in json.loads(text)["message"]
    assert agent.metrics().sum("outrider_agent_policy_last_reload_successful") == 0
    assert "dry_runn: unknown key" in http("GET", agent.admin + "/")[2]
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))
    agent.action_when("accepted")  # By the policy before.
    agent.policy_file.write_text("dry_run: true")
    agent.process.send_signal(1)
    wait_for("the new policy", lambda: agent.metrics().sum("outrider_agent_policy_dry_run") == 1, 10)
    assert agent.metrics().sum("outrider_agent_policy_last_reload_successful") == 1


def test_every_bad_request_is_answered_in_words(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path, options=["--web.max-body", "64KiB"])
    for path, body, status, code in (
            ("/api/v1/alerts", b"{", 400, "invalid_json"), ("/api/v1/alerts", b"{}", 400, "bad_alert"),
            ("/api/v1/alerts", b"x" * 100_000, 413, None), ("/api/v1/alerts", b"[" * 5000, 400, "json_too_deep"),
            ("/api/v1/changes", b'{"kind": "party"}', 400, "bad_change"),
            ("/api/v1/actions/x/approve", b'{"by": "a"}', 404, "not_found")):
        got, _, text = http("POST", agent.admin + path, body)
        answer = json.loads(text)
        assert got == status, text
        assert answer["message"] and (code is None or answer["error"] == code)
    for path in ("/api/v1/incidents/none", "/api/v1/actions/none", "/nowhere"):
        got, _, text = http("GET", agent.admin + path)
        assert got == 404 and json.loads(text)["error"] == "not_found"
    assert http("GET", f"{agent.admin}/api/v1/incidents?state=odd")[0] == 400
    assert http("GET", f"{agent.admin}/-/healthy")[0] == 200


def test_changes_are_kept_and_become_evidence(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path)
    change = {"kind": "promotion", "model": "house-price", "version": "v3", "summary": "by ada", "id": "c1"}
    assert http("POST", f"{agent.admin}/api/v1/changes", change)[0] == 201
    assert http("POST", f"{agent.admin}/api/v1/changes", change)[0] == 200
    fired = alert()
    fired["annotations"].pop("since")
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(fired))
    wait_for("the change in the evidence", lambda: any(
        "Promotion of house-price v3" in line["text"] and "by ada" in line["text"]
        for line in agent.incidents()[0]["evidence"]), 10)
    assert [c["id"] for c in http_json("GET", f"{agent.admin}/api/v1/changes")["changes"]] == ["c1"]


def test_the_agents_metrics_are_clean(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path)
    text = http("GET", f"{agent.admin}/metrics")[2]
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert agent.metrics().sum("outrider_agent_incidents_open") == 0


def test_a_bearer_token_guards_all_but_health(programs, agent_binary, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    agent = Agent(programs, agent_binary, tmp_path, options=["--web.bearer-token-file", tmp_path / "token"])
    assert http("GET", f"{agent.admin}/api/v1/incidents")[0] == 401
    assert http("GET", f"{agent.admin}/api/v1/incidents", headers={"Authorization": "Bearer s3cret"})[0] == 200
    assert http("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))[0] == 401
