# SPDX-License-Identifier: Apache-2.0
"""The same rows through `outrider backtest`, Evidently and NannyML: where they define the same statistic, the number is
the same; docs/drift.md has the table and why the others differ. Long: the two packages are large."""

import csv
import json
import math
import os
import pathlib
import subprocess

import numpy as np
import pytest
from conftest import ROOT

NUMERIC = ["normal", "lognormal", "heavy", "counts"]
CATEGORICAL = ["colour"]
pytestmark = pytest.mark.long


def table(seed, rows, live):
    random = np.random.default_rng(seed)
    return {
        "normal": random.normal(0.2 if live else 0, 1, rows),
        "lognormal": random.lognormal(0.1 if live else 0, 1, rows),
        "heavy": random.standard_t(3, rows) + (0.33 if live else 0),
        "counts": random.poisson(4.5 if live else 4, rows).clip(0, 15),
        "colour": random.choice(["red", "green", "blue", "grey"], rows, p=[0.4, 0.4, 0.15, 0.05] if live else [0.5, 0.3, 0.15, 0.05]),
    }


def write(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    return path


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """{"ours", "evidently", "nannyml"}: {column: {statistic: value}}."""
    python = ROOT / "build" / "peers" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"no {python}: scripts/test --all makes it from test/peers-requirements.txt")
    folder = tmp_path_factory.mktemp("peers")
    reference = write(folder / "reference.csv", table(1, 20_000, False))
    live = write(folder / "live.csv", table(2, 5_000, True))
    outrider = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / "outrider"
    run(outrider, "profile", "--data", reference, "--out", folder / "reference.json")
    report = json.loads(run(outrider, "backtest", "--reference", folder / "reference.json", "--data", live, "--json"))
    ours = {subject["subject"]: subject["scores"] for subject in report["subjects"]}
    peers = json.loads(run(python, ROOT / "test" / "oracle" / "peers.py", reference, live, ",".join(NUMERIC), ",".join(CATEGORICAL)))
    both = {"ours": ours, **peers}
    print(json.dumps(both, indent=1))
    return both


@pytest.mark.parametrize("statistic, method", [("chi2", "chi2"), ("js", "jensen_shannon"), ("l_infinity", "l_infinity"), ("hellinger", "hellinger")])
def test_of_categories_nannyml_has_the_same_numbers(found, statistic, method):
    assert found["ours"]["colour"][statistic] == pytest.approx(found["nannyml"]["colour"][method], rel=1e-6)


def test_of_categories_evidently_has_the_same_numbers(found):
    ours, theirs = found["ours"]["colour"], found["evidently"]["colour"]
    assert ours["hellinger"] == pytest.approx(theirs["hellinger"], rel=1e-6)
    assert ours["js"] * math.sqrt(math.log(2)) == pytest.approx(theirs["jensenshannon"], rel=1e-6)  # Theirs is base e.
    assert ours["psi_plain"] == pytest.approx(theirs["psi"], rel=0.005)  # Ours adds one half to each count.


def test_where_each_value_has_its_bin_the_distance_of_kolmogorov_and_smirnov_is_exact(found):
    assert found["ours"]["counts"]["ks"] == pytest.approx(found["nannyml"]["counts"]["kolmogorov_smirnov"], abs=1e-6)


@pytest.mark.parametrize("column", NUMERIC)
def test_binned_distances_are_near_those_of_the_raw_rows(found, column):
    ours = found["ours"][column]
    exact = found["nannyml"][column]["kolmogorov_smirnov"]
    assert exact - 0.012 <= ours["ks"] <= exact + 1e-6
    # W1: normed by the reference's standard deviation as Evidently's. NannyML's is in the unit of the column.
    assert ours["wasserstein"] == pytest.approx(found["evidently"][column]["wasserstein"], rel=0.04)
