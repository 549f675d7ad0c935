# SPDX-License-Identifier: Apache-2.0
"""One sidecar before a server of many models: whose names are told, and that each is read and judged as its entry says."""

import csv
import json
import random
import subprocess

import pytest
from processes import http, http_json, wait_for
from stack import ModelServer, Sidecar

# Forty models of four teams. Each team's models answer in their own shape.
RENTS = [f"rent-{i}" for i in range(10)]
FRAUDS = [f"fraud.{i}" for i in range(10)]
STOCKS = [f"stock_{i}" for i in range(10)]
GRADES = [f"grade{i}" for i in range(10)]

CONFIG = """
truth: {tolerance: 1%}
log: {keep_features: true}
models:
"""
ENTRIES = {
    "rent": '{truth: {tolerance: 20%}, segments: [district]}',
    "fraud": '{response: {kind: classification, score: "json:/score", threshold: 0.8, classes: [fine, stolen]}}',
    "stock": '{truth: {tolerance: 0, absolute_tolerance: 2}, request: {features: [{name: shelf}]}}',
    "grade": '{response: {kind: classification, prediction: "json:/verdict/mark"}}',
}


def entry(name):
    return f'  {name}: {next(text for team, text in ENTRIES.items() if name.startswith(team))}\n'


def answer(path, body):
    """The models' server: what it does not have is 404, and "broken" crashes."""
    name = path.split("/models/")[1].split("/")[0].removesuffix(":predict")
    request = json.loads(body)
    if name in RENTS:
        result = {"predictions": [row["area"] * 11 for row in request["instances"]]}
    elif name in FRAUDS:
        result = {"score": request["amount"] / 1000}
    elif name in STOCKS:
        values = request["inputs"][0]["data"]
        result = {"model_name": name, "model_version": "5",
                  "outputs": [{"name": "units", "shape": [len(values)], "datatype": "FP64", "data": [v + 4 for v in values]}]}
    elif name in GRADES:
        result = {"verdict": {"mark": "B" if request["points"] > 50 else "F", "points": request["points"]}}
    elif name == "broken":
        return 500, "text/plain", b"no memory"
    else:
        return 404, "application/json", b'{"error": "no such model"}'
    return 200, "application/json", json.dumps(result).encode()


@pytest.fixture
def model():
    with ModelServer(answer) as server:
        yield server


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "model.yaml"
    file.write_text(CONFIG + "".join(entry(name) for name in RENTS + FRAUDS + STOCKS + GRADES))
    return file


@pytest.fixture
def sidecar(programs, binaries, model, config, tmp_path):
    return Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", config])


def ask(sidecar, name, number):
    """One prediction of the model; its id."""
    path, body = f"/v1/models/{name}:predict", None
    if name in RENTS:
        body = {"instances": [{"area": number, "district": "west"}]}
    elif name in STOCKS:
        path = f"/v2/models/{name}/infer"
        body = {"inputs": [{"name": "shelf", "shape": [1, 1], "datatype": "FP64", "data": [number]},
                           {"name": "noise", "shape": [1, 1], "datatype": "FP64", "data": [0.1]}]}
    else:
        body = {"amount": number} if name in FRAUDS else {"points": number}
    status, headers, text = http("POST", f"{sidecar.proxy}{path}", body)
    assert status == 200, text
    return headers["X-Prediction-Id"]


def wait_until_seen(sidecar, exchanges):
    wait_for(f"{exchanges} exchanges", lambda: sidecar.metrics().sum("outrider_exchanges_seen_total") >= exchanges, 30)


