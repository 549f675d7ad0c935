# SPDX-License-Identifier: Apache-2.0
"""Ground truth by way of a real Kafka broker: three agents share the partitions of a topic; agents, sidecars and brokers are
killed, partitions move, brokers are away, and every label is counted exactly once."""

import os
import random
import threading
import time

import pytest
import requests
from crash_test import monitor_of
from kafka_broker import JARS, LOGINS, PASSWORD, USER, Cluster
from processes import http, wait_for
from stack import Sidecar
from tls_peers import Authority
from truth_fleet_test import JOB, MODEL, Agent, price_server

pytestmark = [pytest.mark.long, pytest.mark.skipif(not JARS.exists(), reason="scripts/tools kafka gets the broker")]
TOPIC, PARTITIONS = "outrider-truth", 6


class Traffic(threading.Thread):
    """Predicts, and labels what it predicted a while ago at whichever agent answers."""

    def __init__(self, pod, agents, seed, pause=0.004):
        super().__init__(daemon=True)
        self.pod, self.agents, self.chance, self.pause = pod, agents, random.Random(seed), pause
        self.ending, self.labelling = threading.Event(), threading.Event()
        self.labelling.set()
        self.due, self.predicted, self.acknowledged, self.failed = [], set(), set(), 0

    def run(self):
        with requests.Session() as session:
            session.trust_env = False
            while not self.ending.wait(self.pause):
                self.predict(session)
                if self.labelling.is_set() and self.chance.random() < 0.05:
                    self.label(session)

    def predict(self, session):
        try:
            answer = session.get(f"{self.pod.proxy}/predict", params={"size": 1000 + len(self.predicted) % 500}, timeout=5)
            answer.raise_for_status()
        except requests.RequestException:
            self.failed += 1
            return
        name, price = answer.headers["X-Prediction-Id"], answer.json()["price"]
        self.predicted.add(name)
        self.due.append((time.monotonic() + 1, {"id": name, "label": price * (1.5 if self.chance.random() < 0.3 else 1.0)}))

    def label(self, session):
        now = time.monotonic()
        batch = [label for when, label in self.due if when <= now][:1000]
        if not batch:
            return
        agent = self.chance.choice(self.agents)
        try:
            answer = session.post(f"{agent.admin}/api/v1/labels", json=batch, timeout=30, headers=Agent.HEADERS)
            answer.raise_for_status()
        except requests.RequestException:
            return
        assert all(one["result"] == "queued" for one in answer.json()["results"])
        sent = {label["id"] for label in batch}
        self.due = [(when, label) for when, label in self.due if label["id"] not in sent]
        self.acknowledged |= sent


class Fleet:
    def __init__(self, programs, binaries, folder, cluster, upstream, options=()):
        self.programs, self.binaries, self.folder, self.cluster, self.upstream = programs, binaries, folder, cluster, upstream
        self.config = folder / "model.yaml"
        self.config.write_text(MODEL.replace(', id: "query:order"', ""))
        self.kafka = ["--truth.kafka.brokers", cluster.bootstrap, "--truth.kafka.topic", TOPIC, *options]
        self.agents, self.pods, self.callers = [], [], []

    def agent(self, name):
        self.agents.append(Agent(self.programs, self.binaries, self.folder, name, options=[
            *self.kafka, "--truth.kafka.instance", name, "--truth.kafka.session-timeout", "6s"]))
        return self.agents[-1]

    def pod(self, name):
        self.pods.append(Sidecar(self.programs, self.binaries, self.upstream, self.folder / name, name,
                                 ["--model.config", self.config, "--truth.workload", JOB, *self.kafka]))
        return self.pods[-1]

    def start(self, agents=3, pods=2, pause=0.004):
        """Agents that share all partitions, and pods with traffic."""
        for i in range(agents):
            self.agent(f"agent-{i}")
        for i in range(pods):
            self.callers.append(Traffic(self.pod(f"pod-{i}"), self.agents, i, pause))
            self.callers[-1].start()
        self.wait_for_partitions()

    def sum(self, name, **labels):
        return sum(agent.metrics().sum(name, **labels) for agent in self.agents)

    def wait_for_partitions(self, seconds=90):
        wait_for("all partitions", lambda: self.sum("outrider_kafka_assigned_partitions") == PARTITIONS, seconds)

    def counted(self):
        return sum(agent.labels() for agent in self.agents)

    def acknowledged(self):
        return set().union(*(caller.acknowledged for caller in self.callers))

    def wait_for_labels(self, more=200, seconds=120):
        before = len(self.acknowledged())
        wait_for("labels", lambda: len(self.acknowledged()) > before + more, seconds)

    def finish(self):
        """Ends the traffic, waits until the topic's end is joined, and gives the ids of all joined rows: none is counted by nobody,
        none twice."""
        for caller in self.callers:
            caller.ending.set()
        for caller in self.callers:
            caller.join()
        wait_for("an empty queue at each sidecar", lambda: not any(
            pod.metrics().sum("outrider_shipping_pending_predictions") for pod in self.pods), 120)

        def settled():
            now = [(self.counted(), self.sum("outrider_kafka_lag_records"), self.sum("outrider_kafka_assigned_partitions"),
                    self.sum("outrider_kafka_held_labels")) for _ in (0, 1) if not time.sleep(2)]
            return now[0] == now[1] and now[0][1:3] == (0, PARTITIONS)

        wait_for("the topic's end", settled, 300)
        rows = set().union(*({row["id"] for row in agent.joined_rows()} for agent in self.agents))
        assert self.counted() == len(rows), "a label was counted twice, or by nobody"
        assert rows <= set().union(*(caller.predicted for caller in self.callers))
        return rows


