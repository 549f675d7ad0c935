# SPDX-License-Identifier: Apache-2.0
"""Ground truth that outlives pods: sidecars ship their predictions, the agent joins the labels. Pods are replaced, agents and
sidecars are killed, one of a pair is down: every acknowledged label is counted once."""

import csv
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import time

import pytest
import requests
from crash_test import Caller, monitor_of
from processes import free_port, http, http_json, wait_for
from stack import Metrics, ModelServer, Program, Sidecar

JOB = "house-price"
MODEL = """
model: {name: house-price, version: "response:/model_version"}
request: {match: {method: [GET], path: /predict}, id: "query:order"}
response: {prediction: "json:/price", kind: regression}
truth: {tolerance: 10%}
log: {ship_features: [size]}
"""


def price_server():
    def answer(path, _):
        size = float(path.split("size=")[1].split("&")[0])
        return 200, "application/json", json.dumps({"price": size * 0.05, "model_version": "v1"}).encode()

    return ModelServer(answer)


class Agent(Program):
    HEADERS = {"Authorization": "Bearer secret"}

    def __init__(self, programs, binaries, folder, name="agent", port=None, options=()):
        self.folder = folder / name
        self.token = folder / "token"
        self.token.write_text("secret\n")
        port = port or free_port()
        super().__init__(programs, name, [
            binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", self.folder,
            "--web.bearer-token-file", self.token, "--truth.enabled", *options], f"http://127.0.0.1:{port}")

    def get(self, path):
        status, _, text = http("GET", f"{self.admin}{path}", headers=self.HEADERS, timeout=60)
        assert status == 200, text
        return text

    def metrics(self):
        return Metrics(self.get("/metrics"))

    def truth(self):
        return json.loads(self.get("/api/v1/truth"))

    def labels(self):
        """Counted on disk, over the store's life."""
        return sum(v["labels"] for v in self.truth()["versions"])

    def label(self, labels, query=""):
        return [r["result"] for r in http_json("POST", f"{self.admin}/api/v1/labels{query}", labels,
                                               headers=self.HEADERS)["results"]]

    def joined_rows(self):
        return list(csv.DictReader(io.StringIO(self.get("/api/v1/training-data?format=csv&model=house-price"))))


class Fleet:
    def __init__(self, programs, binaries, folder, upstream):
        self.programs, self.binaries, self.folder, self.upstream = programs, binaries, folder, upstream
        self.config = folder / "model.yaml"
        self.config.write_text(MODEL)
        self.session = requests.Session()
        self.session.trust_env = False

    def pod(self, name, agents, token=None):
        urls = [word for agent in agents for word in ("--truth.url", agent)]
        return Sidecar(self.programs, self.binaries, self.upstream, self.folder / name, name,
                       ["--model.config", self.config, "--truth.workload", JOB, "--truth.namespace", "shop",
                        "--truth.bearer-token-file", token or self.folder / "token", *urls])

    def predict(self, pod, count, first=0):
        """[(id, order, label)]; every third prediction is wrong by more than the tolerance."""
        made = []
        for i in range(first, first + count):
            answer = self.session.get(f"{pod.proxy}/predict", params={"size": 1000 + i, "order": f"order-{i}"}, timeout=5)
            answer.raise_for_status()
            price = answer.json()["price"]
            made.append((answer.headers["X-Prediction-Id"], f"order-{i}", price * (1.5 if i % 3 == 0 else 1.0)))
        return made


def wait_until_received(agent, count, seconds=30):
    wait_for(f"{count} predictions at {agent.name}", lambda: agent.truth()["received"] >= count, seconds)


@pytest.fixture
def fleet(programs, binaries, tmp_path):
    with price_server() as server:
        yield Fleet(programs, binaries, tmp_path, server.url)


