# SPDX-License-Identifier: Apache-2.0
"""Incidents at a rate: alerts to an agent as Alertmanager posts them, a receiver for what the agent sends, and what of it
the journal says. Used by agent_load_test.py and test/bench/incidents.

    run = run_load(agent, receiver, count=1_000, per_minute=1_000, open_for=60)
    run.delay(0.99)     # Seconds from an incident's opening to its decision, by the agent's own clock.
"""

import json
import queue
import threading
import time
import urllib.parse
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException

from process_cost import cpu_seconds, resident_bytes
from processes import http, wait_for
from stack import LocalServer

# Of each incident somebody is told. Of some a person is asked for more, and some change production one after the other: what is
# held is decided again and again, which must not keep the new ones waiting.
POLICY = """
dry_run: false
limits: {{actions_per_hour: 100000, cooldown: 1h}}
rules:
  - {{name: tell, action: notify, webhook: {{url: "{url}/tell"}}}}
  - {{name: roll-back, match: {{labels: {{kind: [asks]}}}}, action: rollback, approval: required, webhook: {{url: "{url}/act"}}}}
  - {{name: restart, match: {{labels: {{kind: [acts]}}}}, action: restart, webhook: {{url: "{url}/act"}}}}
"""
KINDS = ("tells",) * 7 + ("asks",) * 2 + ("acts",)
NAMESPACES = 40
SENDERS = 4


class Receiver(LocalServer):
    """Answers 200 to all; keeps how often it was asked under each key."""

    def __init__(self):
        self.keys, self.lock = {}, threading.Lock()
        super().__init__(self.handle)

    def handle(self, request):
        with self.lock:
            key = request.headers["Idempotency-Key"]
            self.keys[key] = self.keys.get(key, 0) + 1
        request.answer(200)


def stamp(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Alerts:
    """Posts alerts from several threads until each is acknowledged, as Alertmanager does."""

    def __init__(self, admin):
        self.address = urllib.parse.urlsplit(admin).netloc
        self.waiting, self.took, self.lock = queue.Queue(), [], threading.Lock()
        self.threads = [threading.Thread(target=self._send_on, daemon=True) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def put(self, number, started, ended=None):
        labels = {"alertname": "ModelRequestsFailing", "model_name": f"m{number}", "namespace": f"n{number % NAMESPACES}",
                  "severity": "warning", "kind": KINDS[number % len(KINDS)]}
        status = "firing" if ended is None else "resolved"
        self.waiting.put(json.dumps({"version": "4", "status": status, "alerts": [
            {"status": status, "labels": labels, "annotations": {"summary": f"requests of m{number} fail"},
             "startsAt": stamp(started), "endsAt": "0001-01-01T00:00:00Z" if ended is None else stamp(ended)}]}))

    def _send_on(self):
        connection = None
        while (body := self.waiting.get()) is not None:
            began = time.monotonic()
            while True:
                try:
                    connection = connection or HTTPConnection(self.address, timeout=30)
                    connection.request("POST", "/api/v1/alerts", body, {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        break
                except (OSError, HTTPException):
                    pass
                if connection:
                    connection.close()
                connection = None
                time.sleep(0.1)
            with self.lock:
                self.took.append(time.monotonic() - began)

    def finish(self):
        for _ in self.threads:
            self.waiting.put(None)
        for thread in self.threads:
            thread.join()


class Run:
    def __init__(self, count):
        self.count, self.took, self.memory, self.cpu_seconds = count, [], [], 0.0
        self.incidents, self.actions = {}, []

    def delays(self):
        """Seconds from each incident's opening to the decision to tell somebody."""
        return sorted(seconds_of(action["created_at"]) - seconds_of(self.incidents[action["incident"]]["opened_at"])
                      for action in self.actions if action["rule"] == "tell")

    def delay(self, quantile):
        delays = self.delays()
        return delays[min(len(delays) - 1, int(quantile * len(delays)))]

    def acknowledged(self, quantile):
        took = sorted(self.took)
        return took[min(len(took) - 1, int(quantile * len(took)))]


def run_load(agent, receiver, count, per_minute, open_for, kills=()):
    """`open_for`: seconds until an incident is resolved; None: it stays open. `kills`: after how many incidents."""
    run, alerts, every = Run(count), Alerts(agent.admin), 60 / per_minute
    began, resolved, sampled = time.time(), 0, 0.0

    def resolve():
        nonlocal resolved
        while open_for is not None and resolved < number and time.time() >= began + resolved * every + open_for:
            alerts.put(resolved, began + resolved * every, began + resolved * every + open_for)
            resolved += 1

    for number in range(count):
        time.sleep(max(0.0, began + number * every - time.time()))
        alerts.put(number, began + number * every)
        resolve()
        if number in kills:
            agent.kill()
            agent.start(60)
        if time.time() - sampled > 2:
            run.memory.append(resident_bytes(agent.process.pid))
            sampled = time.time()
    alerts.finish()
    wait_for("somebody to be told of every incident", lambda: told(receiver) >= count, 120, every=0.5)
    run.took, run.cpu_seconds = alerts.took, cpu_seconds(agent.process.pid)
    run.memory.append(resident_bytes(agent.process.pid))
    for line in http("GET", f"{agent.admin}/api/v1/journal", timeout=120)[2].splitlines():
        entry = json.loads(line)
        if entry["type"] == "incident":
            run.incidents[entry["id"]] = entry
        elif entry["type"] == "action":
            run.actions.append(entry)
    return run


def told(receiver):
    with receiver.lock:
        return sum(key.startswith("tell-") for key in receiver.keys)