def test_forty_models_are_read_and_judged_each_by_its_own_entry(sidecar):
    labels, exchanges = [], 0
    for name in RENTS + FRAUDS + STOCKS + GRADES:
        for number, truth in {
            "rent": [(50, 11 * 50 * 1.1), (60, 11 * 60 * 1.5)],  # Within 20 %, and not.
            "frau": [(900, "stolen"), (700, "stolen")],  # From 0.8 on it is; 0.7 is "fine".
            "stoc": [(10, 15.5), (10, 17)],  # 14 is within 2 of one.
            "grad": [(70, "B"), (30, "B")],
        }[name[:4]]:
            labels.append({"id": ask(sidecar, name, number), "label": truth})
            exchanges += 1
    wait_until_seen(sidecar, exchanges)
    seen = sidecar.metrics()
    assert {reason: count for reason, count in seen.by("outrider_exchanges_failed_total", "reason").items() if count} == {}
    assert seen.sum("outrider_exchanges_analysed_total") == exchanges
    by_name = seen.by("outrider_predictions_total", "model_name")
    assert by_name == {name: 2 for name in RENTS + FRAUDS + STOCKS + GRADES}
    assert seen.sum("outrider_series_dropped_total") == 0
    assert set(sidecar.label(labels)) <= {"joined", "early"}
    wait_for("all outcomes", lambda: sidecar.metrics().sum("outrider_outcomes_total") == exchanges, 90)
    seen = sidecar.metrics()
    assert seen.sum("outrider_outcomes_total", model_name="rent-4", correct="true", segment="district=west") == 1
    for name in RENTS + FRAUDS + STOCKS + GRADES:
        assert seen.sum("outrider_outcomes_total", model_name=name, correct="true") == 1, name
        assert seen.sum("outrider_outcomes_total", model_name=name, correct="false") == 1, name
    assert seen.sum("outrider_confusion_total", model_name="fraud.7", actual="stolen", predicted="fine") == 1
    assert seen.sum("outrider_confusion_total", model_name="grade3", actual="B", predicted="F") == 1
    assert seen.sum("outrider_absolute_error_total", model_name="stock_9") == pytest.approx(1.5 + 3)
    rows = sidecar.training_data()
    assert {"area", "amount", "shelf", "points"} <= set(rows[0]) and "noise" not in rows[0]
    assert sum(1 for row in rows if row["shelf"]) == 2 * len(STOCKS)


def test_names_that_clients_make_up_push_no_model_out(programs, binaries, model, tmp_path):
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data")  # Nothing is configured.
    for i in range(30):
        assert http("POST", f"{sidecar.proxy}/v1/models/guess-{i}:predict", {"points": 3})[0] == 404
    for _ in range(3):
        assert http("POST", f"{sidecar.proxy}/v1/models/broken:predict", {"points": 3})[0] == 500
    for name in RENTS + STOCKS[:6]:  # As many as limits.models.
        ask(sidecar, name, 40)
    wait_until_seen(sidecar, 49)
    seen = sidecar.metrics()
    success = {s.labels["model_name"] for s in seen.samples
               if s.name == "outrider_predictions_total" and s.labels["outcome"] == "success" and s.value == 1}
    assert success == set(RENTS + STOCKS[:6])
    failures = {(s.labels["model_name"], s.value) for s in seen.samples
                if s.name == "outrider_predictions_total" and s.labels["outcome"] == "failure" and s.value}
    assert failures == {("other", 30)}  # "broken" had a slot of its own until the sixteenth model came.
    assert seen.sum("outrider_series_dropped_total", limit="models") == 0
    assert {v["model_name"] for v in http_json("GET", f"{sidecar.admin}/api/v1/status")["versions"]} == success | {"other"}


def test_a_model_that_only_crashes_is_told_by_its_name(programs, binaries, model, tmp_path):
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data")
    for _ in range(5):
        assert http("POST", f"{sidecar.proxy}/v1/models/broken:predict", {"points": 3})[0] == 500
    wait_until_seen(sidecar, 5)
    assert sidecar.metrics().sum("outrider_predictions_total", model_name="broken", outcome="failure") == 5