@pytest.mark.timeout(120)
def test_labels_of_a_pod_that_was_replaced_are_all_joined_and_counted_once(fleet, programs, binaries, tmp_path):
    agent = Agent(programs, binaries, tmp_path)
    first = fleet.pod("pod-1", [agent.admin])
    made = fleet.predict(first, 300)
    asked = time.monotonic()
    wait_until_received(agent, 300)
    took = time.monotonic() - asked
    assert took < 2.0, f"shipped within {took:.2f} s, expected a second"
    first.stop()
    shutil.rmtree(tmp_path / "pod-1")  # As an emptyDir goes with its pod.
    wait_for("the end of the stream", lambda: agent.truth()["streams"] == 0, 10)
    second = fleet.pod("pod-2", [agent.admin])

    # By id at the agent, by the key of the data, and through a sidecar that never saw the predictions.
    third = len(made) // 3
    assert agent.label([{"id": i, "label": v} for i, _, v in made[:third]]) == ["joined"] * third
    assert agent.label([{"id": o, "label": v} for _, o, v in made[third:2 * third]],
                       f"?workload={JOB}&namespace=shop") == ["joined"] * third
    assert second.label([{"id": i, "label": v} for i, _, v in made[2 * third:]]) == ["joined"] * third
    assert agent.label([{"id": i, "label": v} for i, _, v in made]) == ["duplicate"] * len(made)

    metrics, own = agent.metrics(), second.metrics()
    whose = {"job": JOB, "namespace": "shop", "model_name": "house-price", "model_version": "v1"}
    assert metrics.sum("outrider_outcomes_total", correct="true", **whose) == 200
    assert metrics.sum("outrider_outcomes_total", correct="false", **whose) == 100
    assert metrics.sum("outrider_labels_total", result="joined", **whose) == 300
    assert own.sum("outrider_outcomes_total") == 0 and own.sum("outrider_labels_total") == 0
    assert len(agent.joined_rows()) == 300
    assert agent.joined_rows()[0]["size"] == "1000"


@pytest.mark.timeout(120)
def test_predictions_of_an_outage_come_when_the_agent_is_back(fleet, programs, binaries, tmp_path):
    agent = Agent(programs, binaries, tmp_path)
    pods = [fleet.pod(f"pod-{i}", [agent.admin]) for i in range(2)]
    made = fleet.predict(pods[0], 50)
    wait_until_received(agent, 50)
    agent.kill()
    made += fleet.predict(pods[0], 200, 50) + fleet.predict(pods[1], 200, 250)
    refused = http("POST", f"{pods[0].admin}/api/v1/labels", json.dumps([{"id": made[0][0], "label": 1}]).encode())
    assert refused[0] == 503 and "Retry-After" in {k.title() for k in dict(refused[1])}
    pods[0].kill()  # Its queue is on disk.
    time.sleep(0.5)
    agent.start()
    pods[0].start()
    early = agent.label([{"id": o, "label": v} for _, o, v in made], f"?workload={JOB}")
    assert set(early) <= {"joined", "early"}
    wait_until_received(agent, 400)  # Since it began: 50 came before.
    wait_for("every label", lambda: agent.labels() == len(made), 30)
    assert agent.truth()["lost"] == 0
    assert agent.metrics().sum("outrider_outcomes_total") == len(made)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [9, pytest.param(50, marks=pytest.mark.long)])
def test_kills_lose_no_acknowledged_label_of_a_fleet(fleet, programs, binaries, tmp_path, kills):
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "29"))
    agent = Agent(programs, binaries, tmp_path)
    pods = [fleet.pod(f"pod-{i}", [agent.admin]) for i in range(2)]
    callers = [FleetCaller(pod, agent, seed) for seed, pod in enumerate(pods)]
    for caller in callers:
        caller.start()
    for i in range(kills):
        time.sleep(chance.uniform(0.3, 1.2))
        victim = (agent, pods[0], "monitor", agent, pods[1])[i % 5]
        if victim == "monitor":
            pid = wait_for("a monitor", lambda: monitor_of(pods[0]), 10)
            os.kill(pid, 9)
        else:
            victim.kill()
            victim.start()
    before = sum(c.answered for c in callers)
    wait_for("traffic after the last kill", lambda: sum(c.answered for c in callers) > before + 200, 30)
    for caller in callers:
        caller.ending.set()
    for caller in callers:
        caller.join()
    # What is held is joined or given up when everything before it has come.
    wait_for("no held labels", lambda: agent.truth()["held"] == 0, 90)

    acknowledged = set().union(*(c.acknowledged for c in callers))
    held = set().union(*(c.held for c in callers))
    joined = [row["id"] for row in agent.joined_rows()]
    truth = agent.truth()
    print(f"{len(joined)} rows joined, {len(acknowledged)} acknowledged, {len(held)} held meanwhile, {len(held - set(joined))} of "
          f"them in vain; since the last start {truth['received']} came, {truth['received_again']} again")
    assert len(acknowledged) > 300
    assert len(joined) == len(set(joined)), "a label was joined twice"
    assert acknowledged - set(joined) == set(), "an acknowledged label was lost"
    assert agent.labels() == len(joined), "the count on disk is not the rows on disk"
    # A held label stays without a prediction only where that went with a sidecar or monitor, of which a kill takes what came
    # in the last quarter of a second.
    assert len(held - set(joined)) <= 0.25 * 250 * kills


