# SPDX-License-Identifier: Apache-2.0
"""Three pods of one model: what Prometheus sums over them is the truth about every label that could be
joined, and every other label is counted by its reason."""

import json
import random

import pytest
import requests
from processes import Prometheus, free_port, http_json, wait_for
from stack import ModelServer, Program, Sidecar

PODS = 3
PREDICTIONS = 600


def price_server():
    def answer(path, body):
        size = json.loads(body)["size"]
        return 200, "application/json", json.dumps({"price": size * 0.05, "model_version": "v1"}).encode()

    return ModelServer(answer)


MODEL = """
model: {name: house-price, version: "response:/model_version"}
request: {match: {method: [POST], path: /predict}}
response: {prediction: "json:/price", kind: regression}
truth: {tolerance: 10%}
"""


class Fleet:
    def __init__(self, programs, binaries, folder, upstream):
        self.programs, self.binaries, self.folder, self.upstream = programs, binaries, folder, upstream
        self.config = folder / "model.yaml"
        self.config.write_text(MODEL)
        self.pods = [self.pod(i, f"pod{i}") for i in range(PODS)]

    def pod(self, slot, name):
        return Sidecar(self.programs, self.binaries, self.upstream, self.folder / name, name,
                       ["--model.config", self.config])

    def start_agent(self, name, pods):
        """An agent that knows these pods: what a headless service's name would tell it."""
        port = free_port()
        return Program(self.programs, name, [
            self.binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}",
            "--data.dir", self.folder / name,
            *[word for pod in pods for word in ("--labels.sidecars", pod.admin)]], f"http://127.0.0.1:{port}")

    def start_prometheus(self, targets):
        port = free_port()
        config = self.folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 500ms}\nscrape_configs:\n  - job_name: pods\n"
                          "    static_configs:\n      - targets: " + json.dumps(targets) + "\n")
        self.programs.start("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}"])
        self.programs.wait_until_ready("prometheus", f"http://127.0.0.1:{port}/-/ready")
        return Prometheus(f"http://127.0.0.1:{port}")


@pytest.mark.timeout(180)
def test_the_fleets_accuracy_is_the_truth_for_every_label_that_could_be_joined(programs, binaries, tmp_path):
    chance = random.Random(11)
    with price_server() as server, requests.Session() as session:
        session.trust_env = False
        fleet = Fleet(programs, binaries, tmp_path, server.url)
        agent = fleet.start_agent("agent", fleet.pods)
        spare = fleet.pod(0, "pod0-replacement")  # Stands by; traffic reaches it after the replacement.
        every = fleet.pods + [spare]
        prometheus = fleet.start_prometheus([pod.admin.removeprefix("http://") for pod in every])

        made = []  # (pod, id, correct, label)
        per_pod = {pod.name: 0 for pod in every}

        def predict(pods, count):
            for _ in range(count):
                pod = chance.choice(pods)
                size = chance.uniform(800, 3600)
                answer = session.post(f"{pod.proxy}/predict", json={"size": size}, timeout=10)
                correct = chance.random() < 0.9
                made.append((pod, answer.headers["X-Prediction-Id"], correct, size * 0.05 * (1.05 if correct else 1.4)))
                per_pod[pod.name] += 1

        predict(fleet.pods, PREDICTIONS)
        for pod in fleet.pods:
            pod.wait_for_predictions(per_pod[pod.name])

        # A third of the labels while all pods live: to the right pod, self-contained to any pod, to the agent.
        chance.shuffle(made)
        expected = {True: 0, False: 0}
        results = []

        def send(rows, agent, alive):
            through_agent = []
            for pod, prediction_id, correct, label in rows:
                way = chance.randrange(3)
                if way == 0 and pod in alive:
                    results.extend(pod.label({"id": prediction_id, "label": label}))
                elif way == 1:
                    results.extend(chance.choice(alive).label(
                        {"id": prediction_id, "label": label, "model_name": "house-price", "model_version": "v1",
                         "prediction": label / (1.05 if correct else 1.4)}))
                else:
                    through_agent.append({"id": prediction_id, "label": label})
                    if pod not in alive:
                        continue
                expected[correct] += 1
            if through_agent:
                answers = http_json("POST", f"{agent.admin}/api/v1/labels", through_agent, timeout=60)
                results.extend(r["result"] for r in answers["results"])

        send(made[:200], agent, fleet.pods)
        wait_for("the first labels scraped", lambda: prometheus.scalar("sum(outrider_outcomes_total)") == 200, 30)

        # One pod is deleted in the middle; another takes its place.
        gone = fleet.pods[0]
        gone.stop()
        alive = fleet.pods[1:] + [spare]
        agent.stop()
        agent = fleet.start_agent("agent-after", alive)
        predict(alive, 100)
        for pod in alive:
            pod.wait_for_predictions(per_pod[pod.name])
        send(made[200:], agent, alive)

        joined = expected[True] + expected[False]
        assert results.count("joined") == joined
        lost = len(results) - joined
        assert lost > 0, "the test should have labels whose pod is gone"

        # What Prometheus keeps of the deleted pod's counters is its last scrape.
        total = "sum(last_over_time(outrider_outcomes_total{model_name=\"house-price\"%s}[10m]))"
        wait_for("all joined labels in Prometheus", lambda: prometheus.scalar(total % "") == joined, 30)
        assert prometheus.scalar(total % ',correct="true"') == expected[True]
        assert prometheus.scalar(total % ',correct="false"') == expected[False]
        words = {word: results.count(word) for word in set(results)}
        assert sum(words.values()) == len(made)
        assert set(words) - {"joined"} <= {"unknown", "early"}, words
