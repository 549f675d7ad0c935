# SPDX-License-Identifier: Apache-2.0
"""`outrider forecast`: files and folders of time and value in, the rows that go on from them out."""

import csv
import datetime
import math
import os
import pathlib
import resource
import subprocess
import xml.dom.minidom

import pytest
from conftest import ROOT

DATA = pathlib.Path(os.environ.get("OUTRIDER_SHARED_DATA", ROOT.parent / "shared" / "data")) / "forecast" / "m4-hourly"
BEGIN = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)


def forecast(binaries, *arguments, status=0):
    run = subprocess.run([binaries / "outrider", "forecast", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout, run.stderr


def load(row):
    return 100 + 50 * math.sin(2 * math.pi * row / 24) + (row * 7919 % 13 - 6)


def table(path, rows=6 * 168, value=load, stamp=lambda at: at.strftime("%Y-%m-%d %H:%M:%S")):
    lines = [f"{stamp(BEGIN + datetime.timedelta(hours=row))},{value(row)}" for row in range(rows)]
    path.write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    return path


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_is_forecast_with_its_intervals_and_a_picture(binaries, tmp_path):
    history, ahead, picture = table(tmp_path / "load.csv"), tmp_path / "ahead.csv", tmp_path / "ahead.svg"
    _, said = forecast(binaries, "--input", history, "--output", ahead, "--horizon", 48, "--plot", picture)
    rows = read(ahead)
    assert said == "" and len(rows) == 48
    assert list(rows[0]) == ["timestamp", "forecast", "lower_50", "upper_50", "lower_90", "upper_90", "lower_95", "upper_95"]
    assert rows[0]["timestamp"] == "2026-02-16 00:00:00" and rows[47]["timestamp"] == "2026-02-17 23:00:00"
    for number, row in enumerate(rows):
        truth = 100 + 50 * math.sin(2 * math.pi * number / 24)
        assert abs(float(row["forecast"]) - truth) < 8
        assert float(row["lower_95"]) <= float(row["lower_50"]) <= float(row["forecast"]) <= float(row["upper_90"])
    drawing = xml.dom.minidom.parse(str(picture))
    assert len([path for path in drawing.getElementsByTagName("path") if path.getAttribute("class") == "band"]) == 3


def test_levels_and_seasons_are_the_callers_and_epochs_and_rfc_3339_go_on_as_they_came(binaries, tmp_path):
    epoch = table(tmp_path / "epoch.csv", stamp=lambda at: str(int(at.timestamp())))
    out, _ = forecast(binaries, "--input", epoch, "--output", "-", "--horizon", 2, "--levels", "80", "--season", "1d,1w")
    assert out.splitlines()[0] == "timestamp,forecast,lower_80,upper_80"
    assert out.splitlines()[2].startswith(str(int((BEGIN + datetime.timedelta(weeks=6, hours=1)).timestamp())))
    by_steps, _ = forecast(binaries, "--input", epoch, "--output", "-", "--horizon", 2, "--levels", "80", "--season", "24,168")
    assert by_steps == out
    zoned = table(tmp_path / "zoned.csv", stamp=lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    out, _ = forecast(binaries, "--input", zoned, "--output", "-", "--horizon", 1)
    assert out.splitlines()[1].startswith("2026-02-16T00:00:00Z,")
    for season, why in (("7m", "no multiple of the history's step of 3600 s"), ("24,100", "has to be a multiple of the first"),
                        ("9999", "does not hold two of 9999"), ("often", "expected auto, none")):
        _, said = forecast(binaries, "--input", epoch, "--output", "-", "--horizon", 1, "--season", season, status=1)
        assert f"season={season.split(',')[0]}" in said and why in said


def test_of_a_folder_one_bad_file_is_told_and_loses_no_other(binaries, tmp_path):
    folder, ahead = tmp_path / "in", tmp_path / "ahead"
    folder.mkdir()
    for name in ("a.csv", "c.csv"):
        table(folder / name, rows=400)
    (folder / "b.csv").write_text("timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:00:00,2\n")
    (folder / "notes.txt").write_text("no table")
    _, said = forecast(binaries, "--input", folder, "--output", ahead, "--horizon", 5, "--plot", tmp_path / "plots", status=1)
    assert sorted(path.name for path in ahead.iterdir()) == ["a.csv", "c.csv"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["a.svg", "c.svg"]
    assert "b.csv:3: timestamp='2026-01-01 00:00:00' stands in line 2 already" in said and "2 of 3 files forecast" in said


def test_what_is_wrong_is_told_with_what_to_change(binaries, tmp_path):
    good, short = table(tmp_path / "good.csv"), table(tmp_path / "short.csv", rows=9)
    _, said = forecast(binaries, "--input", short, "--output", "-", "--horizon", 1, status=1)
    assert "short.csv: only 9 values: a forecast needs at least 10" in said
    _, said = forecast(binaries, "--input", tmp_path / "absent.csv", "--output", "-", "--horizon", 1, status=1)
    assert "absent.csv" in said
    _, said = forecast(binaries, "--input", good, "--output", good, "--horizon", 1, status=1)
    assert "is the input; it would be replaced" in said and read(good)
    _, said = forecast(binaries, "--input", tmp_path, "--output", tmp_path, "--horizon", 1, status=1)
    assert "is the input" in said
    for wrong in (("--horizon", "0"), ("--horizon", "many"), ()):
        _, said = forecast(binaries, "--input", good, "--output", "-", *wrong, status=2)
        assert "horizon" in said
    _, said = forecast(binaries, "--input", good, "--output", "-", "--horizon", 1, "--levels", "150", status=1)
    assert "levels" in said
    _, said = forecast(binaries, "--input", table(tmp_path / "days.csv", rows=36), "--output", "-", "--horizon", 1)
    assert "no season found in 1.5 days" in said


@pytest.mark.timeout(300)
def test_on_the_given_half_of_m4_hourly_errors_and_intervals_keep_to_their_bars(binaries, tmp_path):
    if not DATA.is_dir():
        pytest.skip("the development data is not here: set OUTRIDER_SHARED_DATA, or put it at ../shared/data")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    forecast(binaries, "--input", DATA / "train", "--output", tmp_path / "ahead", "--horizon", 48)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    mase, msis, covered = [], [], {"90": [], "95": []}
    for path in sorted((DATA / "test").glob("*.csv")):
        truth = [float(row["value"]) for row in read(path)]
        past = [float(row["value"]) for row in read(DATA / "train" / path.name)]
        rows = read(tmp_path / "ahead" / path.name)
        assert [row["timestamp"] for row in rows] == [row["timestamp"] for row in read(path)]
        scale = sum(abs(a - b) for a, b in zip(past[24:], past)) / (len(past) - 24)
        mase.append(sum(abs(float(row["forecast"]) - value) for row, value in zip(rows, truth)) / 48 / scale)
        bounds = [(float(row["lower_95"]), float(row["upper_95"])) for row in rows]
        msis.append(sum(high - low + 40 * max(0, low - value) + 40 * max(0, value - high)
                        for (low, high), value in zip(bounds, truth)) / 48 / scale)
        for level, shares in covered.items():
            shares.append(sum(float(row[f"lower_{level}"]) <= value <= float(row[f"upper_{level}"])
                              for row, value in zip(rows, truth)) / 48)
    mean = {"MASE": sum(mase) / len(mase), "MSIS": sum(msis) / len(msis),
            **{level: sum(shares) / len(shares) for level, shares in covered.items()}}
    print(len(mase), "series:", {name: round(value, 3) for name, value in mean.items()})
    # The given half is harder than the other: the daily naive has 1.233 here and 1.193 over both.
    assert len(mase) == 207 and mean["MASE"] <= 0.78 and mean["MSIS"] <= 5.8
    assert 0.93 <= mean["95"] <= 0.97 and 0.87 <= mean["90"] <= 0.93
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime <= 20
