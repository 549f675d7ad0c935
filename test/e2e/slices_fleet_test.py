# SPDX-License-Identifier: Apache-2.0
"""Why is the model wrong, over all its pods: the agent adds what live sidecars counted, found by a real Prometheus."""

import random
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from agent_program import Agent
from processes import free_port, http, http_json, wait_for
from slices_test import CONFIG, answer, feed, reference, wait_for_outcomes
from stack import ModelServer, Sidecar
from why_test import start_prometheus

__all__ = ["reference"]


@pytest.fixture
def pods(programs, binaries, tmp_path, reference):
    """Two pods of the workload `shop`, and one of another workload that serves a model of the same name."""
    with ModelServer(answer) as model:
        (tmp_path / "model.yaml").write_text(CONFIG.replace("KEEP", "true") + f"reference: {reference}\n")
        yield [Sidecar(programs, binaries, model.url, tmp_path / name, name=name, options=["--model.config", tmp_path / "model.yaml"])
               for name in ("shop-a", "shop-b", "other")]


def post_alert(agent, name, starts):
    alert = {"status": "firing", "startsAt": starts, "endsAt": "0001-01-01T00:00:00Z",
             "labels": {"alertname": name, "job": "shop", "model_name": "house", "model_version": "3"},
             "annotations": {"accuracy_before": "96%", "accuracy_after": "84%", "summary": "The accuracy fell."}}
    http_json("POST", f"{agent.admin}/api/v1/alerts", {"version": "4", "groupKey": name, "status": "firing", "alerts": [alert]})


def slices_of(agent, alert):
    def answered():
        found = [i for i in agent.incidents() if i["alert"] == alert and i["slices"]]
        return found[0]["slices"] if found else None
    return wait_for("the slices of an incident", answered, 60)


def counted(pod, since):
    answer = http_json("GET", f"{pod.admin}/api/v1/slices?counts=true&model=house&version=3&since={quote(since)}")
    district = next(f for f in answer["counts"]["features"] if f["name"] == "district")
    return district["counts"][district["slices"].index("park")], answer["counts"]["since"][0]


def test_a_slice_is_told_of_the_model_and_not_of_a_pod(programs, agent_binary, tmp_path, pods):
    rng = random.Random(5)
    shop, other = pods[:2], pods[2]
    for _ in range(8):
        for pod in pods:
            feed(pod, rng, 100, lambda _: 0.04)
    wait_for_outcomes(other, 800)
    changed = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for _ in range(8):
        for pod in shop:
            feed(pod, rng, 100, lambda district: 0.5 if district == "park" else 0.04)
        feed(other, rng, 100, lambda _: 0.9)  # All is wrong there, and it is no reason here.
    for pod in pods:
        wait_for_outcomes(pod, 1600)
    addresses = [pod.admin.removeprefix("http://") for pod in pods]
    (tmp_path / "prometheus").mkdir()
    prometheus = start_prometheus(programs, tmp_path / "prometheus",
                                  {"shop": "','".join(addresses[:2]), "other": addresses[2]})
    wait_for("all pods' predictions", lambda: len(http_json(
        "GET", f"{prometheus.admin}/api/v1/query?query=outrider_predictions_total%7Boutcome=%22success%22%7D%20%3E%20799")
        ["data"]["result"]) == 3, 30)

    agent = Agent(programs, agent_binary, tmp_path, options=["--prometheus.url", prometheus.admin])
    post_alert(agent, "ModelAccuracyDropped", changed)
    slices = slices_of(agent, "ModelAccuracyDropped")
    found = slices["answer"]
    assert found and found["verdict"] == "slices", slices
    first = found["slices"][0]
    assert (first["feature"], first["slice"], first["named"]) == ("district", "park", True)
    parks, rows = zip(*(counted(pod, found["since"]) for pod in shop))
    assert [first["before"]["rows"], first["before"]["wrong"], first["since"]["rows"], first["since"]["wrong"]] == [
        sum(column) for column in zip(*parks)]
    assert found["after"]["rows"] == sum(rows) >= 1000 and found["sidecars"] == 2
    right = round(100 * (1 - first["before"]["wrong"] / first["before"]["rows"]))
    assert slices["summary"].startswith(f"accuracy fell only for district = park, {right} % -> "), slices["summary"]
    assert slices["summary"].endswith("; elsewhere unchanged (all 2 sidecars of the model)"), slices["summary"]

    # A pod that is gone is said to be missing; what the other tells is still told.
    pods[1].kill()
    post_alert(agent, "AccuracyOfAnotherRule", changed)
    partial = slices_of(agent, "AccuracyOfAnotherRule")
    assert partial["answer"]["slices"][0]["slice"] == "park"
    assert "(1 of 2 sidecars of the model; " + pods[1].admin in partial["summary"], partial["summary"]


def test_a_token_is_sent_to_sidecars_that_are_named_and_not_to_those_that_are_found(programs, binaries, agent_binary, tmp_path, reference):
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "prometheus").mkdir()
    port = free_port()
    with ModelServer(answer) as model:
        (tmp_path / "model.yaml").write_text(CONFIG.replace("KEEP", "true") + f"reference: {reference}\n")
        pod = Sidecar(programs, binaries, model.url, tmp_path / "pod",
                      options=["--model.config", tmp_path / "model.yaml", "--labels.listen-address", f"127.0.0.1:{port}",
                               "--labels.bearer-token-file", tmp_path / "token"])
        status, _, _ = http("POST", f"{pod.proxy}/v1/models/house:predict", {"instances": [{"size": 1000, "district": "park"}]})
        assert status == 200
        prometheus = start_prometheus(programs, tmp_path / "prometheus", {"shop": pod.admin.removeprefix("http://")})
        wait_for("predictions", lambda: http_json(
            "GET", f"{prometheus.admin}/api/v1/query?query=outrider_predictions_total")["data"]["result"], 30)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        agent = Agent(programs, agent_binary, tmp_path, options=["--prometheus.url", prometheus.admin])
        post_alert(agent, "ModelAccuracyDropped", now)
        found = slices_of(agent, "ModelAccuracyDropped")
        assert found["answer"] is None and "name the sidecars' labels port (--labels.sidecars)" in found["summary"], found
        agent.stop()

        (tmp_path / "named").mkdir()
        named = Agent(programs, agent_binary, tmp_path / "named",
                      options=["--prometheus.url", prometheus.admin, "--labels.sidecars", f"http://127.0.0.1:{port}",
                               "--labels.bearer-token-file", tmp_path / "token"])
        post_alert(named, "ModelAccuracyDropped", now)
        told = slices_of(named, "ModelAccuracyDropped")
        assert told["answer"]["verdict"] == "too_few_rows" and told["answer"]["sidecars"] == 1, told
