# SPDX-License-Identifier: Apache-2.0
"""outrider backtest --errors, as people call it: against a recursion of our own in NumPy, and with
files that are wrong."""

import json
import os
import pathlib
import statistics
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def backtest():
    """backtest(file, rate, *more): the finished process."""
    program = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / "outrider"
    if not program.exists():
        pytest.fail(f"no {program}: run scripts/build first")

    def run(file, rate="0.05", *more):
        return subprocess.run([program, "backtest", "--errors", file, "--reference-error-rate", str(rate), *more],
                              capture_output=True, text=True, timeout=60)

    return run


def alarms(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["alarms"]


def write(file, errors):
    file.write_text("error\n" + "".join(f"{int(error)}\n" for error in errors))
    return file


def expected_alarms(errors, rate, run_length, slack=0.01):
    """The e-detector in logarithms, started anew after each alarm."""
    p0 = rate + slack
    steps = 0.01 * 50 ** (np.arange(8) / 7)
    p = p0 + steps[p0 + steps < 1]
    factors = np.log((1 - p) / (1 - p0)), np.log(p / p0)
    rows, log_s = [], np.full(len(p), -np.inf)
    for row, error in enumerate(errors):
        log_s = np.logaddexp(log_s, 0) + factors[int(error)]
        if np.logaddexp.reduce(log_s) - np.log(len(p)) >= np.log(run_length):
            rows.append(row)
            log_s = np.full(len(p), -np.inf)
    return rows


@pytest.mark.parametrize("rate, run_length, parts", [
    (0.05, 1e6, [(5_000, 0.05), (3_000, 0.28), (5_000, 0.05), (3_000, 0.10)]),
    (0.02, 1e4, [(3_000, 0.02), (10_000, 0.04)]),
    (0.40, 1e5, [(3_000, 0.40), (3_000, 0.60)]),
    (0.0, 1e6, [(2_000, 0.001), (2_000, 0.05)]),
    (0.05, 1e6, [(20_000, 0.05)]),
])
def test_the_alarm_rows_are_those_of_the_recursion(backtest, tmp_path, rate, run_length, parts):
    random = np.random.default_rng(1)
    errors = np.concatenate([random.random(labels) < wrong for labels, wrong in parts])
    file = write(tmp_path / "errors.csv", errors)
    found = alarms(backtest(file, rate, "--alarm-run-length", f"{run_length:g}", "--json"))
    assert found == expected_alarms(errors, rate, run_length)


def test_a_fall_to_72_percent_is_found_within_60_rows_in_the_median(backtest, tmp_path):
    delays = []
    for seed in range(30):
        random = np.random.default_rng(100 + seed)
        errors = np.concatenate([random.random(5_000) < 0.05, random.random(1_000) < 0.28])
        found = alarms(backtest(write(tmp_path / "errors.csv", errors), 0.05, "--json"))
        assert all(row >= 5_000 for row in found)
        delays.append(found[0] - 5_000 + 1)
    assert statistics.median(delays) <= 60
    assert max(delays) <= 150


def test_the_table_tells_when_the_change_began_and_how_accurate_the_model_is_since(backtest, tmp_path):
    errors = [0] * 100 + [1] * 20
    done = backtest(write(tmp_path / "errors.csv", errors))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("120 rows, ")
    assert lines[2].split()[1] == "100"
    assert lines[2].split()[3] == "0.0%"


def naive_bayes_errors(rows, window=500):
    """Errors of Gaussian naive Bayes of the last `window` rows, tested on each row before it learns it."""
    x = np.array([[float(a), float(b)] for a, b, _ in rows])
    positive = np.array([c == "p" for _, _, c in rows])
    sums = np.zeros((2, 5))  # By class: rows, sums and squares of the two features.
    terms = np.column_stack([np.ones(len(x)), x, x * x])
    errors = np.zeros(len(x), dtype=int)
    for i in range(len(x)):
        n = sums[:, :1]
        if (n > 1).all():
            mean = sums[:, 1:3] / n
            variance = np.maximum(1e-4, sums[:, 3:5] / n - mean**2)
            score = np.log(n[:, 0]) - 0.5 * (np.log(variance) + (x[i] - mean) ** 2 / variance).sum(axis=1)
            errors[i] = (score[1] > score[0]) != positive[i]
        sums[int(positive[i])] += terms[i]
        if i >= window:
            sums[int(positive[i - window])] -= terms[i - window]
    return errors


def test_each_of_the_four_changes_of_sine1_is_found_and_nothing_else(backtest, tmp_path, shared_data):
    lines = (shared_data / "drift" / "sine1.arff").read_text().split("@data")[1].split()
    errors = naive_bayes_errors([line.split(",") for line in lines])
    rate = errors[1_000:6_000].mean()
    found = alarms(backtest(write(tmp_path / "errors.csv", errors), rate, "--json"))
    found = [row for row in found if row >= 6_000]  # Before, the model was still learning to read.
    for change in (20_000, 40_000, 60_000, 80_000):
        near = [row for row in found if change <= row < change + 1_000]
        assert near and near[0] < change + 60, (change, near)
    assert [row for row in found if row % 20_000 >= 1_000] == []


@pytest.mark.parametrize("content, complaint", [
    ("", "empty"),
    ("error\n", "no rows"),
    ("wrong\n0\n", "line 1: no column is named 'error'"),
    ("error\n0\n2\n", "line 3: error='2': expected 0 (right) or 1 (wrong)"),
    ("error\n0\nmaybe\n", "line 3: error='maybe'"),
    ("id,error\n1,0\n2", "line 3: 1 fields, but the header has 2"),
    ('error\n0\n"1', "line 3: a quoted field is never closed"),
    ("\x00\xff\x00", "line 1, field 1: a NUL byte"),
    ("error\n0\nNA\n", "line 3: error='NA'"),
])
def test_a_bad_file_is_refused_with_its_line_and_no_alarms(backtest, tmp_path, content, complaint):
    file = tmp_path / "errors.csv"
    file.write_text(content, encoding="latin-1")
    done = backtest(file, 0.05, "--json")
    assert done.returncode == 1
    assert str(file) in done.stderr and complaint in done.stderr
    assert done.stdout == ""


def test_a_missing_file_rate_or_sense_is_said(backtest, tmp_path):
    file = write(tmp_path / "errors.csv", [0, 1])
    absent = backtest(tmp_path / "absent.csv")
    assert absent.returncode == 1 and "No such file" in absent.stderr
    for rate in ("-0.1", "0.98", "often"):
        done = backtest(file, rate)
        assert done.returncode == 2 and "reference-error-rate" in done.stderr
    done = backtest(file, "0.05", "--alarm-run-length", "0")
    assert done.returncode == 2 and "alarm-run-length" in done.stderr
    folder = backtest(tmp_path)
    assert folder.returncode == 1 and folder.stderr
