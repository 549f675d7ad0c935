# SPDX-License-Identifier: Apache-2.0
"""Labels by the key that the warehouse has: `outrider labels import` from a table to a real sidecar."""

import json
import re
import subprocess
import time

import pytest
from processes import free_port, http, http_json, wait_for
from stack import ModelServer, Sidecar

CONFIG = """
model: {name: house, version: "3"}
request: {id: "json:/order_id"}
response: {kind: regression}
truth: {tolerance: 10%, early: 10m}
"""


def answer(path, body):
    request = json.loads(body)
    if "instances" in request:
        result = {"predictions": [row["size"] * 0.05 for row in request["instances"]]}
    else:
        result = {"price": request["size"] * 0.05}
    return 200, "application/json", json.dumps(result).encode()


@pytest.fixture
def model():
    with ModelServer(answer) as server:
        yield server


@pytest.fixture
def sidecar(programs, binaries, model, tmp_path):
    (tmp_path / "model.yaml").write_text(CONFIG)
    return Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"])


@pytest.fixture
def outrider(binaries, sidecar, tmp_path):
    """Runs the import; the columns are id and label unless said otherwise."""
    def command(*options, source, url=None):
        words = [binaries / "outrider", "labels", "import", "--url", url or sidecar.admin, "--from", source, *options]
        return [str(word) for word in words]

    def run(*options, source="-", text=None, url=None, columns=("--id", "order_id", "--label", "price")):
        return subprocess.run(command(*columns, *options, source=source, url=url), input=text, capture_output=True, text=True,
                              timeout=120)

    run.command = command
    return run


def predict(sidecar, order, size=1000):
    status, headers, _ = http("POST", f"{sidecar.proxy}/predict", {"size": size, "order_id": order})
    assert status == 200
    return headers["X-Prediction-Id"]


def predict_rows(sidecar, orders):
    rows = [{"size": 1000, "order_id": order} for order in orders]
    assert http("POST", f"{sidecar.proxy}/v1/models/house:predict", {"instances": rows})[0] == 200


def results(run):
    """{result: count} of the report."""
    return {word: int(count) for word, count in re.findall(r"^([a-z]+) +(\d+)  ", run.stdout, re.M)}


def labels(sidecar, result):
    return sidecar.metrics().sum("outrider_labels_total", result=result)


def written(orders):
    return "order_id,price\n" + "".join(f"{order},50\n" for order in orders)


def test_a_table_labels_predictions_by_its_own_key(sidecar, outrider):
    ids = [predict(sidecar, f"A-{i}") for i in range(5)]
    predict(sidecar, 700)
    predict(sidecar, "twice")
    predict(sidecar, "twice")
    predict_rows(sidecar, ["r0", "r1"])
    sidecar.wait_for_predictions(10)
    table = ("order_id,note,price,at\r\nA-0,\"a, b\",50,2099-01-01\r\nA-1,,50.5,\r\n700,,50,\r\nr1,,50,\r\ntwice,,50,\r\n"
             "A-2,,,\r\nA-3,,\"1,234\",\r\nA-4\r\nA-0,,50,\r\nnobody,,50,\r\n")
    run = outrider("--time", "at", text=table)
    assert results(run) == {"joined": 4, "duplicate": 1, "early": 1, "ambiguous": 1, "unlabelled": 1, "invalid": 2}, run
    assert "line 9: 1 fields, but the header has 4" in run.stdout
    assert "line 6: two predictions or more go by twice" in run.stdout
    assert run.returncode == 3
    # The exchange's own id goes on working, and knows of the key's label.
    assert sidecar.label([{"id": ids[0], "label": 50}, {"id": ids[4], "label": 50}]) == ["duplicate", "joined"]
    metrics = sidecar.metrics()
    assert metrics.by("outrider_prediction_keys_total", "result") == {"found": 10, "missing": 0, "unusable": 0}
    assert metrics.sum("outrider_labels_total", result="ambiguous") == 1


def test_a_prediction_without_a_key_is_counted_and_the_status_says_why(sidecar):
    assert http("POST", f"{sidecar.proxy}/predict", {"size": 1000})[0] == 200
    assert http("POST", f"{sidecar.proxy}/predict", {"size": 1000, "order_id": [1, 2]})[0] == 200
    sidecar.wait_for_predictions(2)
    assert sidecar.metrics().by("outrider_prediction_keys_total", "result") == {"found": 0, "missing": 1, "unusable": 1}
    status = http_json("GET", f"{sidecar.admin}/api/v1/status")
    assert status["keys"]["message"].startswith("request.id: json:/order_id is a list")


def test_a_label_that_comes_before_its_prediction_waits_for_it_over_a_restart(sidecar, outrider):
    run = outrider(text=written(["soon"]))
    assert (run.returncode, results(run)) == (0, {"early": 1})
    sidecar.kill()
    sidecar.start()
    # The monitor of before may still have answered when the sidecar was asked whether it is ready.
    wait_for("the label is held again", lambda: sidecar.metrics().sum("outrider_log_held_labels") == 1, 30)
    predict(sidecar, "soon")
    wait_for("the held label joins", lambda: labels(sidecar, "joined") == 1, 30)


