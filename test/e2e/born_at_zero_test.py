# SPDX-License-Identifier: Apache-2.0
"""Every counter that an alert reads by increase() or rate() is there, at 0, before it first counts: Prometheus sees no increase
in a series that is born with one. The rules say which counters, the running programs whether."""

import csv
import json
import pathlib
import random
import re
import subprocess
import time

import pytest
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import ModelServer, Program, Sidecar

READ = re.compile(r"\b(?:increase|rate|irate)\(\s*(outrider_\w+)\s*(?:\{([^}]*)\})?\s*\[")
# Summed over one pod's series before increase() reads the sum.
SUMMED = re.compile(r"record: pod:\w+:total expr: sum without \([^)]*\) \((outrider_\w+)(?:\{([^}]*)\})?\)")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')
# Born with the objective that a configuration states, with what was counted before: of its two sides only the share is read.
OF_AN_OBJECTIVE = {"outrider_objective_latency_requests_total"}
# Of a quantile over an hour: a first sample that is missed is one of sixty, and there is none without --truth.enabled.
OF_A_QUANTILE = {"outrider_agent_truth_probe_seconds_bucket"}
FIRST_SAMPLES = ROOT / "alerts" / "tests" / "first_sample_test.yml"


def counters_that_alerts_read():
    """{(name, ((label, value) …))}: each alternative of a matcher on its own; matchers that only exclude are left out."""
    found = set()
    for file in sorted((ROOT / "alerts").glob("*.rules.yml")):
        text = re.sub(r"\s+", " ", file.read_text())
        for name, matchers in READ.findall(text) + SUMMED.findall(text):
            sets = [()]
            for label, operator, value in MATCHER.findall(matchers):
                if operator in ("!=", "!~"):
                    continue
                value = value.replace(r"\\", "\\")
                values = value.split("|") if operator == "=~" else [value]
                sets = [(*one, (label, re.sub(r"\\(.)", r"\1", v))) for one in sets for v in values]
            found |= {(name, one) for one in sets if name not in OF_AN_OBJECTIVE | OF_A_QUANTILE}
    return found


WANTED = counters_that_alerts_read()
NAMES = {name for name, _ in WANTED}


def series(program):
    """{(name, labels): value} of the counters that alerts read."""
    return {(s.name, frozenset(s.labels.items())): s.value for s in program.metrics().samples if s.name in NAMES}


def lacking(wanted, page):
    return sorted((name, labels) for name, labels in wanted
                  if not any(n == name and set(labels) <= set(found) for n, found in page))


def born_late(before, after):
    """Series that were not there and are not 0."""
    return sorted((name, tuple(sorted(labels))) for (name, labels), value in after.items()
                  if value and (name, labels) not in before)


def answer(path, body):
    size = json.loads(body)["size"] if body else 0
    if size in (500, 502, 503, 504):
        return size, "application/json", b'{"error": "told to"}'
    return 200, "application/json", json.dumps({"price": size * 0.05}).encode()


CONFIG = "model: {name: house, version: v1}\nsegments: [city]\nlog: {keep_features: true}\n"
SENDING = ["--remote-write.url", "http://127.0.0.1:9/api/v1/write", "--remote-write.keep-page", "--remote-write.flush-deadline", "0s"]