def test_two_hundred_configured_models_keep_their_names(programs, binaries, tmp_path):
    names = [f"tenant-{i:03}" for i in range(200)]
    config = tmp_path / "model.yaml"
    config.write_text("models:\n" + "".join(
        f"  {name}: {{response: {{prediction: json:/of/{name}}}}}\n" for name in names))  # Each has a pointer of its own.

    def of_tenant(path, body):
        name = path.split("/models/")[1].removesuffix(":predict")
        return 200, "application/json", json.dumps({"took": 1, "of": {"nobody": 2, name: json.loads(body)["n"]}}).encode()

    with ModelServer(of_tenant) as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data", options=["--model.config", config])
        labels = []
        for _ in range(2):
            for name in names:
                status, headers, _ = http("POST", f"{sidecar.proxy}/v1/models/{name}:predict", {"n": 3})
                assert status == 200
                labels.append({"id": headers["X-Prediction-Id"], "label": 3})
        wait_until_seen(sidecar, 400)
        seen = sidecar.metrics()
        assert seen.by("outrider_predictions_total", "model_name") == {name: 2 for name in names}
        assert seen.sum("outrider_exchanges_analysed_total") == 400
        assert seen.sum("outrider_series_dropped_total") == 0
        assert seen.sum("process_resident_memory_bytes") < 200 << 20
        sidecar.label(labels)
        wait_for("all labels", lambda: sidecar.metrics().sum("outrider_labels_total", result="joined") == 400, 90)
        assert sidecar.metrics().by("outrider_outcomes_total", "model_name") == {name: 2 for name in names}


def profile(binaries, file, rows, *options):
    with open(file.with_suffix(".csv"), "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    done = subprocess.run([binaries / "outrider", "profile", "--data", file.with_suffix(".csv"), "--out", file,
                           "--prediction", "price", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_model_has_a_reference_of_its_own(programs, binaries, model, tmp_path):
    rng = random.Random(31)
    rows = [{"area": rng.uniform(20, 90), "district": rng.choice(["west", "north"])} for _ in range(2000)]
    rows = [{**row, "price": row["area"] * 11} for row in rows]
    profile(binaries, tmp_path / "unnamed.json", rows)
    profile(binaries, tmp_path / "foreign.json", rows, "--model.name", "rent-7")
    (tmp_path / "registry" / "rent-2" / "1").mkdir(parents=True)
    profile(binaries, tmp_path / "registry" / "rent-2" / "1" / "reference.json", rows, "--model.name", "rent-2")
    config = tmp_path / "model.yaml"
    config.write_text(f"""
reference: {tmp_path}/registry
models:
  rent-0: {{reference: {tmp_path}/unnamed.json}}
  rent-1: {{reference: {tmp_path}/foreign.json}}
""")
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", config])

    def trained():
        return {s.labels["model_name"] for s in sidecar.metrics().samples
                if s.name == "outrider_reference_info" and s.labels["source"] == "trained"}

    for name in RENTS[:4]:
        ask(sidecar, name, 55)
    wait_for("the references", lambda: trained() == {"rent-0", "rent-2"}, 30)
    assert "models.rent-1.reference" in programs.log("sidecar")

    # A reload mends the entry, and takes another away.
    config.write_text(f"""
reference: {tmp_path}/registry
models:
  rent-7: {{reference: {tmp_path}/foreign.json, truth: {{tolerance: 50%}}}}
""")
    assert http("POST", f"{sidecar.admin}/-/reload")[0] == 200

    def judged_by_the_new_entry():
        ask(sidecar, "rent-7", 55)
        return "rent-7" in trained()

    wait_for("the new entry", judged_by_the_new_entry, 30)
    identity = ask(sidecar, "rent-7", 50)
    sidecar.label([{"id": identity, "label": 11 * 50 * 1.4}])
    wait_for("the label within the entry's tolerance",
             lambda: sidecar.metrics().sum("outrider_outcomes_total", model_name="rent-7", correct="true") == 1, 90)


def test_mistakes_in_entries_are_told_all_at_once(sidecar, config):
    good = config.read_text()
    config.write_text(good + "  late: {truth: {tolerance: soon}, sampling: {rate: 1}}\n  odd: {response: {kind: odd}}\n")
    status, _, text = http("POST", f"{sidecar.admin}/-/reload")
    assert status == 500
    message = json.loads(text)["message"]
    line = good.count("\n") + 1
    assert f"model.yaml:{line}: models.late.truth.tolerance: expected a number" in message
    assert f"model.yaml:{line}: models.late.sampling: is the same for all models" in message
    assert f"model.yaml:{line + 1}: models.odd.response.kind: expected regression or classification" in message
    assert ask(sidecar, "rent-3", 30)
