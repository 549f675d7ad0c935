# SPDX-License-Identifier: Apache-2.0
"""What a pod costs Prometheus: the series on the page of one model version with 50 inputs, judged and labelled."""

import collections
import csv
import json
import subprocess

import numpy as np
import pytest
import requests
from processes import wait_for
from stack import ModelServer, Sidecar

NUMBERS, WORDS, ROWS = 44, 6, 500
COLOURS = ["red", "green", "blue", "white", "black"]
MOST = 1200


def rows_of(random, count):
    numbers = random.normal(size=(count, NUMBERS))
    words = random.choice(COLOURS, (count, WORDS))
    return [{f"n{i:02d}": float(x) for i, x in enumerate(line)} | {f"w{i}": str(word) for i, word in enumerate(names)}
            for line, names in zip(numbers, words, strict=True)]


def price(row):
    return 10 + row["n00"]


def answer(path, body):
    predictions = [price(row) for row in json.loads(body)["instances"]]
    return 200, "application/json", json.dumps({"predictions": predictions}).encode()


def profile(binaries, folder):
    rows = rows_of(np.random.default_rng(1), 5000)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "p", "y"])
        writer.writeheader()
        writer.writerows(row | {"p": price(row), "y": price(row) * 1.01} for row in rows)
    done = subprocess.run([binaries / "outrider", "profile", "--data", folder / "train.csv", "--prediction", "p", "--target", "y",
                           "--model.name", "house", "--model.version", "3", "--out", folder / "reference.json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def page(programs, binaries, tmp_path):
    """Gives the samples of a pod's page once all that is ever exported of one version is."""
    profile(binaries, tmp_path)

    def samples(config):
        file = tmp_path / "model.yaml"
        file.write_text('model: {name: house, version: "3"}\n' + config)
        with ModelServer(answer) as server, requests.Session() as session:
            session.trust_env = False
            pod = Sidecar(programs, binaries, server.url, tmp_path / "data", "pod",
                          ["--model.config", file, "--reference", tmp_path / "reference.json"])
            random = np.random.default_rng(2)
            for _ in range(20):
                done = session.post(f"{pod.proxy}/v1/models/house:predict", json={"instances": rows_of(random, ROWS)}, timeout=10)
                assert done.status_code == 200, done.text
            pod.wait_for_predictions(20 * ROWS)
            pod.label([{"id": done.headers["X-Prediction-Id"] + f"_{row}", "label": 10.0} for row in range(100)])
            wait_for("the outcomes", lambda: pod.metrics().sum("outrider_outcomes_total") >= 100, 20)
            return pod.metrics().samples
    return samples


# What needs judged panes of minutes, of each subject (the inputs, the prediction, all inputs together): the PSI, the ratio, the design effect.
JUDGED_LATER = 3
SUBJECTS = NUMBERS + WORDS + 2


def test_a_model_of_50_inputs_is_at_most_1200_series_a_pod(page):
    found = page("")
    by_name = collections.Counter(s.name for s in found)
    print(len(found), by_name.most_common())
    # All of it is there: tenths of each input, what can fail of it, the weights of the accuracy alarm.
    assert by_name["outrider_feature_values_total"] == 10 * (NUMBERS + WORDS)
    assert by_name["outrider_feature_quality_total"] == 3 * NUMBERS + 2 * WORDS + 1
    assert by_name["outrider_drift_verdict"] == SUBJECTS
    assert by_name["outrider_accuracy_bet_log_weight"] == 16
    judged = sum(by_name[f"outrider_drift_{name}"] for name in ("score", "ratio", "design_effect"))
    assert len(found) - judged + JUDGED_LATER * SUBJECTS <= MOST, by_name.most_common(30)
    assert by_name["outrider_reference_ratio"] == by_name["outrider_drift_threshold"] == 0


def test_what_was_cut_comes_back_when_it_is_asked_for(page):
    by_name = collections.Counter(s.name for s in page("metrics: {bins: all, tests: all}\n"))
    assert by_name["outrider_feature_values_total"] > 20 * NUMBERS
    assert by_name["outrider_reference_ratio"] > 20 * NUMBERS