@pytest.fixture
def sidecar(programs, binaries, tmp_path):
    chance = random.Random(3)
    with open(tmp_path / "training.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["size", "city", "price"])
        for _ in range(1000):
            size = round(chance.uniform(1000, 3000), 1)
            rows.writerow([size, chance.choice(["bonn", "köln"]), size * 0.05])
    subprocess.run([binaries / "outrider", "profile", "--data", tmp_path / "training.csv", "--model.name", "house",
                    "--model.version", "v1", "--prediction", "price", "--out", tmp_path / "reference.json"], check=True, capture_output=True)
    (tmp_path / "model.yaml").write_text(CONFIG)
    with ModelServer(answer) as server:
        yield Sidecar(programs, binaries, server.url, tmp_path / "data",
                      options=["--model.config", tmp_path / "model.yaml", "--reference", tmp_path / "reference.json", *SENDING])


def of_topic(name):
    return name.startswith("outrider_kafka_records_")


def of_sidecar(name):
    return not name.startswith("outrider_agent_") and not of_topic(name)


def test_the_rules_are_read_right():
    assert ("outrider_labels_total", (("result", "unknown"),)) in WANTED
    assert ("outrider_outcomes_total", ()) in WANTED
    assert ("outrider_requests_total", (("outcome", "timeout"),)) in WANTED
    assert ("outrider_request_duration_seconds_bucket", (("le", "0.5"),)) in WANTED
    assert {"outrider_agent_actions_total", "outrider_series_dropped_total", "outrider_requests_of_other_models_total"} <= NAMES
    assert len(NAMES) >= 20


def test_what_sidecars_count_for_alerts_is_there_before_it_happens(sidecar):
    before_traffic = series(sidecar)
    status, headers, _ = http("POST", f"{sidecar.proxy}/predict", {"size": 1500, "city": "bonn"})
    assert status == 200
    sidecar.wait_for_predictions(1)
    wait_for("the log", lambda: sidecar.metrics().sum("outrider_log_stored_total") == 1, 10)
    quiet = series(sidecar)
    assert not lacking({w for w in WANTED if of_sidecar(w[0])}, quiet)

    # What that one request counts, and nothing else is above 0.
    counted = {name for (name, _), value in quiet.items() if value}
    assert counted <= {"outrider_exchanges_seen_total", "outrider_log_stored_total", "outrider_predictions_total",
                       "outrider_prediction_values_total", "outrider_feature_values_total", "outrider_requests_total",
                       "outrider_request_duration_seconds_bucket", "outrider_request_duration_seconds_count"}
    assert not born_late(before_traffic, {key: value for key, value in quiet.items() if key[0].startswith("outrider_request")})

    # Then all goes wrong at once.
    prediction = headers["X-Prediction-Id"]
    sidecar.label([{"id": f"{prediction}_{row}", "label": 1} for row in range(1, 301)])
    assert sidecar.label([{"id": prediction, "label": 75.0}]) == ["joined"]
    assert sidecar.label([{"id": prediction, "label": 75.0}]) == ["duplicate"]
    assert http("POST", f"{sidecar.admin}/api/v1/labels", b'{"label": 1}')[0] in (200, 400)
    for code in (500, 502, 503, 504):
        assert http("POST", f"{sidecar.proxy}/predict", {"size": code, "city": "bonn"})[0] == code
    for body in ({"size": "huge", "city": "bonn", "colour": 7}, {"size": 99_999, "city": "atlantis"}, {"city": "bonn"}):
        http("POST", f"{sidecar.proxy}/predict", body)
    http("POST", f"{sidecar.proxy}/predict", b"{", {"Content-Type": "application/json"})
    http("GET", f"{sidecar.proxy}/v1/models/other")
    wait_for("the labels' counters", lambda: sidecar.metrics().sum("outrider_outcomes_total") == 1, 10)
    wait_for("the failures", lambda: sidecar.metrics().sum("outrider_predictions_total", outcome="failure") >= 4, 10)
    loud = series(sidecar)
    assert sidecar.metrics().sum("outrider_labels_total", result="unknown") >= 300
    assert not born_late(quiet, loud)


def test_labels_of_no_prediction_are_counted_from_0_before_anything_was_predicted(programs, binaries, tmp_path):
    with ModelServer(answer) as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data")
        before = series(sidecar)
        assert before[("outrider_labels_total", frozenset({("model_name", "unknown"), ("model_version", "unknown"),
                                                           ("result", "unknown")}))] == 0
        hour_ago = int(time.time() - 3600) * 1000  # Of an id of now a prediction may still come.
        ids = [f"{hour_ago >> 16:08x}-{hour_ago & 0xffff:04x}-7000-8000-{i:012x}" for i in range(300)]
        sidecar.label([{"id": id, "label": 1} for id in ids])
        assert sidecar.metrics().sum("outrider_labels_total", result="unknown") == 300
        assert not born_late(before, series(sidecar))


def test_what_agents_count_for_alerts_is_there_before_it_happens(programs, agent_binary, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    agent = Program(programs, "agent", [agent_binary, "--web.listen-address", address, "--data.dir", tmp_path / "agent",
                                        "--labels.sidecars", "http://127.0.0.1:9"], f"http://{address}")
    before = series(agent)
    assert not lacking({w for w in WANTED if not of_sidecar(w[0]) and not of_topic(w[0])}, before)
    assert not [key for key, value in before.items() if value]
    http("POST", f"{agent.admin}/api/v1/labels", {"id": "0190a6b0-0000-7000-8000-000000000000", "label": 1})
    http("POST", f"{agent.admin}/api/v1/write", b"\x00", {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"})
    assert agent.metrics().sum("outrider_agent_label_questions_total", outcome="failed") > 0
    assert not born_late(before, series(agent))
    assert http_json("GET", f"{agent.admin}/api/v1/incidents") == {"incidents": []}


def test_what_an_agent_counts_of_a_topic_is_there_before_its_brokers_are(programs, agent_binary, tmp_path):
    address = f"127.0.0.1:{free_port()}"
    agent = Program(programs, "agent", [agent_binary, "--web.listen-address", address, "--data.dir", tmp_path / "agent",
                                        "--truth.enabled", "--truth.kafka.brokers", "127.0.0.1:9"], f"http://{address}")
    counted = series(agent)
    assert not lacking({w for w in WANTED if of_topic(w[0])}, counted)
    assert not [key for key, value in counted.items() if value]


def test_every_counter_that_an_alert_reads_has_its_first_sample_tested():
    text = pathlib.Path(FIRST_SAMPLES).read_text()
    assert not sorted(name for name in NAMES if not re.search(rf"series: '{name}[{{']", text))