class FleetCaller(Caller):
    def __init__(self, pod, agent, seed):
        super().__init__(pod, lambda: agent.admin, seed)
        self.held = set()

    def run(self):
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(Agent.HEADERS)
            while not self.ending.wait(0.004):
                self.predict(session)
                if self.answered % 25 == 0:
                    self.label(session)

    def label(self, session):
        due = [label for when, label in self.unlabelled][:200]
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
            elif word == "early":
                self.held.add(label["id"])


@pytest.mark.timeout(180)
def test_a_pair_of_which_one_is_down_counts_each_label_once_and_both_have_every_row(fleet, programs, binaries, tmp_path):
    ports = [free_port(), free_port()]

    def start(i):
        return Agent(programs, binaries, tmp_path, f"agent-{i}", ports[i], [
            "--truth.peer-url", f"http://127.0.0.1:{ports[1 - i]}", "--truth.peer-bearer-token-file", tmp_path / "token"])

    agents = [start(0), start(1)]
    pod = fleet.pod("pod-1", [agent.admin for agent in agents])
    made = fleet.predict(pod, 100)
    for agent in agents:
        wait_until_received(agent, 100)
    assert agents[0].label([{"id": i, "label": v} for i, _, v in made[:50]]) == ["joined"] * 50
    wait_for("the other's rows", lambda: len(agents[1].joined_rows()) == 50, 20)

    agents[0].kill()
    made += fleet.predict(pod, 100, 100)
    wait_until_received(agents[1], 200)
    asked = time.monotonic()
    assert agents[1].label([{"id": i, "label": v} for i, _, v in made[40:]]) == ["duplicate"] * 10 + ["joined"] * 150
    assert time.monotonic() - asked < 5
    assert pod.label([{"id": made[0][0], "label": 1}]) == ["duplicate"]  # Relayed to the one that answers.

    agents[0].start()
    wait_for("the rows of the outage", lambda: len(agents[0].joined_rows()) == 200, 60)
    assert len(agents[1].joined_rows()) == 200
    # The one that was killed counted none of the 150, and the 50 only where it is the counting one; counters begin at 0 with the
    # process, so then these are on its disk alone.
    counted = [agent.labels() for agent in agents]
    assert counted in ([50, 150], [0, 200]), counted
    assert sum(agent.metrics().sum("outrider_outcomes_total") for agent in agents) == 200 - counted[0]
    assert sum(agent.metrics().sum("outrider_truth_pair_counts") for agent in agents) >= 1


@pytest.mark.timeout(120)
def test_a_sidecar_ships_for_its_own_workload_alone_and_keeps_what_is_refused(fleet, programs, binaries, tmp_path):
    digest = hashlib.sha256(b"a-token-of-another-workload").hexdigest()
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f"tokens: [{{name: frauds, sha256: {digest}, roles: [write], workloads: [fraud]}}]\n")
    agent = Agent(programs, binaries, tmp_path, options=["--web.tokens-file", tokens])
    (tmp_path / "pod-token").write_text("a-token-of-another-workload\n")
    pod = fleet.pod("pod-1", [agent.admin], token=tmp_path / "pod-token")
    fleet.predict(pod, 20)
    wait_for("a refusal", lambda: agent.metrics().sum("outrider_truth_shipments_refused_total", reason="out_of_scope") > 0, 20)
    assert agent.truth()["received"] == 0
    assert "workload house-price, and the token is limited to fraud" in programs.log("pod-1")
    # Put right, and nothing was lost.
    tokens.write_text(f"tokens: [{{name: prices, sha256: {digest}, roles: [write], workloads: [{JOB}]}}]\n")
    wait_until_received(agent, 20)
    assert agent.truth()["lost"] == 0


def export(binaries, agent, output, *options):
    return [binaries / "outrider", "export", "--agent", agent.admin, "--bearer-token-file", agent.token, "--from", "2020-01-01T00:00:00Z",
            "--to", "2100-01-01T00:00:00Z", "--output", output, *options]


@pytest.mark.timeout(180)
def test_an_export_that_is_killed_goes_on_and_has_every_row_once(fleet, programs, binaries, tmp_path):
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "31"))
    agent = Agent(programs, binaries, tmp_path)
    pod = fleet.pod("pod-1", [agent.admin])
    made = fleet.predict(pod, 3000)
    wait_until_received(agent, 3000)
    labelled = made[:1000]
    agent.label([{"id": i, "label": v} for i, _, v in labelled])
    output = tmp_path / "rows.csv"
    command = export(binaries, agent, output, "--format", "csv", "--feature", "size")
    state = tmp_path / "rows.csv.outrider-export"
    kills = 0
    while kills < 20 and not (output.exists() and not state.exists()):  # A kill may come when all is done and before the exit.
        started = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            started.wait(chance.uniform(0.01, 0.08))
            break
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
            kills += 1
    if state.exists() or not output.exists():
        assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    rows = list(csv.DictReader(output.open()))
    print(f"{kills} kills, {len(rows)} rows")
    assert [row["id"] for row in rows] == [i for i, _, _ in made], "a row twice, or none"
    assert sum(row["label"] != "" for row in rows) == 1000
    assert rows[0]["feature_size"] == "1000.0" and rows[0]["workload"] == JOB
    assert not state.exists()
    journal = [json.loads(line) for line in (agent.folder / "truth" / "access.ndjson").read_text().splitlines()]
    assert {entry["action"] for entry in journal} == {"export"} and journal[0]["caller"] == "the port's token"
    # What is there already is not written over.
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode != 0 and "no state of an export beside it" in again.stderr


