# SPDX-License-Identifier: Apache-2.0
"""Why is the model wrong? `GET /api/v1/slices` of a real sidecar, over labels that came in."""

import json
import random
import subprocess
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from processes import free_port, http, wait_for
from stack import ModelServer, Sidecar

CONFIG = """
model: {name: house, version: "3"}
truth: {tolerance: 10%}
log: {keep_features: KEEP}
"""
DISTRICTS = ["park", "harbour", "old town", "hill", "mill"]


def answer(_path, body):
    rows = json.loads(body)["instances"]
    return 200, "application/json", json.dumps({"predictions": [row["size"] * 0.05 for row in rows]}).encode()


@pytest.fixture
def start(programs, binaries, tmp_path):
    with ModelServer(answer) as model:
        def run(keep="true", options=(), reference=None):
            more = f"reference: {reference}\n" if reference else ""
            (tmp_path / "model.yaml").write_text(CONFIG.replace("KEEP", keep) + more)
            return Sidecar(programs, binaries, model.url, tmp_path / "data",
                           options=["--model.config", tmp_path / "model.yaml", *options])
        yield run


@pytest.fixture
def reference(binaries, tmp_path):
    """Of houses as `feed` makes them, 4 % of their predictions wrong."""
    rng = random.Random(11)
    lines = ["size,district,guess,price"]
    for _ in range(4000):
        size = rng.uniform(800, 3000)
        price = size * 0.05 * (1.5 if rng.random() < 0.04 else 1)
        lines.append(f"{size},{rng.choice(DISTRICTS)},{size * 0.05},{price}")
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    subprocess.run([binaries / "outrider", "profile", "--data", tmp_path / "train.csv", "--target", "price", "--prediction", "guess",
                    "--model.name", "house", "--model.version", "3", "--out", tmp_path / "reference.json"],
                   check=True, capture_output=True, timeout=60)
    return tmp_path / "reference.json"


def feed(sidecar, rng, rows, wrong_in):
    """Predictions and their truth; `wrong_in` is the error rate of each district. Gives (rows, wrong) of the park."""
    houses = [{"size": rng.uniform(800, 3000), "district": rng.choice(DISTRICTS)} for _ in range(rows)]
    status, headers, _ = http("POST", f"{sidecar.proxy}/v1/models/house:predict", {"instances": houses})
    assert status == 200
    wrong = [rng.random() < wrong_in(house["district"]) for house in houses]
    truth = [house["size"] * 0.05 * (1.5 if is_wrong else 1) for house, is_wrong in zip(houses, wrong)]
    results = sidecar.label([{"id": f"{headers['X-Prediction-Id']}_{i}", "label": label} for i, label in enumerate(truth)])
    assert set(results) <= {"joined", "early"}
    park = [is_wrong for house, is_wrong in zip(houses, wrong) if house["district"] == "park"]
    return len(park), sum(park)


def ask(sidecar, query, expected=200):
    status, _, text = http("GET", f"{sidecar.admin}/api/v1/slices{query}")
    assert status == expected, text
    return json.loads(text)


def wait_for_outcomes(sidecar, count):
    wait_for(f"{count} outcomes", lambda: sidecar.metrics().sum("outrider_outcomes_total") >= count, 30)


def now():
    return quote(datetime.now(UTC).isoformat().replace("+00:00", "Z"))


def test_the_slice_where_the_accuracy_fell_is_named_since_the_alarms_change(start, reference):
    sidecar = start(reference=reference)
    rng = random.Random(3)
    for _ in range(20):
        feed(sidecar, rng, 100, lambda _: 0.04)
    wait_for_outcomes(sidecar, 2000)
    assert ask(sidecar, "?model=house", 409)["error"] == "no_change"
    changed = now()
    few = ask(sidecar, f"?model=house&since={changed}")
    assert few["verdict"] == "too_few_rows"
    assert few["summary"] == "too few rows: 0 of 100 rows since the change"
    assert few["slices"] == []

    parks = [feed(sidecar, rng, 100, lambda district: 0.6 if district == "park" else 0.04) for _ in range(10)]
    wait_for_outcomes(sidecar, 3000)
    found = ask(sidecar, f"?model=house&since={changed}")
    assert found["verdict"] == "slices", found
    assert found["version"] == "3" and found["since_from"] == "request" and not found["provisional"]
    assert (found["before"]["rows"], found["after"]["rows"]) == (2000, 1000)
    assert found["before"]["complete"] and found["after"]["complete"]
    first = found["slices"][0]
    assert (first["feature"], first["slice"], first["named"]) == ("district", "park", True)
    assert first["p"] <= found["alpha"] <= 0.025
    assert (first["since"]["rows"], first["since"]["wrong"]) == tuple(map(sum, zip(*parks)))
    low, high = first["interval"]
    assert 0.3 < low < first["lift"] < high < 0.7
    assert found["summary"].startswith("accuracy fell only for district = park, 9")
    assert found["summary"].endswith(f" % of {first['since']['rows']}; elsewhere unchanged")

    # Another look before the rows have doubled is the same look.
    feed(sidecar, rng, 100, lambda _: 0.04)
    wait_for_outcomes(sidecar, 3100)
    assert ask(sidecar, f"?model=house&since={changed}") == found
    assert found["next_look_rows"] > 1100

    wait_for("the alarm", lambda: sidecar.metrics().sum("outrider_accuracy_alarm") == 1, 30)
    by_alarm = ask(sidecar, "?model=house&version=3")
    assert by_alarm["since_from"] == "alarm"
    assert by_alarm["slices"][0]["slice"] == "park" and by_alarm["slices"][0]["named"]


def test_what_cannot_be_answered_says_what_to_change(start):
    sidecar = start()
    assert ask(sidecar, "", 400)["error"] == "bad_request"
    assert "RFC 3339" in ask(sidecar, "?model=house&since=yesterday", 400)["message"]
    assert ask(sidecar, "?model=boat", 404)["error"] == "unknown_model"
    feed(sidecar, random.Random(1), 10, lambda _: 0)
    wait_for_outcomes(sidecar, 10)
    refused = ask(sidecar, f"?model=house&since={now()}", 409)
    assert refused["error"] == "no_reference" and "reference:" in refused["message"]
    assert "seen: house 3" in ask(sidecar, "?model=boat", 404)["message"]


def test_without_features_in_the_log_it_says_so(start):
    sidecar = start(keep="false")
    refused = ask(sidecar, "?model=house", 403)
    assert refused["error"] == "features_not_kept" and "log.keep_features" in refused["message"]


def test_slices_are_behind_the_labels_token(start, tmp_path):
    port = free_port()
    (tmp_path / "token").write_text("secret\n")
    sidecar = start(options=["--labels.listen-address", f"127.0.0.1:{port}", "--labels.bearer-token-file", tmp_path / "token"])
    assert http("GET", f"{sidecar.admin}/api/v1/slices?model=house")[0] == 404
    url = f"http://127.0.0.1:{port}/api/v1/slices?model=house"
    assert http("GET", url)[0] == 401
    assert http("GET", url, headers={"Authorization": "Bearer secret"})[0] == 404  # No prediction of it yet.
