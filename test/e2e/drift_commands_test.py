# SPDX-License-Identifier: Apache-2.0
"""outrider profile, inspect and backtest, as people call them: on King County sales and on tables made here."""

import csv
import hashlib
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def outrider():
    program = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / "outrider"
    if not program.exists():
        pytest.fail(f"no {program}: run scripts/build first")

    def run(*arguments):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120)

    return run


def write(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    return path


def table(seed, rows, shift=0.0):
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1, rows)
    return {"x": x, "z": 0.8 * x + 0.6 * random.normal(size=rows), "colour": random.choice(["red", "blue"], rows)}


@pytest.fixture
def reference(outrider, tmp_path):
    out = tmp_path / "new folder" / "reference.json"
    done = outrider("profile", "--data", write(tmp_path / "train.csv", table(1, 10_000)), "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_profile_writes_numpys_quantiles_and_a_hash_anyone_can_check(reference, tmp_path):
    document = json.loads(reference.read_text())
    x = next(feature for feature in document["features"] if feature["name"] == "x")
    with open(tmp_path / "train.csv") as file:
        values = np.array([float(row["x"]) for row in csv.DictReader(file)])
    np.testing.assert_allclose(x["edges"], np.quantile(values, np.arange(1, 20) / 20), rtol=1e-12)
    assert sum(x["counts"]) == 10_000
    np.testing.assert_allclose([x["mean"], x["deviation"]], [values.mean(), values.std()], rtol=1e-9)
    slots = x["counts"] + [x[slot] for slot in ("missing", "nan", "neg_inf", "pos_inf")]
    text = "numeric\n" + ",".join(float(e).hex() for e in x["edges"]) + "\n\n" + ",".join(map(str, slots))
    assert x["hash"] == hashlib.sha256(text.encode()).hexdigest()[:12]
    said = document.pop("hash")
    assert len(said) == 12


def test_backtest_has_the_promised_shape_and_finds_what_moved(outrider, reference, tmp_path):
    live = write(tmp_path / "live.csv", table(2, 4000, shift=0.5))
    done = outrider("backtest", "--reference", reference, "--data", live, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rows"] == 4000
    subjects = {subject["subject"]: subject for subject in report["subjects"]}
    assert set(subjects) == {"x", "z", "colour", "multivariate"}
    assert subjects["x"]["verdict"] == "drift" and subjects["colour"]["verdict"] == "stable"
    for subject in subjects.values():
        assert {"psi", "ks", "js", "wasserstein", "chi2"} <= set(subject["scores"])
        assert subject["thresholds"]["psi"] == 0.1 and subject["n"] == 4000
    assert {"row": 3999, "subject": "x"} in report["alarms"]
    calm = outrider("backtest", "--reference", reference, "--data", write(tmp_path / "calm.csv", table(3, 4000)), "--json")
    assert json.loads(calm.stdout)["alarms"] == []


def test_ndjson_and_csv_of_the_same_rows_are_judged_alike(outrider, reference, tmp_path):
    columns = table(4, 2000)
    lines = [json.dumps({"x": x, "z": z, "colour": str(c)}) for x, z, c in zip(*columns.values())]
    (tmp_path / "live.ndjson").write_text("\n".join(lines))
    from_csv = outrider("backtest", "--reference", reference, "--data", write(tmp_path / "live.csv", columns), "--json")
    from_ndjson = outrider("backtest", "--reference", reference, "--data", tmp_path / "live.ndjson", "--json")
    assert from_csv.stdout == from_ndjson.stdout != ""


def test_few_rows_are_warming_up_and_no_alarm(outrider, reference, tmp_path):
    done = outrider("backtest", "--reference", reference, "--data", write(tmp_path / "few.csv", table(5, 499, shift=3)), "--json")
    report = json.loads(done.stdout)
    assert report["alarms"] == []
    assert next(s for s in report["subjects"] if s["subject"] == "x")["verdict"] == "warming_up"


def test_inspect_shows_histograms_and_refuses_a_cut_file(outrider, reference, tmp_path):
    done = outrider("inspect", reference)
    assert done.returncode == 0 and "x  numeric" in done.stdout and "####" in done.stdout and "blue" in done.stdout
    cut = tmp_path / "cut.json"
    cut.write_text(reference.read_text()[:2000])
    done = outrider("inspect", cut)
    assert done.returncode == 1 and "cut.json" in done.stderr and "byte" in done.stderr


@pytest.mark.parametrize("arguments, status, said", [
    (["profile"], 2, "data"),
    (["profile", "--data", "/nowhere.csv", "--out", "x.json"], 1, "/nowhere.csv"),
    (["backtest"], 2, "expected one of --reference and --data"),
    (["backtest", "--reference", "a", "--errors", "b"], 2, "--errors (the accuracy alarm)"),
    (["inspect"], 2, "expected a file"),
])
def test_wrong_calls_say_what_to_change(outrider, arguments, status, said):
    done = outrider(*arguments)
    assert done.returncode == status and said in done.stderr, done.stderr


def test_king_county_is_stable_against_itself_and_drifts_when_houses_grow(outrider, shared_data, tmp_path):
    houses = shared_data / "houses" / "kc_house_data.csv"
    out = tmp_path / "houses.json"
    done = outrider("profile", "--data", houses, "--target", "price", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "identifier" in done.stdout and "dates" in done.stdout
    with open(houses) as file:
        rows = list(csv.DictReader(file))
    np.random.default_rng(6).shuffle(rows)
    for factor, expected in ((1, set()), (1.2, {"sqft_living", "multivariate"})):
        sample = [dict(row, sqft_living=float(row["sqft_living"]) * factor) for row in rows[:5000]]
        live = tmp_path / "live.csv"
        with open(live, "w", newline="") as file:
            writer = csv.DictWriter(file, sample[0])
            writer.writeheader()
            writer.writerows(sample)
        done = outrider("backtest", "--reference", out, "--data", live, "--json")
        assert {alarm["subject"] for alarm in json.loads(done.stdout)["alarms"]} == expected


def swinging(seed, first_day, days, rows_an_hour):
    """A table whose x swings by 0.6 deviations over the day, from a Monday on."""
    random = np.random.default_rng(seed)
    at = 1_735_516_800 + 86_400 * first_day + np.arange(days * 24 * rows_an_hour) * (3600 / rows_an_hour)
    x = random.normal(0.6 * np.sin(2 * np.pi * at / 86_400), 1)
    return {"x": x, "y": random.normal(size=len(x)), "at": at}


def test_a_season_of_training_rows_with_times_is_no_drift(outrider, tmp_path):
    train = write(tmp_path / "train.csv", swinging(7, 0, 28, 20))
    live = write(tmp_path / "live.csv", swinging(8, 28, 2, 600))
    alarms = {}
    for name, options in {"timed": ["--time", "at"], "plain": ["--ignore", "at"]}.items():
        out = tmp_path / f"{name}.json"
        done = outrider("profile", "--data", train, "--out", out, *options)
        assert done.returncode == 0, done.stderr
        assert ("rhythm" in json.loads(out.read_text())) == (name == "timed")
        done = outrider("backtest", "--reference", out, "--data", live, "--time", "at", "--json")
        assert done.returncode == 0, done.stderr
        alarms[name] = {alarm["subject"] for alarm in json.loads(done.stdout)["alarms"]}
    assert alarms["timed"] == set()
    assert "x" in alarms["plain"]
    assert "168 of 168 hours of the week" in outrider("inspect", tmp_path / "timed.json").stdout


def test_dates_are_no_times(outrider, tmp_path):
    columns = table(9, 1000)
    columns["sold"] = [f"2025-01-{1 + i % 28:02}" for i in range(1000)]
    done = outrider("profile", "--data", write(tmp_path / "train.csv", columns), "--time", "sold", "--out", tmp_path / "x.json")
    assert done.returncode == 1 and "time=sold" in done.stderr and "a date alone tells no hour" in done.stderr