@pytest.fixture
def make_fleet(programs, binaries, tmp_path):
    with price_server() as server:
        def make(options=(), **cluster):
            nodes = Cluster(programs, tmp_path / "kafka", partitions=PARTITIONS, **cluster)
            return Fleet(programs, binaries, tmp_path, nodes, server.url, options)
        yield make


def predict(pod, count):
    """[(id, price)]"""
    with requests.Session() as session:
        session.trust_env = False
        answers = [session.get(f"{pod.proxy}/predict", params={"size": 1000 + i}, timeout=5) for i in range(count)]
    return [(answer.headers["X-Prediction-Id"], answer.json()["price"]) for answer in answers]


@pytest.mark.timeout(180)
def test_labels_by_way_of_a_topic_are_joined_by_the_agents_that_share_it(make_fleet):
    fleet = make_fleet()
    agents, pod = [fleet.agent(f"agent-{i}") for i in range(3)], fleet.pod("pod-1")
    labels = [{"id": name, "label": price} for name, price in predict(pod, 200)]
    fleet.wait_for_partitions()
    assert agents[0].label(labels[:100]) == ["queued"] * 100
    assert pod.label(labels[100:]) == ["queued"] * 100
    wait_for("every label", lambda: fleet.counted() == 200, 60)
    assert fleet.sum("outrider_outcomes_total", correct="true", job=JOB) == 200
    assert all(agent.labels() > 0 for agent in agents)
    assert agents[1].label(labels) == ["queued"] * 200  # Again: duplicates, each at its partition's agent.
    wait_for("the duplicates", lambda: fleet.sum("outrider_labels_total", result="duplicate") == 200, 30)
    assert fleet.counted() == 200


def post_labels(agent, labels):
    """The status of the answer."""
    return http("POST", f"{agent.admin}/api/v1/labels", labels, Agent.HEADERS, timeout=60)[0]


def crash_count(pod):
    """What the last kill of its monitor took along, as its successor counts it."""

    def told():
        return [s.value for s in pod.metrics().samples
                if s.name == "outrider_shipping_refused_total" and s.labels["reason"] == "crash"]

    return wait_for(f"the count of what {pod.name}'s crash took along", told, 60)[0]


@pytest.mark.timeout(1800)
def test_kills_and_rebalances_count_every_acknowledged_label_exactly_once(make_fleet):
    kills = int(os.environ.get("OUTRIDER_KILLS", "50"))
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "46"))
    fleet = make_fleet()
    fleet.start()
    moved, crashes = 0, {0: [], 1: []}
    for i in range(kills):
        time.sleep(chance.uniform(0.3, 1.5))
        what = i % 10
        if what == 9:
            fleet.cluster.kill()
            time.sleep(chance.uniform(0, 3))
            fleet.cluster.start()
        elif what == 4:
            os.kill(wait_for("a monitor", lambda: monitor_of(fleet.pods[0]), 10), 9)
            crashes[0].append(crash_count(fleet.pods[0]))
        elif what == 7:
            fleet.pods[1].kill()
            fleet.pods[1].start()
            crashes[1].append(crash_count(fleet.pods[1]))
        else:
            victim = chance.choice(fleet.agents)
            victim.kill()
            if what in (2, 6):  # Away for so long that the others take its partitions over.
                moved += 1
                time.sleep(8)
            victim.start()
    fleet.wait_for_labels()
    rows = fleet.finish()
    missing = [caller.acknowledged - rows for caller in fleet.callers]
    dropped = fleet.pods[0].metrics().sum("outrider_exchanges_dropped_total")
    print(f"{kills} kills, {moved} take-overs: {sum(len(c.predicted) for c in fleet.callers)} predictions, {len(fleet.acknowledged())} "
          f"acknowledged labels, {len(rows)} joined, {fleet.counted()} counted {[agent.labels() for agent in fleet.agents]}; without their "
          f"prediction {[len(some) for some in missing]}; by each crash, as counted: {crashes}; {dropped:.0f} exchanges dropped")
    assert len(fleet.acknowledged()) > 300
    # Without a prediction are only those that a kill of the monitor took along, and each of these is counted.
    assert len(missing[0]) <= sum(crashes[0]) + dropped
    # With the proxy itself its ring goes, uncounted: a quarter of a second's each at most.
    assert len(missing[1]) <= sum(crashes[1]) + 0.25 * 250 * len(crashes[1])


