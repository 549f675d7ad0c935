# SPDX-License-Identifier: Apache-2.0
"""The agent as tests and benchmarks hold it: its program, an Alertmanager before it, a trainer behind it, alerts in their words."""

import json
import pathlib
import threading
import time
from datetime import UTC, datetime, timedelta

from processes import free_port, http, http_json, wait_for
from stack import LocalServer, Program

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

LIVE = """
dry_run: false
limits: {{automatic_actions_per_day: {per_day}, cooldown: {cooldown}, actions_per_hour: 1000, failure_domain: [model]}}
rules:
  - name: retrain
    match: {{alert: ModelAccuracyDropped}}
    action: retrain
    approval: {approval}
    webhook:
      url: {receiver}/retrain
      job: {{every: 100ms, timeout: 1m}}
"""


class Receiver(LocalServer):
    """A trainer: keeps every request, answers 202 with a job that ends at its second look."""

    def __init__(self):
        self.requests = []
        self.answers = []  # (status, headers) to give first, before it behaves.
        self.looks = {}
        self.lock = threading.Lock()
        super().__init__(self.handle)

    def handle(self, request):
        if request.command == "GET":
            with self.lock:
                looks = self.looks[request.path] = self.looks.get(request.path, 0) + 1
            return request.answer(200, {"state": "running" if looks < 2 else "succeeded", "message": "v2 promoted"})
        key = request.headers["Idempotency-Key"]
        with self.lock:
            self.requests.append((time.monotonic(), key, json.loads(request.body), dict(request.headers)))
            status, headers = self.answers.pop(0) if self.answers else (202, ())
        request.answer(status, {"message": "as you wish"}, [("Location", f"/jobs/{key}"), *headers])

    def keys(self):
        with self.lock:
            return [key for _, key, _, _ in self.requests]


class Agent(Program):
    def __init__(self, programs, binary, folder, policy=None, options=(), name="agent"):
        self.policy_file = folder / "policy.yaml"
        command = [binary, "--web.listen-address", f"127.0.0.1:{(port := free_port())}", "--data.dir", folder / "agent"]
        if policy is not None:
            self.policy_file.write_text(policy)
            command += ["--policy", self.policy_file]
        super().__init__(programs, name, [*command, *options], f"http://127.0.0.1:{port}")

    def incidents(self):
        return http_json("GET", f"{self.admin}/api/v1/incidents")["incidents"]

    def actions(self):
        return http_json("GET", f"{self.admin}/api/v1/actions")["actions"]

    def action_when(self, *outcomes, seconds=20):
        return wait_for(f"an action that is {outcomes}",
                        lambda: next((a for a in self.actions() if a["outcome"] in outcomes), None), seconds)


def stamp(when):
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def alert(model="house-price", pod=None, minutes_ago=0.0, ended=False, name="ModelAccuracyDropped"):
    """One alert as Prometheus posts it to Alertmanager."""
    now = datetime.now(UTC)
    labels = {"alertname": name, "model_name": model, "model_version": "v1", "severity": "critical"}
    if pod:
        labels |= {"pod": pod, "instance": f"{pod}:9501"}
    return {"labels": labels,
            "annotations": {"description": "fell from 95% to 72%", "accuracy_before": "95%", "accuracy_after": "72%",
                            "since": "2026-01-31T11:59:00Z"},
            "startsAt": stamp(now - timedelta(minutes=minutes_ago)),
            "endsAt": stamp(now if ended else now + timedelta(minutes=5))}


def webhook(*alerts, status="firing"):
    """The same as Alertmanager posts it to the agent."""
    return {"version": "4", "groupKey": "{}:{}", "receiver": "outrider-agent", "status": status, "externalURL": "",
            "alerts": [{**a, "status": status, "fingerprint": "", "generatorURL": "",
                        "endsAt": a["endsAt"] if status == "resolved" else "0001-01-01T00:00:00Z"} for a in alerts]}


class Alertmanager(Program):
    """Debian's Alertmanager with the demo's configuration."""

    def __init__(self, programs, folder, agent, name="alertmanager", cluster=None, peer=None):
        text = (ROOT / "demo" / "alertmanager.yml").read_text().replace("${agent}", agent.admin)
        configuration = folder / f"{name}.yml"
        configuration.write_text(text)
        port = free_port()
        gossip = [f"--cluster.listen-address=127.0.0.1:{cluster}"] if cluster else ["--cluster.listen-address="]
        gossip += [f"--cluster.peer=127.0.0.1:{peer}"] if peer else []
        super().__init__(programs, name, [
            "prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={folder / name}",
            f"--web.listen-address=127.0.0.1:{port}", *gossip], f"http://127.0.0.1:{port}")

    def post(self, *alerts):
        status, _, text = http("POST", f"{self.admin}/api/v2/alerts", list(alerts))
        assert status == 200, text


def live_policy(receiver, per_day=3, cooldown="30m", approval="automatic"):
    return LIVE.format(receiver=receiver.url, per_day=per_day, cooldown=cooldown, approval=approval)