def test_an_import_that_is_killed_again_and_again_neither_loses_a_label_nor_counts_one_twice(sidecar, outrider, tmp_path):
    orders = [f"order {i}" for i in range(20_000)]
    for begin in range(0, len(orders), 5_000):
        predict_rows(sidecar, orders[begin:begin + 5_000])
    sidecar.wait_for_predictions(len(orders))
    table = tmp_path / "labels.csv"
    table.write_text(written(orders))
    state = tmp_path / "labels.csv.outrider-import"
    columns = ("--id", "order_id", "--label", "price", "--batch", "50")
    stopped = []
    for done in (200, 3_000, 9_000):
        process = subprocess.Popen(outrider.command(*columns, source=table), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(f"{done} rows are done", lambda: state.exists() and json.loads(state.read_text())["rows"] >= done, 60, every=0.005)
        process.kill()
        process.communicate()
        stopped.append(json.loads(state.read_text())["rows"])
    assert stopped == sorted(stopped) and stopped[-1] < len(orders), f"killed too late to show anything: {stopped}"
    run = outrider("--batch", "50", source=table)
    assert run.returncode == 0, run
    assert f"going on after row {stopped[-1]}" in run.stderr
    assert set(results(run)) <= {"joined", "resent"}
    assert sum(results(run).values()) == len(orders)
    assert results(run).get("resent", 0) <= 3 * 50
    assert labels(sidecar, "joined") == len(orders)
    assert not state.exists()
    # Once more, from the beginning: nothing is counted again.
    assert results(outrider(source=table)) == {"duplicate": len(orders)}
    assert labels(sidecar, "joined") == len(orders)


def test_an_import_waits_for_a_sidecar_that_is_away_and_then_goes_on(sidecar, outrider, tmp_path):
    predict_rows(sidecar, ["a", "b"])
    sidecar.wait_for_predictions(2)
    table = tmp_path / "labels.ndjson"
    table.write_text('{"order_id": "a", "price": 50}\n{"order_id": "b", "price": 50, "more": {"x": 1}}\n')
    sidecar.stop()
    columns = ("--id", "order_id", "--label", "price")
    process = subprocess.Popen(outrider.command(*columns, source=table), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = next(line for line in process.stderr if "again in" in line)
    assert sidecar.admin in told
    sidecar.start()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.search(r"^joined +2 ", out, re.M), out


def test_an_import_gives_up_after_its_time_and_says_how_to_go_on(sidecar, outrider, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(written(["a"]))
    nobody = f"http://127.0.0.1:{free_port()}"
    begin = time.monotonic()
    run = outrider("--retry-for", "1s", source=table, url=nobody)
    assert run.returncode == 1 and time.monotonic() - begin < 30
    assert f"{nobody}/api/v1/labels" in run.stderr and "(--retry-for)" in run.stderr
    assert "the same call goes on from there" in run.stderr


def test_a_label_port_wants_its_token(programs, binaries, model, tmp_path, outrider):
    token = tmp_path / "token"
    token.write_text("secret\n")
    port = free_port()
    guarded = Sidecar(programs, binaries, model.url, tmp_path / "guarded", name="guarded",
                      options=["--labels.listen-address", f"127.0.0.1:{port}", "--labels.bearer-token-file", token])
    url = f"http://127.0.0.1:{port}"
    predicted = predict(guarded, "x")
    guarded.wait_for_predictions(1)
    refused = outrider(text=written([predicted]), url=url)
    assert refused.returncode == 1 and "it wants a token: --bearer-token-file FILE" in refused.stderr
    assert results(outrider("--bearer-token-file", token, text=written([predicted]), url=url)) == {"joined": 1}


@pytest.mark.parametrize("text, columns, status, words", [
    ("id,truth\n1,2\n", (), 1, "no column 'order_id', 'price'; there are: id, truth"),
    ("order_id;price\n1;2\n", (), 1, "the columns are separated by ';'"),
    ("order_id,price\n1,t\n", (), 3, "--map t=true --map f=false"),
    ("order_id,price\n1,\"2\n2,3\n", (), 1, "line 2: a quoted field is never closed"),
    ("", (), 1, "expected a header line"),
    ("order_id,price\n1,2\n", ("--map", "t"), 1, "map=t: expected FROM=TO"),
    ("order_id,price\n1,2\n", ("--batch", "0"), 2, "batch=0: expected a whole number, 1 to 20000"),
])
def test_what_is_wrong_with_a_table_or_a_call_is_told(outrider, text, columns, status, words):
    run = outrider(*columns, text=text)
    assert run.returncode == status, run
    assert words in run.stdout + run.stderr


def test_the_program_tells_its_commands_and_options(binaries):
    def call(*words):
        return subprocess.run([binaries / "outrider", *words], capture_output=True, text=True, timeout=60)

    assert call().returncode == 2 and "labels import" in call().stdout
    assert call("--help").returncode == 0
    assert "--retry-for" in call("labels", "import", "--help").stdout
    assert "url" in call("labels", "import").stderr
    for word in ("labels", "import", "x"):
        assert call(word).returncode == 2
