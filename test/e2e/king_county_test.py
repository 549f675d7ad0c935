# SPDX-License-Identifier: Apache-2.0
"""Real input: a model trained on the first months of the King County sales serves the following months
in the order of their dates; the true prices come late and out of order."""

import csv
import json
import random
import subprocess

import pytest
import requests
from processes import free_port
from stack import Program, Sidecar

TOLERANCE = 0.10
SERVED = 3000
NUMBERS = ["bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "grade", "sqft_above", "yr_built", "lat", "long",
           "sqft_living15"]
WORDS = ["waterfront", "view", "condition", "zipcode"]


def sales_by_date(shared_data):
    with open(shared_data / "houses" / "kc_house_data.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        month, day, year = row["date"].split("/")
        row["date"] = f"{year}-{int(month):02}-{int(day):02}T00:00:00Z"
    return sorted(rows, key=lambda row: row["date"])


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["date", "price", *NUMBERS, *WORDS], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def as_number(text):
    try:
        return float(text)
    except ValueError:
        return text or None  # "7 Average", "?" and the empty field go as they came.


@pytest.mark.timeout(240)
def test_what_the_sidecar_counts_of_real_sales_is_what_happened(programs, binaries, shared_data, tmp_path):
    sales = sales_by_date(shared_data)
    past = [row for row in sales if row["date"] < "2015-02-01"]
    future = [row for row in sales if row["date"] >= "2015-02-01"][:SERVED]
    write(tmp_path / "past.csv", past)
    trained = subprocess.run(
        [binaries / "outrider-predictor", "train", "--data", tmp_path / "past.csv", "--target", "price", "--algorithm",
         "ridge", "--name", "houses", "--registry", tmp_path / "registry", "--split.by", "time", "--split.column", "date",
         "--promote"], capture_output=True, text=True, timeout=120, check=False)
    assert trained.returncode == 0, trained.stderr

    port = free_port()
    predictor = Program(programs, "predictor", [
        binaries / "outrider-predictor", "serve", "--registry", tmp_path / "registry", "--name", "houses",
        "--web.listen-address", f"127.0.0.1:{port}"], f"http://127.0.0.1:{port}")
    config = tmp_path / "model.yaml"
    config.write_text('model: {name: houses, version: "header:X-Model-Version"}\ntruth: {tolerance: 10%}\n')
    sidecar = Sidecar(programs, binaries, predictor.admin, tmp_path / "data",
                      options=["--model.config", config, "--reference", tmp_path / "registry"])

    chance = random.Random(5)
    waiting, expected, errors = [], {True: 0, False: 0}, {"absolute": 0.0, "squared": 0.0}
    with requests.Session() as session:
        session.trust_env = False

        def deliver(count):
            chance.shuffle(waiting)
            batch = [waiting.pop() for _ in range(min(count, len(waiting)))]
            assert set(sidecar.label([label for label, _ in batch])) <= {"joined"}
            for label, predicted in batch:
                error = predicted - label["label"]
                expected[abs(error) <= TOLERANCE * abs(label["label"])] += 1
                errors["absolute"] += abs(error)
                errors["squared"] += error * error

        for i, sale in enumerate(future):
            features = {name: as_number(sale[name]) for name in NUMBERS + WORDS if sale[name] != ""}
            answer = session.post(f"{sidecar.proxy}/predict", json=features, timeout=10)
            assert answer.status_code == 200, answer.text
            waiting.append(({"id": answer.headers["X-Prediction-Id"], "label": float(sale["price"])},
                            answer.json()["price"]))
            if i % 500 == 499:
                sidecar.wait_for_predictions(i + 1)
                deliver(200)
        while waiting:
            deliver(300)

    metrics = sidecar.metrics()
    assert metrics.by("outrider_predictions_total", "outcome")["success"] == len(future)
    counted = metrics.by("outrider_outcomes_total", "correct")
    assert counted == {"true": expected[True], "false": expected[False]}
    assert metrics.sum("outrider_absolute_error_total") == pytest.approx(errors["absolute"], rel=1e-9)
    assert metrics.sum("outrider_squared_error_total") == pytest.approx(errors["squared"], rel=1e-9)
    status = requests.get(f"{sidecar.admin}/api/v1/status", timeout=10).json()
    print(f"accuracy within 10 %: {expected[True] / len(future):.3f}; status: {json.dumps(status)[:1500]}")
