# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments while predictions and labels flow: every acknowledged label is joined exactly
once, a dead monitor fails no request, and what a crash may lose is bounded and counted."""

import os
import random
import threading
import time

import pytest
import requests
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import Program, Sidecar

# A crash may lose the predictions of this interval: what the log had not yet synced.
UNSYNCED_SECONDS = 1.0


def monitor_of(sidecar):
    """The process id of the sidecar's child; None while there is none."""
    path = f"/proc/{sidecar.process.pid}/task/{sidecar.process.pid}/children"
    children = open(path).read().split()
    return int(children[0]) if children else None


class Caller(threading.Thread):
    """Predicts and labels without a pause, and keeps the books."""

    def __init__(self, sidecar, labels_url, seed):
        super().__init__(daemon=True)
        self.sidecar, self.labels_url = sidecar, labels_url
        self.chance = random.Random(seed)
        self.ending = threading.Event()
        self.answered, self.failures = 0, []
        self.unlabelled, self.acknowledged, self.results = [], set(), {}

    def run(self):
        with requests.Session() as session:
            session.trust_env = False
            while not self.ending.wait(0.004):
                self.predict(session)
                if self.answered % 25 == 0:
                    self.label(session)

    def predict(self, session):
        size = self.chance.uniform(800, 3600)
        try:
            answer = session.get(f"{self.sidecar.proxy}/predict", params={"size": size, "bedrooms": 3}, timeout=5)
            answer.raise_for_status()
            self.answered += 1
            self.unlabelled.append((time.monotonic(), {"id": answer.headers["X-Prediction-Id"], "label": size * 0.05}))
        except requests.RequestException as error:
            self.failures.append((time.monotonic(), str(error)))

    def label(self, session):
        """Labels what is older than a second; what is not acknowledged is sent again."""
        due = [label for when, label in self.unlabelled if time.monotonic() - when > UNSYNCED_SECONDS][:200]
        if not due:
            return
        try:
            answer = session.post(f"{self.labels_url()}/api/v1/labels", json=due, timeout=10)
            answer.raise_for_status()
        except requests.RequestException:
            return
        sent = {label["id"] for label in due}
        self.unlabelled = [(when, label) for when, label in self.unlabelled if label["id"] not in sent]
        for label, result in zip(due, answer.json()["results"]):
            word = result["result"]
            self.results[word] = self.results.get(word, 0) + 1
            if word in ("joined", "duplicate"):
                self.acknowledged.add(label["id"])


class Loop:
    def __init__(self, programs, binaries, folder):
        train = [binaries / "outrider-predictor", "train", "--data", folder / "sales.csv", "--target", "price",
                 "--algorithm", "ols", "--name", "house-price", "--registry", folder / "registry", "--exclude", "sold_at",
                 "--promote"]
        for command in ([ROOT / "demo" / "traffic", "--write-sales", "2000", "--out", folder / "sales.csv"], train):
            assert programs.start("prepare", command).wait(60) == 0, programs.log("prepare")
            programs.running.pop("prepare")
        port, agent_port = free_port(), free_port()
        self.predictor = Program(programs, "predictor", [
            binaries / "outrider-predictor", "serve", "--registry", folder / "registry", "--name", "house-price",
            "--web.listen-address", f"127.0.0.1:{port}"], f"http://127.0.0.1:{port}")
        self.sidecar = Sidecar(programs, binaries, self.predictor.admin, folder / "sidecar",
                               options=["--model.config", ROOT / "demo" / "model.yaml", "--reference", folder / "registry"])
        self.agent = Program(programs, "agent", [
            binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{agent_port}", "--data.dir", folder / "agent",
            "--labels.sidecars", self.sidecar.admin], f"http://127.0.0.1:{agent_port}")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("monitor_kills, other_kills", [(5, 9), pytest.param(20, 36, marks=pytest.mark.long)])
def test_kills_lose_no_acknowledged_label(programs, binaries, tmp_path, monitor_kills, other_kills):
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "23"))
    loop = Loop(programs, binaries, tmp_path)
    to_agent = random.Random(3)
    callers = [Caller(loop.sidecar, lambda: (loop.sidecar if to_agent.random() < 0.5 else loop.agent).admin, seed)
               for seed in (1, 2)]
    for caller in callers:
        caller.start()

    for _ in range(monitor_kills):
        time.sleep(chance.uniform(0.2, 1.0))
        pid = wait_for("a monitor", lambda: monitor_of(loop.sidecar), 10)
        os.kill(pid, 9)
        wait_for("another monitor", lambda: monitor_of(loop.sidecar) not in (None, pid), 10)
    wait_for("the monitor's admin port", lambda: http("GET", f"{loop.sidecar.admin}/-/ready")[0] == 200, 20)
    assert [c.failures for c in callers] == [[], []], "killing the monitor must fail no request"
    before = sum(c.answered for c in callers)
    assert loop.sidecar.metrics().sum("outrider_monitor_restarts_total") == monitor_kills

    for i in range(other_kills):
        time.sleep(chance.uniform(0.2, 0.8))
        victim = (loop.sidecar, loop.agent, loop.predictor)[i % 3]
        victim.kill()
        victim.start()
    wait_for("traffic after the last kill", lambda: sum(c.answered for c in callers) > before + 200, 30)
    for caller in callers:
        caller.ending.set()
    for caller in callers:
        caller.join()

    acknowledged = set().union(*(c.acknowledged for c in callers))
    joined = [row["id"] for row in loop.sidecar.training_data()]
    results = {}
    for caller in callers:
        for word, count in caller.results.items():
            results[word] = results.get(word, 0) + count
    print(f"{len(joined)} rows joined; {before} predictions through {monitor_kills} monitor kills; "
          f"{len(acknowledged)} labels acknowledged; {results}")
    assert len(acknowledged) > 500
    assert len(joined) == len(set(joined)), "a label was joined twice"
    assert acknowledged - set(joined) == set(), "an acknowledged label was lost"
    lost = results.get("unknown", 0) + results.get("early", 0)
    print(f"labels whose prediction a crash lost: {lost}")
    status = http_json("GET", f"{loop.sidecar.admin}/api/v1/status")
    print(str(status)[:800])