@pytest.mark.timeout(1800)
def test_while_the_brokers_are_away_predictions_wait_and_no_label_is_lost(make_fleet):
    seconds = float(os.environ.get("OUTRIDER_OUTAGE_SECONDS", "60"))
    fleet = make_fleet()
    fleet.start(pause=0.02)
    fleet.wait_for_labels()
    for caller in fleet.callers:
        caller.labelling.clear()
    before = sum(len(caller.predicted) for caller in fleet.callers)
    fleet.cluster.kill()
    wait_for("a refusal", lambda: post_labels(fleet.agents[0], [{"id": "x", "label": 1}]) == 503, 60)
    time.sleep(seconds)
    waiting = sum(pod.metrics().sum("outrider_shipping_pending_predictions") for pod in fleet.pods)
    made = sum(len(caller.predicted) for caller in fleet.callers) - before
    assert waiting > 0.9 * made - 100 and made > seconds
    fleet.cluster.start()
    back = time.monotonic()
    wait_for("nothing that waits", lambda: sum(pod.metrics().sum("outrider_shipping_pending_predictions") for pod in fleet.pods) < 50, 120)
    took = time.monotonic() - back
    for caller in fleet.callers:
        caller.labelling.set()
    wait_for("a label for each prediction of the outage", lambda: max(len(caller.due) for caller in fleet.callers) < 200, 240)
    rows = fleet.finish()
    print(f"away for {seconds:g} s: {waiting:.0f} predictions waited, at the topic {took:.1f} s after the broker's start; "
          f"{len(fleet.acknowledged())} acknowledged labels, {len(rows)} joined, {fleet.counted()} counted")
    assert fleet.acknowledged() == rows, "an acknowledged label was lost"
    assert not any(caller.failed for caller in fleet.callers), "an outage of brokers failed a request"


@pytest.mark.timeout(900)
def test_of_three_brokers_any_one_may_be_killed_and_labels_go_on(make_fleet):
    chance = random.Random(os.environ.get("OUTRIDER_SEED", "47"))
    fleet = make_fleet(nodes=3)
    fleet.start()
    waits = []
    for node in (0, 1, 2, chance.randrange(3)):
        fleet.wait_for_labels()
        fleet.cluster.kill(node)
        began = time.monotonic()
        fleet.wait_for_labels()  # The two that are left take them.
        waits.append(time.monotonic() - began)
        fleet.cluster.start(node)
        fleet.cluster.wait_until_open(node)
    rows = fleet.finish()
    print(f"4 kills of one broker in three: the next 200 labels acknowledged after {[round(one, 1) for one in waits]} s; "
          f"{len(fleet.acknowledged())} acknowledged labels, {len(rows)} joined, {fleet.counted()} counted")
    assert fleet.acknowledged() == rows, "an acknowledged label was lost"
    assert not any(caller.failed for caller in fleet.callers)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mechanism", LOGINS)
def test_by_tls_and_a_login_labels_are_joined_and_what_was_wrong_is_put_right_without_a_restart(make_fleet, tmp_path, mechanism):
    authority = Authority(tmp_path)
    password = tmp_path / "password"
    password.write_text("another one\n")
    fleet = make_fleet(
        login=mechanism, certificates=authority.sign(tmp_path / "nodes"),
        options=["--truth.kafka.tls", "--truth.kafka.tls-cert-dir", authority.sign(tmp_path / "ours"),
                 "--truth.kafka.sasl-mechanism", mechanism, "--truth.kafka.sasl-user", USER,
                 "--truth.kafka.sasl-password-file", password])
    agent, pod = fleet.agent("agent-0"), fleet.pod("pod-1")
    made = predict(pod, 50)
    labels = [{"id": name, "label": price} for name, price in made]
    for program in (agent, pod):
        wait_for("a refused login", lambda: program.metrics().sum("outrider_kafka_errors_total", reason="authentication") > 0, 60)
    assert post_labels(agent, labels) == 503
    password.write_text(PASSWORD + "\n")
    fleet.wait_for_partitions()
    wait_for("nothing that waits", lambda: pod.metrics().sum("outrider_shipping_sent_total") == 50, 60)
    assert agent.label(labels) == ["queued"] * 50
    wait_for("every label", lambda: fleet.counted() == 50, 60)


@pytest.mark.timeout(300)
def test_brokers_whose_certificate_another_authority_signed_are_not_trusted(make_fleet, tmp_path):
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    ours = Authority(tmp_path, "ours-ca")
    fleet = make_fleet(
        login="PLAIN", certificates=Authority(tmp_path).sign(tmp_path / "nodes"),
        options=["--truth.kafka.tls", "--truth.kafka.tls-ca", ours.pem, "--truth.kafka.sasl-mechanism", "PLAIN",
                 "--truth.kafka.sasl-user", USER, "--truth.kafka.sasl-password-file", password])
    agent, pod = fleet.agent("agent-0"), fleet.pod("pod-1")
    predict(pod, 5)
    for program in (agent, pod):
        wait_for("a refused certificate", lambda: program.metrics().sum("outrider_kafka_errors_total", reason="authentication") > 0, 60)
    assert agent.metrics().sum("outrider_kafka_member") == 0
    wait_for("what waits", lambda: pod.metrics().sum("outrider_shipping_pending_predictions") == 5, 10)
