# SPDX-License-Identifier: Apache-2.0
"""outrider backtest as people call it: over files, folders and a Prometheus, and with what is wrong; then NAB's
development half against its bars."""

import csv
import http.server
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import threading
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "bench"))

import nab_rule  # noqa: E402


@pytest.fixture(scope="module")
def backtest():
    """backtest(*arguments): the finished process."""
    program = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / "outrider"
    program = program.resolve()
    if not program.exists():
        pytest.fail(f"no {program}: run scripts/build first")

    def run(*arguments):
        return subprocess.run([program, "backtest", *map(str, arguments)], capture_output=True, text=True, timeout=120)

    return run


def week_of_noise(spikes=(), rows=2016, seed=1):
    chance = random.Random(seed)
    values = [chance.gauss(50, 5) for _ in range(rows)]
    for row in spikes:
        values[row] = 900
    return values


def write(path, values, start=1_700_000_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("timestamp,value\n" + "".join(f"{start + 300 * i},{v}\n" for i, v in enumerate(values)))
    return path


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_walked_its_tree_mirrored_and_each_row_has_its_score(backtest, tmp_path):
    write(tmp_path / "in" / "a.csv", week_of_noise([1500]))
    write(tmp_path / "in" / "deep" / "er" / "b.csv", week_of_noise(seed=2))
    (tmp_path / "in" / "notes.txt").write_text("not a series")
    out = tmp_path / "made" / "for it"
    done = backtest("--input", tmp_path / "in", "--output", out, "--plot", tmp_path / "plots" / "p.svg")
    assert done.returncode == 0, done.stderr
    assert "anomalies in 2 series over 7.0 days" in done.stdout
    rows = read(out / "a.csv")
    assert len(rows) == 2016 == len(read(out / "deep" / "er" / "b.csv"))
    assert list(rows[0])[:4] == ["timestamp", "value", "score", "anomaly"]
    assert all(0 <= float(row["score"]) <= 1 for row in rows)
    assert rows[1500]["anomaly"] == "1" and rows[1500]["direction"] == "up"
    assert sum(row["anomaly"] == "1" for row in rows[1501:1700]) == 0
    assert not (out / "notes.txt").exists()
    assert (tmp_path / "plots" / "p.svg").read_text().count("<path") == 2


def test_a_file_to_a_file_or_into_a_folder(backtest, tmp_path):
    file = write(tmp_path / "a.csv", week_of_noise())
    assert backtest("--input", file, "--output", tmp_path / "b.csv").returncode == 0
    (tmp_path / "folder").mkdir()
    assert backtest("--input", file, "--output", tmp_path / "folder").returncode == 0
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "folder" / "a.csv").read_text()


def test_the_last_rows_of_a_file_change_no_score_before_them(backtest, tmp_path):
    values = week_of_noise([900, 1500])
    write(tmp_path / "in" / "whole.csv", values)
    write(tmp_path / "in" / "cut.csv", values[:1000])
    assert backtest("--input", tmp_path / "in", "--output", tmp_path / "out").returncode == 0
    assert read(tmp_path / "out" / "whole.csv")[:1000] == read(tmp_path / "out" / "cut.csv")


def test_a_budget_is_kept_in_hindsight(backtest, tmp_path):
    for i in range(5):
        write(tmp_path / "in" / f"{i}.csv", week_of_noise([1000 + 150 * i, 1400 + 90 * i], seed=i))
    done = backtest("--input", tmp_path / "in", "--output", tmp_path / "out", "--alerts-per-week", "4")
    assert done.returncode == 0, done.stderr
    flagged = sum(row["anomaly"] == "1" for i in range(5) for row in read(tmp_path / "out" / f"{i}.csv"))
    assert flagged <= 4
    assert f"{flagged} anomalies in 5 series" in done.stdout


