# SPDX-License-Identifier: Apache-2.0
"""One reader of values: what profile, train, backtest, live rows and labels make of the same text is the same."""

import json
import random
import re
import subprocess

import pytest
from processes import http
from processes import wait_for as wait_until
from stack import ModelServer, Sidecar

SPELLINGS_OF_MISSING = ["", "NA", "NaN", "nan", "null", "NULL", "None", "n/a", "N/A", "#N/A", "<NA>", "-1.#IND", "?", "-", ".", " "]


@pytest.fixture
def run(binaries, tmp_path):
    """run("outrider", "profile", …): exit status and all that it said, in a folder of its own."""

    def run(program, *arguments):
        done = subprocess.run([binaries / program, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True,
                              errors="replace", timeout=120)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def profile(run):
    return lambda data="train.csv", *more: run("outrider", "profile", "--data", data, "--out", "reference.json", *more)


@pytest.fixture
def train(run):
    def train(data="train.csv", target="minutes", *more):
        return run("outrider-predictor", "train", "--data", data, "--target", target, "--name", "parcels", "--registry", "registry", *more)

    return train


@pytest.fixture
def backtest(run):
    return lambda data: run("outrider", "backtest", "--reference", "reference.json", "--data", data)


def parcels(count, seed):
    """Parcels of a courier: kilometres, kilograms, express or not, and the minutes that each took."""
    r = random.Random(seed)
    for _ in range(count):
        km, kg, express = round(r.uniform(1, 40), 2), r.randint(1, 30), r.random() < 0.4
        yield km, kg, express, round(1000 + 90 * km + 3 * kg - (200 if express else 0) + r.gauss(0, 5), 1)


def line_of(said, column):
    return next(line for line in said.splitlines() if line.startswith(column + " "))


def live(programs, binaries, folder, answer, config="", reference=None):
    """A sidecar before a model server of this answer, with configuration and reference."""
    options = []
    if config:
        (folder / "model.yaml").write_text(config)
        options = ["--model.config", folder / "model.yaml"]
    if reference:
        options += ["--reference", reference]
    return lambda server: Sidecar(programs, binaries, server.url, folder / "data", options=options)


def test_a_boolean_is_one_value_in_csv_json_and_labels(profile, backtest, programs, binaries, tmp_path):
    (tmp_path / "train.csv").write_text("km,express\n" + "".join(f"{km},{e}\n" for km, _, e, _ in parcels(3000, 1)))
    rows = [{"km": km, "express": e} for km, _, e, _ in parcels(1200, 2)]
    status, said = profile()
    assert status == 0 and "categorical" in line_of(said, "express"), said
    for write in (lambda row: row, lambda row: {**row, "express": int(row["express"])}, lambda row: {**row, "express": str(row["express"])}):
        (tmp_path / "live.ndjson").write_text("".join(json.dumps(write(row)) + "\n" for row in rows))
        status, said = backtest("live.ndjson")
        assert status == 0 and "alarm at row" not in said, said

    def answer(_, body):
        return 200, "application/json", json.dumps({"predictions": [True] * len(json.loads(body)["instances"])}).encode()

    with ModelServer(answer) as server:
        start = live(programs, binaries, tmp_path, answer, "model: {name: parcels, version: v1}\n", tmp_path / "reference.json")
        sidecar = start(server)
        _, headers, _ = http("POST", f"{sidecar.proxy}/v1/models/parcels:predict", {"instances": rows})
        sidecar.wait_for_predictions(len(rows))
        assert sidecar.metrics().sum("outrider_feature_quality_total", check="unseen") == 0
        truths = [True, "True", "TRUE", 1, 1.0, "1", "1.0", "true", False, "False", 0]
        sidecar.label([{"id": f"{headers['X-Prediction-Id']}_{row}", "label": truth} for row, truth in enumerate(truths)])
        wait_until("the labels", lambda: sidecar.metrics().sum("outrider_outcomes_total") == len(truths), 30)
        assert sidecar.metrics().sum("outrider_outcomes_total", correct="true") == 8
        assert sidecar.metrics().sum("outrider_confusion_total", actual="true", predicted="true") == 8
        assert sidecar.metrics().sum("outrider_confusion_total", actual="false", predicted="true") == 3


@pytest.mark.parametrize("kind", ["", "response: {kind: classification}\n"])
@pytest.mark.parametrize("prediction", ["4", "4.0"])
def test_a_class_is_one_however_it_is_written(programs, binaries, tmp_path, kind, prediction):
    def answer(_path, _body):
        return 200, "application/json", b'{"prediction": %s}' % prediction.encode()

    with ModelServer(answer) as server:
        sidecar = live(programs, binaries, tmp_path, answer, kind)(server)
        for truth in (4, 4.0, "4", "4.0", "+4", "04", 40):
            _, headers, _ = http("POST", f"{sidecar.proxy}/predict", {"a": 1})
            sidecar.label([{"id": headers["X-Prediction-Id"], "label": truth}])
        wait_until("the labels", lambda: sidecar.metrics().sum("outrider_outcomes_total") == 7, 90)
        assert sidecar.metrics().sum("outrider_outcomes_total", correct="true") == 5
        if kind:
            confusion = {(s.labels["actual"], s.labels["predicted"]): s.value for s in sidecar.metrics().samples
                         if s.name == "outrider_confusion_total" and s.value}
            assert confusion == {("4", "4"): 5, ("04", "4"): 1, ("40", "4"): 1}


@pytest.mark.parametrize("head, first", [("", 0), ("Unnamed: 0", 0), ("index", 0), ("", 1), ('""', 1)])
def test_an_index_column_is_no_feature_and_that_is_said(profile, train, backtest, tmp_path, head, first):
    table = list(parcels(700, 3))
    # In the order of the target: the index would be the answer.
    noise = random.Random(4)
    table.sort(key=lambda row: row[3] + noise.gauss(0, 2000))
    target = [round(row[3] + noise.gauss(0, 2000), 1) for row in table]
    target.sort()
    text = "".join(f"{km},{kg},{minutes}\n" for (km, kg, _, _), minutes in zip(table, target))
    (tmp_path / "plain.csv").write_text("km,kg,minutes\n" + text)
    numbered = "".join(f"{i},{line}\n" for i, line in enumerate(text.splitlines(), first))
    (tmp_path / "train.csv").write_text(f"{head},km,kg,minutes\n" + numbered)
    status, said = profile("train.csv", "--target", "minutes")
    assert status == 0 and "it is an index" in said, said
    (tmp_path / "live.ndjson").write_text("".join(json.dumps({"km": km, "kg": kg}) + "\n" for km, kg, _, _ in table))
    status, said = backtest("live.ndjson")
    assert status == 0 and "alarm at row" not in said and "no column" not in said, said
    accuracy = {}
    for data in ("plain.csv", "train.csv"):
        status, said = train(data)
        assert status == 0, said
        accuracy[data] = float(re.search(r"accuracy ([\d.]+)%", said)[1])
    assert "is an index" in said
    assert abs(accuracy["plain.csv"] - accuracy["train.csv"]) < 10, accuracy


def test_every_program_takes_the_same_texts_for_missing(profile, train, tmp_path):
    rows = list(parcels(400, 5))
    for na in SPELLINGS_OF_MISSING:
        (tmp_path / "train.csv").write_text(
            "km,kg,minutes\n" + "".join(f"{na if i % 7 == 0 else km},{kg},{minutes}\n" for i, (km, kg, _, minutes) in enumerate(rows)))
        status, said = profile()
        assert status == 0 and re.match(r"km +feature +numeric +58 ", line_of(said, "km")), (na, said)
        status, said = train()
        assert status == 0 and re.search(r"column 'km': \d+ missing values filled", said), (na, said)


def test_numbers_with_marks_are_read_whole_or_refused_by_name(profile, train, tmp_path):
    rows = list(parcels(300, 6))
    write = (tmp_path / "train.csv").write_text
    plain = {}
    for name, number in (("points", lambda x: f"{x}".removesuffix(".0")), ("thousands", lambda x: f'"{x:,.1f}"'),
                         ("german", lambda x: '"' + f"{x:,.1f}".translate(str.maketrans(",.", ".,")) + '"'),
                         ("blanks", lambda x: '"' + f"{x:,.1f}".replace(",", "\u202f") + '"')):
        write("km,kg,minutes\n" + "".join(f"{km},{kg},{number(minutes)}\n" for km, kg, _, minutes in rows))
        status, said = train()
        assert status == 0 and "left out" not in said, (name, said)
        plain[name] = re.search(r"MAE \S+", said)[0]
        assert profile("train.csv", "--target", "minutes")[0] == 0
    assert len(set(plain.values())) == 1, plain  # One table, however it is written.

    write("km,minutes\n" + "".join(f'{km},"{1 + i % 9},{100 + i}"\n' for i, (km, _, _, _) in enumerate(rows)))
    for status, said in (profile("train.csv", "--target", "minutes"), train()):
        assert status == 1 and "column 'minutes'" in said and "'1,100' (row 1)" in said and "1234.5" in said, said

    write("km,minutes\n" + "".join(f"{km},{'' if i % 10 == 0 else minutes}\n" for i, (km, _, _, minutes) in enumerate(rows)))
    status, said = train()
    assert status == 1 and "30 rows without a usable 'minutes' are 10.0% of all" in said and "line 2: '' is missing" in said, said
    status, said = train("train.csv", "minutes", "--rows.drop-max", "0.1")
    assert status == 0 and "30 rows without a usable 'minutes' were left out (line 2" in said, said


@pytest.mark.parametrize("content, words", [
    (b"km,kg,km,minutes\n1,2,1,3\n", ["line 1", "two columns are named 'km'"]),
    ("km,street,minutes\n1,Weg,3\n2,Stra\u00dfe,3\n".encode("latin-1"), ["line 3, field 2", "not UTF-8", "iconv"]),
    ("km,minutes\n1,3\n".encode("utf-16"), ["line 1", "UTF-16", "save the file as UTF-8"]),
    ("km,minutes\n1,3\n".encode("utf-16-le"), ["line 1", "NUL byte", "save the file as UTF-8"]),
    (b"km,minutes\n1,3\n2,\0\n", ["line 3, field 2", "NUL byte"]),
    (b"km;minutes\n1,5;3\n", ["line 1", "';'", "expected ','"]),
    (b'"km";"minutes"\n"1,5";"3"\n', ["line 1", "';'", "expected ','"]),
    (b"", ["expected a header line"]),
    (b"km,minutes\n", ["no row"]),
])
def test_a_file_that_is_no_such_table_is_refused_alike(profile, train, backtest, tmp_path, content, words):
    (tmp_path / "good.csv").write_text("km,minutes\n" + "".join(f"{i},{i}\n" for i in range(100)))
    assert profile("good.csv")[0] == 0
    (tmp_path / "train.csv").write_bytes(content)
    for status, said in (profile(), train(), backtest("train.csv")):
        assert status == 1 and "train.csv" in said and said.count("train.csv") == 1, said
        for word in words:
            assert word in said, (word, said)


def test_a_byte_order_mark_carriage_returns_and_quotes_are_no_matter(profile, train, tmp_path):
    text = "\ufeff\"km\",\"minutes\"\r\n" + "".join(f'"{km}","{minutes}"\r\n' for km, _, _, minutes in parcels(200, 7))
    (tmp_path / "train.csv").write_bytes(text.encode())
    status, said = profile()
    assert status == 0 and "feature" in line_of(said, "km"), said
    assert train()[0] == 0


def test_dates_are_no_features_and_order_rows_where_they_can_be_told(profile, train, tmp_path):
    # Five minutes a parcel, from the eleventh month on fifty: only the newest fifth shows it.
    days = [(day, month) for month in range(1, 11) for day in range(1, 29)]
    forms = {"iso": "2024-{1:02d}-{0:02d}", "german": "{0:02d}.{1:02d}.2024", "slashed": "{0:02d}/{1:02d}/2024",
             "american": "{1}/{0}/2024", "digits": "2024{1:02d}{0:02d}", "time": "2024-{1:02d}-{0:02d} 10:00:00+00:00"}
    for name, form in forms.items():
        rows = [f"{form.format(*day)},{1 + i % 13},{(5 if i < 224 else 50) * (1 + i % 13)}\n" for i, day in enumerate(days)]
        random.Random(8).shuffle(rows)
        (tmp_path / "train.csv").write_text("sold,km,minutes\n" + "".join(rows))
        status, said = profile()
        assert status == 0 and "it holds dates" in line_of(said, "sold"), (name, said)
        status, said = train()
        assert status == 0 and "column 'sold' holds dates and was left out" in said and " 1 columns" in said, (name, said)
        status, said = train("train.csv", "minutes", "--split.column", "sold")
        assert status == 0 and "accuracy 0.0%" in said, (name, said)
    (tmp_path / "train.csv").write_text("sold,km,minutes\n" + "".join(f"{1 + i % 12}/{1 + i % 7}/2024,1,{i}\n" for i in range(100)))
    status, said = train("train.csv", "minutes", "--split.column", "sold")
    assert status == 1 and "days and months may stand in either order" in said and "write dates as 2015-01-31" in said, said


def test_distinct_is_a_count_or_more_than_a_bound(profile, tmp_path):
    (tmp_path / "train.csv").write_text("few,many\n" + "".join(f"{i % 321},{i}.5\n" for i in range(1500)))
    _, said = profile()
    assert line_of(said, "few").split()[-1] == "321"
    assert line_of(said, "many").split()[-3:] == ["more", "than", "1000"]