@pytest.mark.timeout(120)
def test_what_is_erased_is_gone_at_the_agent_and_out_of_the_sidecars_queue(fleet, programs, binaries, tmp_path):
    agent = Agent(programs, binaries, tmp_path)
    pod = fleet.pod("pod-1", [agent.admin])
    made = fleet.predict(pod, 10)
    wait_until_received(agent, 10)
    agent.label([{"id": made[0][0], "label": 1}])
    agent.kill()
    made += fleet.predict(pod, 10, 10)  # In the queue.
    refused = http("POST", f"{pod.admin}/api/v1/erase", json.dumps({"id": "order-12"}).encode())
    assert refused[0] == 503 and "not_erased_everywhere" in refused[2]
    pod.kill()
    agent.start()
    wait_for("the agent", lambda: agent.truth()["available"], 20)
    for order, found in (("order-0", {"predictions": 0, "joined": 1}), ("order-12", {"predictions": 0, "joined": 0})):
        answer = http_json("POST", f"{agent.admin}/api/v1/erase", {"id": order}, headers=Agent.HEADERS)
        assert found.items() <= answer["results"][0].items(), answer
    pod.start()
    wait_until_received(agent, 10)
    rows = subprocess.run(export(binaries, agent, "-"), capture_output=True, text=True, check=True).stdout.splitlines()
    assert {json.loads(row)["id"] for row in rows} == {i for n, (i, _, _) in enumerate(made) if n not in (0, 12)}


def in_sample(name, share):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") < share * 2 ** 64


@pytest.mark.timeout(120)
def test_of_a_sample_the_kept_labels_are_joined_and_the_others_are_told_apart(fleet, programs, binaries, tmp_path):
    fleet.config.write_text(MODEL.replace("tolerance: 10%", "tolerance: 10%, sample: 20%"))
    agent = Agent(programs, binaries, tmp_path)
    pod = fleet.pod("pod-1", [agent.admin])
    made = fleet.predict(pod, 300)
    kept = [order for _, order, _ in made if in_sample(order, 0.2)]
    assert 30 < len(kept) < 100
    wait_until_received(agent, len(kept))
    whose = f"?workload={JOB}&namespace=shop"
    results = agent.label([{"id": order, "label": value} for _, order, value in made], whose)
    assert [r for r, (_, order, _) in zip(results, made) if order in kept] == ["joined"] * len(kept)
    assert [r for r, (_, order, _) in zip(results, made) if order not in kept] == ["sampled_out"] * (300 - len(kept))

    metrics, own, truth = agent.metrics(), pod.metrics(), agent.truth()
    assert metrics.sum("outrider_outcomes_total") == len(kept)
    assert metrics.sum("outrider_labels_total", result="sampled_out") == 300 - len(kept)
    assert own.sum("outrider_predictions_total", outcome="success") == 300, "what is observed is not sampled"
    assert own.sum("outrider_truth_sample_ratio") == 0.2
    assert own.sum("outrider_truth_sampled_out_total") == 300 - len(kept)
    assert truth["versions"][0]["sample"] == 0.2 and truth["lost"] == 0


@pytest.mark.timeout(60)
def test_what_cannot_work_is_refused_at_the_start(programs, binaries, tmp_path):
    both = programs.start("both", [binaries / "outrider-agent", "--truth.enabled", "--labels.sidecars", "http://127.0.0.1:1",
                                   "--data.dir", tmp_path / "a", "--web.listen-address", f"127.0.0.1:{free_port()}"])
    assert both.wait(20) != 0
    assert "expected one of them" in programs.log("both")
    programs.running.pop("both")
    nameless = programs.start("nameless", [binaries / "outrider-sidecar", "--upstream", "http://127.0.0.1:1", "--data.dir", tmp_path / "b",
                                           "--truth.url", "http://127.0.0.1:1"])
    assert nameless.wait(20) != 0
    assert "truth.workload: expected the label job" in programs.log("nameless")
    programs.running.pop("nameless")