@pytest.mark.parametrize("text, said", [
    ("timestamp,value\n1,2\n3,x\n", "bad.csv:3: value='x'"),
    ("timestamp,value\n1,2\nsoon,4\n", "bad.csv:3: timestamp='soon'"),
    ("a,b\n1,2\n", "no column 'timestamp'"),
    ("", "expected a header line"),
    ('timestamp,value\n1,"2\n', "bad.csv"),
])
def test_a_bad_file_is_named_and_the_others_are_scored(backtest, tmp_path, text, said):
    write(tmp_path / "in" / "good.csv", week_of_noise())
    (tmp_path / "in" / "bad.csv").write_text(text)
    done = backtest("--input", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert said in done.stderr
    assert (tmp_path / "out" / "good.csv").exists() and not (tmp_path / "out" / "bad.csv").exists()


@pytest.mark.parametrize("arguments, status, said", [
    ([], 2, "--input, or --prometheus and --query (series)"),
    (["--input", "nowhere.csv"], 2, "expected --output"),
    (["--input", "nowhere.csv", "--output", "o"], 1, "nowhere.csv"),
    (["--query", "up", "--output", "o"], 2, "--prometheus"),
    (["--prometheus", "http://127.0.0.1:9", "--query", "up", "--start", "late", "--output", "o"], 1, "start=late"),
    (["--prometheus", "http://127.0.0.1:9", "--query", "up", "--start", "now-1h", "--output", "o"], 1,
     "http://127.0.0.1:9"),
])
def test_a_wrong_call_says_what_to_change(backtest, tmp_path, monkeypatch, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    done = backtest(*arguments)
    assert done.returncode == status
    assert said in done.stderr


def test_the_input_is_never_overwritten(backtest, tmp_path):
    file = write(tmp_path / "in" / "a.csv", week_of_noise())
    before = file.read_text()
    for target in (file, tmp_path / "in"):
        done = backtest("--input", file, "--output", target)
        assert done.returncode == 1 and "overwrite" in done.stderr
    assert backtest("--input", tmp_path / "in", "--output", tmp_path / "in").returncode == 1
    assert file.read_text() == before


class Answers(http.server.BaseHTTPRequestHandler):
    """A Prometheus that knows two series, noise and noise with a spike, and refuses too many points."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        start, end, step = (float(form[key][0]) for key in ("start", "end", "step"))
        self.server.queries.append(form["query"][0])
        points = math.floor((end - start) / step) + 1
        if points > 11_000:
            self.answer(400, {"status": "error", "error": "exceeded maximum resolution of 11,000 points"})
            return
        times = [start + step * i for i in range(points)]
        series = [{"metric": {"__name__": "m", "pod": pod},
                   "values": [[t, str(self.value(t, pod))] for t in times]} for pod in ("quiet", "spiky")]
        self.answer(200, {"status": "success", "data": {"resultType": "matrix", "result": series}})

    def value(self, time, pod):
        index = round((time - 1_700_000_000) / 60)
        return 900 if pod == "spiky" and index == 15_000 else 50 + random.Random(index).gauss(0, 5)

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_a_range_longer_than_one_answer_is_fetched_in_pieces(backtest, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.queries = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = backtest("--prometheus", f"http://127.0.0.1:{server.server_port}", "--query", "m", "--start", 1_700_000_000,
                        "--end", 1_700_000_000 + 60 * 19_999, "--step", "1m", "--output", tmp_path / "o.csv", "--show")
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert server.queries == ["m", "m"]
    rows = read(tmp_path / "o.csv")
    assert len(rows) == 40_000
    assert {row["series"] for row in rows} == {'m{pod="quiet"}', 'm{pod="spiky"}'}
    spiky = [row for row in rows if row["series"] == 'm{pod="spiky"}']
    assert [float(row["timestamp"]) for row in spiky] == [1_700_000_000 + 60 * i for i in range(20_000)]
    assert spiky[15_000]["anomaly"] == "1"
    assert "▲" in done.stdout


def test_nab_development_half_stands_above_its_bars(backtest, tmp_path):
    shared = pathlib.Path(os.environ.get("OUTRIDER_SHARED_DATA", ROOT.parent / "shared" / "data")) / "nab"
    if not shared.is_dir():
        pytest.skip(f"no development data in {shared}")
    corpus = nab_rule.read_windows(shared / "windows.csv")
    assert backtest("--input", shared / "series", "--output", tmp_path).returncode == 0
    files = {name: read(tmp_path / name) for name in corpus}
    assert all(len(files[name]) == labelled.rows for name, labelled in corpus.items())
    scores = {name: [float(row["score"]) for row in rows] for name, rows in files.items()}
    points = nab_rule.curve(corpus, scores)
    assert nab_rule.best_threshold(points)[1] >= 66  # The bar is 58.
    assert nab_rule.crossed(corpus, scores, halves=30) >= 62  # The bar is 53.
    flagged = {name: [float(row["anomaly"]) for row in rows] for name, rows in files.items()}
    assert nab_rule.curve(corpus, flagged)[-1][1] >= 58  # At the default threshold, which is above the best one.
