# SPDX-License-Identifier: Apache-2.0
"""outrider-predictor from the outside: train, registry, serve, swap, retrain, and what it says to bad input."""

import csv
import io
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import numpy
import pytest
import requests
import tritonclient.http as triton
from conftest import ROOT
from processes import HttpError, free_port, http, http_json, wait_for
from stack import Metrics, ModelServer, Program

SEED = "size,bedrooms,price\n1000,2,50\n1500,3,75\n2000,4,100\n2500,5,125\n"
SEED_ANSWER = 89.99994  # What scikit-learn's LinearRegression says to (1800, 3): test/oracle.
TURN = "2026-01-02T00:00:00Z"


@pytest.fixture(scope="session")
def predictor():
    folder = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin"))
    path = folder / "outrider-predictor"
    if not path.exists():
        pytest.fail(f"{path} is not there: run scripts/build first")
    return path


class Server(Program):
    def __init__(self, programs, predictor, registry, name="house-price", options=()):
        port = free_port()
        command = [predictor, "serve", "--registry", registry, "--name", name,
                   "--web.listen-address", f"127.0.0.1:{port}", *options]
        super().__init__(programs, "predictor", command, f"http://127.0.0.1:{port}")

    def version(self):
        return http("GET", f"{self.admin}/-/ready")[1]["X-Model-Version"]


def run(predictor, *arguments, status=0):
    done = subprocess.run([str(a) for a in (predictor, *arguments)], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def train(predictor, registry, data, *options, name="house-price", algorithm="ols", target="price", status=0):
    return run(predictor, "train", "--data", data, "--target", target, "--algorithm", algorithm, "--name", name,
               "--registry", registry, *options, status=status)


def models(predictor, registry, *words, name="house-price", status=0):
    return run(predictor, "models", *words, "--registry", registry, "--name", name, status=status)


def houses(rows, factor=1.0, noise=0.03, seed=1, start="2026-01-01T00:00:00", day=1):
    """Rows (size, bedrooms, price, sold_at), a minute apart."""
    chance = random.Random(seed)
    made = []
    for i in range(rows):
        size, bedrooms = chance.uniform(800, 3500), chance.randint(1, 6)
        price = factor * (20 + 0.05 * size + 3 * bedrooms) * (1 + chance.gauss(0, noise))
        made.append({"size": round(size), "bedrooms": bedrooms, "price": round(price, 3),
                     "sold_at": f"2026-01-{day + i // 1440:02}T{i // 60 % 24:02}:{i % 60:02}:00Z"})
    return made


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def live(rows):
    """Rows as the sidecar's training data has them."""
    return as_csv([{"id": f"id-{i}", "timestamp": row["sold_at"], "size": row["size"], "bedrooms": row["bedrooms"],
                    "prediction": 1, "label": row["price"], "model_version": "v1"} for i, row in enumerate(rows)])


@pytest.fixture
def seed_registry(predictor, tmp_path):
    (tmp_path / "seed.csv").write_text(SEED)
    said = train(predictor, tmp_path / "registry", tmp_path / "seed.csv", "--promote")
    assert "too few rows for a hold-out" in said
    assert "collinear columns" in said and "size, bedrooms" in said
    return tmp_path / "registry"


def test_the_seeds_table_answers_by_every_protocol(programs, predictor, seed_registry):
    server = Server(programs, predictor, seed_registry)
    url = server.admin
    session = requests.Session()
    session.trust_env = False
    house = {"size": 1800, "bedrooms": 3}

    def ask(method, path, body=None):
        answer = session.request(method, url + path, json=body, timeout=5)
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Model-Version"] == "v1"
        return answer.json()

    near = pytest.approx(SEED_ANSWER, abs=1e-8 + 1e-6)
    assert ask("GET", "/predict?size=1800&bedrooms=3") == {"price": near}
    assert ask("POST", "/predict", house) == {"price": near}
    assert ask("POST", "/predict", [house, {"size": 1000, "bedrooms": 2}]) == [{"price": near},
                                                                              {"price": pytest.approx(50)}]
    assert ask("POST", "/v1/models/house-price:predict", {"instances": [house, [1800, 3]]}) == {"predictions": [near] * 2}
    assert ask("GET", "/v1/models/house-price") == {"name": "house-price", "ready": True}
    by_place = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [[1800, 3]]}], "id": "42"}
    by_name = {"inputs": [{"name": "bedrooms", "shape": [1], "datatype": "INT64", "data": [3]},
                          {"name": "size", "shape": [1, 1], "datatype": "FP32", "data": [1800]}]}
    for body, path in ((by_place, "/v2/models/house-price/infer"), (by_name, "/v2/models/house-price/versions/1/infer"),
                       (by_name, "/v2/models/house-price/versions/v1/infer")):
        answer = ask("POST", path, body)
        assert answer["outputs"] == [{"name": "price", "datatype": "FP64", "shape": [1], "data": [near]}]
        assert answer["model_version"] == "v1" and answer.get("id") == body.get("id")
    described = ask("GET", "/v2/models/house-price")
    assert [i["name"] for i in described["inputs"]] == ["size", "bedrooms"]
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/house-price/ready", "/v1/models"):
        ask("GET", path)
    counted = server.metrics()
    assert counted.sum("outrider_predictor_predictions_total", model_version="v1") == 1 + 1 + 2 + 2 + 3
    checked = subprocess.run(["promtool", "check", "metrics"], input=http("GET", f"{url}/metrics")[2], text=True,
                             capture_output=True, check=False)
    assert checked.returncode == 0 and checked.stdout + checked.stderr == "", checked.stdout + checked.stderr


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_own_client_is_understood(programs, predictor, seed_registry, binary):
    server = Server(programs, predictor, seed_registry)
    client = triton.InferenceServerClient(server.admin.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("house-price")
    assert client.get_model_metadata("house-price")["versions"] == ["v1"]
    rows = triton.InferInput("rows", [2, 2], "FP32")
    rows.set_data_from_numpy(numpy.array([[1800, 3], [1000, 2]], numpy.float32), binary_data=binary)
    answer = client.infer("house-price", [rows])
    assert answer.as_numpy("price").tolist() == [pytest.approx(SEED_ANSWER, abs=1e-6), pytest.approx(50)]
    with pytest.raises(Exception, match="unknown_model"):
        client.infer("nonsense", [rows])


BAD_REQUESTS = [
    ("GET", "/predict?size=1800", None, 400, "bedrooms"),
    ("GET", "/predict?size=abc&bedrooms=3", None, 400, "'size' = 'abc': expected a finite number"),
    ("GET", "/predict?size=%zz&bedrooms=3", None, 400, "percent-encoding"),
    ("GET", "/predict?size=inf&bedrooms=3", None, 400, "finite"),
    ("POST", "/predict", b"", 400, "empty"),
    ("POST", "/predict", b"{\"size\": ", 400, "at byte"),
    ("POST", "/predict", b"7", 400, "expected an object"),
    ("POST", "/predict", b"[]", 400, "at least one"),
    ("POST", "/predict", b'[{"size": 1, "bedrooms": 2}, {"size": 1}]', 400, "row[1]"),
    ("POST", "/predict", b'{"size": [1], "bedrooms": 2}', 400, "not a list"),
    ("POST", "/predict", b'{"size": "big", "bedrooms": 2}', 400, "'big'"),
    ("POST", "/predict", b'{"size": null, "bedrooms": 2}', 400, "'size' is missing"),
    ("POST", "/predict", b'{"size": 1.7e308, "bedrooms": 1.7e308}', 200, "price"),
    ("POST", "/predict", b"[" * 100, 400, "nested deeper"),
    ("POST", "/v1/models/house-price:predict", b"{}", 400, "instances"),
    ("POST", "/v1/models/house-price:predict", b'{"instances": [[1]]}', 400, "takes 2"),
    ("POST", "/v1/models/house-price:explain", b"{}", 404, ":predict"),
    ("POST", "/v1/models/other:predict", b"{}", 404, "only 'house-price'"),
    ("POST", "/v2/models/house-price/infer", b'{"inputs": []}', 400, "inputs"),
    ("POST", "/v2/models/house-price/infer",
     b'{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3]}]}', 400, "4 values"),
    ("POST", "/v2/models/house-price/infer",
     b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}', 400, "[rows, 2]"),
    ("POST", "/v2/models/house-price/infer",
     b'{"inputs": [{"name": "x", "shape": [-1], "datatype": "FP64", "data": []}]}', 400, "shape"),
    ("POST", "/v2/models/house-price/infer",
     b'{"inputs": [{"name": "x", "shape": [9999999, 9999999], "datatype": "FP64", "data": []}]}', 400, "shape"),
    ("POST", "/v2/models/house-price/versions/9/infer", b"{}", 404, "there are v1"),
    ("POST", "/api/v1/retrain", b"[]", 400, "expected an object"),
    ("POST", "/api/v1/retrain", b'{"since": "yesterday"}', 400, "2026-01-31T12:00:00Z"),
    ("POST", "/api/v1/retrain", b'{"model": "other"}', 404, "only 'house-price'"),
    ("GET", "/api/v1/jobs/none", None, 404, "lists those"),
    ("POST", "/api/v1/models/v9/promote", b"", 404, "v9"),
    ("POST", "/api/v1/models/v1/promote?force=perhaps", b"", 400, "true or false"),
    ("POST", "/api/v1/rollback", b"", 409, "no version before"),
    ("DELETE", "/predict", None, 405, "GET, POST"),
]


def test_bad_requests_are_told_what_where_and_what_to_change(programs, predictor, seed_registry):
    server = Server(programs, predictor, seed_registry)
    for method, path, body, status, words in BAD_REQUESTS:
        got, _, text = http(method, server.admin + path, body)
        assert got == status, (method, path, body, got, text)
        assert words in text, (method, path, body, text)
        if status >= 400:
            assert set(json.loads(text)) == {"error", "message"}
    large = http("POST", server.admin + "/predict", b" " * (9 << 20))
    assert large[0] == 413 and "8MiB" in large[2]


def test_bad_training_data_and_options_are_told_plainly(predictor, tmp_path):
    registry = tmp_path / "registry"
    data = tmp_path / "data.csv"
    cases = [
        ("", [], "expected a header line"),
        ("size,price\n", [], "no row below"),
        ("size,price\n1,2,3\n", [], "line 2: 3 fields, but the header has 2"),
        ("size,size\n1,2\n", [], "two columns are named 'size'"),
        ('size,price\n"1,2\n', [], "never closed"),
        ("size,price\n1,cheap\n", [], "'cheap' on line 2"),
        ("size,cost\n1,2\n", [], "no column 'price'"),
        ("size,price\n1,2\n", ["--features", "rooms"], "no column 'rooms'"),
        ("size,price\n1,2\n", ["--split.by", "time"], "--split.column"),
        ("size,price\n1,2\n", ["--since", "2026-01-01T00:00:00Z"], "--split.column"),
        ("size,when,price\n1,soon,2\n", ["--split.column", "when"], "'soon'"),
        ("size,price\n1,2\n2,2\n", ["--algorithm", "logistic"], "one class"),
        ("price\n1\n", [], "no column is left"),
        ("size,price\n1,2\n", ["--name", "../x"], "expected letters"),
    ]
    for text, options, words in cases:
        data.write_text(text)
        said = run(predictor, "train", "--data", data, "--target", "price", "--name", "m", "--registry", registry, *options,
                   status=1)
        assert words in said, (text, said)
    said = run(predictor, "train", "--data", tmp_path / "none.csv", "--algorithm", "magic", "--holdout", "2", status=2)
    assert "algorithm=magic" in said and "holdout=2" in said and "target" in said and "registry" in said


def test_a_model_file_cut_short_is_a_clear_error_and_never_serves(programs, predictor, tmp_path):
    registry = tmp_path / "registry"
    (tmp_path / "seed.csv").write_text(SEED)
    train(predictor, registry, tmp_path / "seed.csv", "--promote")
    train(predictor, registry, tmp_path / "seed.csv")
    server = Server(programs, predictor, registry)
    file = registry / "house-price" / "v2" / "model.json"
    whole = file.read_text()
    for damaged in (whole[:len(whole) // 2], "", whole.replace("1800", "1801").replace('"intercept": ', '"intercept": 1')):
        file.write_text(damaged)
        assert "cut short or damaged" in (said := models(predictor, registry, "promote", "v2", "--force", status=1)) \
            or "does not match its checksum" in said
        status, _, text = http("POST", f"{server.admin}/api/v1/models/v2/promote?force=true", b"")
        assert status == 500 and "model.json" in text
    # Even when somebody points production at it by hand, the old version keeps serving.
    stages = registry / "house-price" / "stages.json"
    pointed = json.loads(stages.read_text())
    pointed["production"] = "v2"
    stages.write_text(json.dumps(pointed))
    wait_for("the refusal to be counted", lambda: server.metrics().sum("outrider_predictor_reload_failures_total") >= 1, 5)
    assert http("GET", f"{server.admin}/predict?size=1800&bedrooms=3")[1]["X-Model-Version"] == "v1"
    assert http("POST", f"{server.admin}/-/reload", b"")[0] == 500
    file.write_text(whole)
    assert http("POST", f"{server.admin}/-/reload", b"")[0] == 200
    assert server.version() == "v2"


class Clients:
    """Threads that ask without pause and check that each answer is whole: its price is that of its version."""

    def __init__(self, url, prices, count=8):
        self.url, self.prices = url, prices
        self.answered, self.failures, self.versions = 0, [], set()
        self.ending, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        session = requests.Session()
        session.trust_env = False
        answered = 0
        while not self.ending.is_set():
            try:
                answer = session.get(f"{self.url}/predict?size=2000&bedrooms=3", timeout=5)
                version = answer.headers.get("X-Model-Version")
                if answer.status_code != 200 or answer.json()["price"] != self.prices[version]:
                    self.failures.append((answer.status_code, version, answer.text))
                self.versions.add(version)
            except (requests.RequestException, KeyError, ValueError) as error:
                self.failures.append(repr(error))
            answered += 1
        with self.lock:
            self.answered += answered

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def two_versions(predictor, folder):
    registry = folder / "registry"
    for i, factor in enumerate((1.0, 1.5)):
        (folder / f"{i}.csv").write_text(as_csv(houses(200, factor)))
        train(predictor, registry, folder / f"{i}.csv", "--exclude", "sold_at", *(["--promote"] if i == 0 else []))
    return registry


def test_versions_swap_under_load_without_one_failed_or_mixed_answer(programs, predictor, tmp_path):
    registry = two_versions(predictor, tmp_path)
    server = Server(programs, predictor, registry)
    prices = {}
    for version in ("v1", "v2"):
        http_json("POST", f"{server.admin}/api/v1/models/{version}/promote?force=true", b"")
        prices[version] = http_json("GET", f"{server.admin}/predict?size=2000&bedrooms=3")["price"]
    assert prices["v1"] != prices["v2"]
    clients = Clients(server.admin, prices)
    try:
        for i in range(30):
            version = ("v1", "v2")[i % 2]
            if i % 3 == 0:  # By another process, found by watching the folder.
                models(predictor, registry, "promote", version, "--force")
                wait_for(f"{version} to serve", lambda v=version: server.version() == v, 5, every=0.02)
            elif i % 3 == 1:
                http_json("POST", f"{server.admin}/api/v1/models/{version}/promote?force=true", b"")
                assert server.version() == version
            else:
                http_json("POST", f"{server.admin}/api/v1/rollback", b"")
    finally:
        clients.stop()
    print(f"{clients.answered} answers over 30 swaps")
    assert clients.failures == []
    assert clients.versions == {"v1", "v2"} and clients.answered > 500


def test_sigterm_drains_what_is_at_hand_and_exits_0(programs, predictor, seed_registry):
    server = Server(programs, predictor, seed_registry)
    batch = [{"size": 1800, "bedrooms": 3}] * 20000
    results = []

    def ask():
        results.append(http("POST", f"{server.admin}/predict", batch, timeout=20)[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for("requests at hand", lambda: server.metrics().sum("outrider_predictor_requests_in_flight") >= 1 or results, 5,
             every=0.001)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert results == [200] * 4


def test_a_sidecars_pool_of_256_connections_is_served(programs, predictor, seed_registry):
    server = Server(programs, predictor, seed_registry)
    sessions = []
    for _ in range(256):
        session = requests.Session()
        session.trust_env = False
        assert session.get(f"{server.admin}/predict?size=1800&bedrooms=3", timeout=5).status_code == 200
        sessions.append(session)  # Keeps its connection.
    for session in sessions:
        assert session.get(f"{server.admin}/-/healthy", timeout=5).status_code == 200
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    print(f"256 connections: {resident / 1024:.1f} MiB resident")


def valid_registry(predictor, registry):
    """What stages.json says, after checking that every version and stage can be read."""
    listed = run(predictor, "models", "list", "--registry", registry)  # The only model needs no name.
    assert "damaged" not in listed and "cannot" not in listed, listed
    stages = json.loads((registry / "house-price" / "stages.json").read_text())
    models(predictor, registry, "show", stages["production"])
    return stages


def test_kill_9_at_any_moment_of_training_and_promoting_leaves_a_valid_registry(programs, predictor, tmp_path):
    registry = two_versions(predictor, tmp_path)
    server = Server(programs, predictor, registry)
    chance = random.Random(int(os.environ.get("OUTRIDER_SEED", "17")))
    killed = 0
    for i in range(40):
        command = [[predictor, "models", "promote", ("v1", "v2")[i % 2], "--force", "--registry", registry, "--name",
                    "house-price"],
                   [predictor, "train", "--data", tmp_path / "1.csv", "--target", "price", "--name", "house-price",
                    "--registry", registry, "--promote", "--force"],
                   [predictor, "models", "rollback", "--registry", registry, "--name", "house-price"]][i % 3]
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, chance.choice((0.003, 0.01, 0.04))))  # Whatever the speed of the machine.
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        stages = valid_registry(predictor, registry)
        assert stages["production"].startswith("v")
    assert killed > 10, "the kills came too late to prove anything"
    print(f"{killed} of 40 killed in the middle; stages now {stages['production']}")
    train(predictor, registry, tmp_path / "1.csv", "--exclude", "sold_at", "--promote", "--force")
    left = [p.name for p in (registry / "house-price").iterdir() if p.name.startswith(".new-")]
    assert left == [], "the next writer removes what a crash left"
    production = valid_registry(predictor, registry)["production"]
    wait_for("the newest version to serve", lambda: server.version() == production, 5)


class TrainingData:
    """The sidecar's /api/v1/training-data, with rows that the test puts there."""

    def __init__(self):
        self.rows, self.asked, self.text = [], [], None
        self.server = ModelServer(self.answer)
        self.url = f"{self.server.url}/api/v1/training-data"

    def answer(self, path, _):
        self.asked.append(path)
        if self.rows is None:
            return 503, "application/json", b'{"error":"starting","message":"not yet"}'
        return 200, "text/csv", live(self.rows).encode() if self.rows else b"id,timestamp,size,bedrooms,label\n"


@pytest.fixture
def training_data():
    data = TrainingData()
    with data.server:
        yield data


@pytest.fixture
def retrainer(programs, predictor, tmp_path, training_data):
    """A server on the old market, with a source of live rows."""
    (tmp_path / "sales.csv").write_text(as_csv(houses(1200)))
    train(predictor, tmp_path / "registry", tmp_path / "sales.csv", "--split.column", "sold_at", "--segments", "bedrooms",
          "--promote")
    return Server(programs, predictor, tmp_path / "registry", options=["--retrain.url", training_data.url])


def ended(server, answer, seconds=60):
    """The job, once it ended; the answer must have been a 202 with its Location."""
    status, headers, text = answer
    assert status == 202, text
    job = json.loads(text)
    assert headers["Location"] == f"/api/v1/jobs/{job['id']}" == job["url"]

    def check():
        now = http_json("GET", server.admin + job["url"])
        return now if now["state"] not in ("queued", "running") else None

    return wait_for(f"the end of {job['id']}", check, seconds, every=0.05)


def error_rate(server, rows):
    said = http_json("POST", f"{server.admin}/predict", [{"size": r["size"], "bedrooms": r["bedrooms"]} for r in rows])
    return sum(abs(s["price"] - r["price"]) > 0.1 * r["price"] for s, r in zip(said, rows)) / len(rows)


def test_a_retraining_learns_from_the_rows_since_the_change_and_is_promoted(retrainer, training_data):
    after = houses(700, factor=1.25, seed=3, day=3)
    training_data.rows = houses(900, seed=2, day=1) + after
    future = houses(400, factor=1.25, seed=4, day=5)
    assert error_rate(retrainer, future) > 0.5
    body = {"model": "house-price", "version": "v1", "reason": "accuracy fell from 95% to 40%", "since": after[0]["sold_at"],
            "incident": "inc-1", "idempotency_key": "inc-1/retrain"}
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", body))
    assert job["state"] == "succeeded", job
    assert job["version"] == "v2" and "560 rows since the change" in job["strategy"]
    assert retrainer.version() == "v2"
    assert error_rate(retrainer, future) < 0.05
    assert "since=2026-01-03T00%3A00%3A00.000Z" in training_data.asked[0]
    assert "accuracy fell" in http_json("GET", f"{retrainer.admin}/api/v1/models")["history"][-1]["reason"]
    card = http_json("GET", f"{retrainer.admin}/api/v1/models/v2")
    assert card["parent"] == "v1" and card["trigger"]["incident"] == "inc-1"
    assert card["data"]["held_out_rows"] == 140 and card["metrics"]["rows"] == 140

    again = http("POST", f"{retrainer.admin}/api/v1/retrain", body)
    assert again[0] == 202 and json.loads(again[2])["id"] == job["id"] and json.loads(again[2])["duplicate"]
    stale = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", {**body, "idempotency_key": "other"}))
    assert stale["state"] == "succeeded" and "nothing to do: production is v2" in stale["message"]
    assert len(http_json("GET", f"{retrainer.admin}/api/v1/models")["versions"]) == 2

    rollback = {"model": "house-price", "version": "v2", "reason": "a drill"}
    for _ in range(2):  # Repeated, it goes back once.
        assert http_json("POST", f"{retrainer.admin}/api/v1/rollback", rollback)["production"] == "v1"
    assert retrainer.version() == "v1"


def test_a_retraining_waits_for_the_rows_it_wants_where_it_may(programs, predictor, tmp_path, training_data):
    (tmp_path / "sales.csv").write_text(as_csv(houses(1200)))
    train(predictor, tmp_path / "registry", tmp_path / "sales.csv", "--split.column", "sold_at", "--promote")
    server = Server(programs, predictor, tmp_path / "registry",
                    options=["--retrain.url", training_data.url, "--retrain.wait", "60s", "--retrain.rows-wanted", "500"])
    after = houses(600, factor=1.25, seed=3, day=3)
    training_data.rows = after[:40]
    accepted = http("POST", f"{server.admin}/api/v1/retrain", {"since": after[0]["sold_at"]})
    job_url = server.admin + json.loads(accepted[2])["url"]
    wait_for("the job to wait", lambda: "waiting for rows: 40 of 500" in json.dumps(http_json("GET", job_url)), 10)
    training_data.rows = after
    job = ended(server, accepted)
    assert job["state"] == "succeeded" and "480 rows since the change" in job["strategy"], job


def test_few_rows_since_the_change_recalibrate_and_fewer_pool(retrainer, training_data):
    training_data.rows = houses(60, factor=1.25, seed=3, day=3)
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", {"since": "2026-01-03T00:00:00Z"}))
    assert job["state"] == "succeeded" and "recalibrated on 40 rows" in job["strategy"], job
    assert error_rate(retrainer, houses(400, factor=1.25, seed=4)) < 0.05

    training_data.rows = houses(25, factor=2, seed=5, day=6)
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", {"since": "2026-01-06T00:00:00Z"}))
    assert "pooled" in job["strategy"] and job["state"] == "refused", job


def test_a_retraining_that_the_gates_refuse_stays_a_candidate_with_its_reason(retrainer, training_data, predictor, tmp_path):
    training_data.rows = houses(600, seed=2, day=3)  # Nothing changed: nothing to win.
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", {"since": "2026-01-03T00:00:00Z"}))
    assert job["state"] == "refused" and "gate 'better' refuses: accuracy" in job["message"], job
    assert retrainer.version() == "v1"
    stages = http_json("GET", f"{retrainer.admin}/api/v1/models")
    assert stages["production"] == "v1" and stages["candidate"] == "v2"
    status, _, text = http("POST", f"{retrainer.admin}/api/v1/models/v2/promote", b"")
    assert status == 409 and "gate 'better' refuses" in text
    assert "gate 'better' refuses" in models(predictor, tmp_path / "registry", "promote", "v2", status=1)
    assert "v2 is production" in models(predictor, tmp_path / "registry", "promote", "v2", "--force")
    wait_for("v2 to serve", lambda: retrainer.version() == "v2", 5)
    assert "v1 is production" in models(predictor, tmp_path / "registry", "rollback")
    wait_for("v1 to serve", lambda: retrainer.version() == "v1", 5)


def test_alertmanagers_webhook_retrains_and_a_resolved_one_does_not(retrainer, training_data):
    training_data.rows = houses(700, factor=1.25, seed=3, day=3)
    alert = {"status": "firing", "labels": {"alertname": "ModelAccuracyDropped", "model_name": "house-price"},
             "annotations": {"description": "fell from 95% to 72%"}, "startsAt": "2026-01-03T00:00:00Z",
             "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f1"}
    body = {"version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "trainer", "alerts": [alert]}
    resolved = http_json("POST", f"{retrainer.admin}/api/v1/retrain",
                         {**body, "status": "resolved", "alerts": [{**alert, "status": "resolved"}]})
    assert resolved["state"] == "ignored"
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", body))
    assert job["state"] == "succeeded" and "fell from 95% to 72%" in job["request"]["reason"]


def test_a_source_that_is_down_fails_the_job_and_asking_again_tries_again(retrainer, training_data):
    training_data.rows = None
    body = {"since": "2026-01-03T00:00:00Z", "idempotency_key": "k"}
    job = ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", body))
    assert job["state"] == "failed" and "503" in job["message"], job
    training_data.rows = houses(700, factor=1.25, seed=3, day=3)
    assert ended(retrainer, http("POST", f"{retrainer.admin}/api/v1/retrain", body))["state"] == "succeeded"
    assert retrainer.metrics().sum("outrider_predictor_retrain_jobs_total", state="failed") == 1


def test_an_accepted_job_outlives_kill_9(retrainer, training_data):
    training_data.rows = houses(700, factor=1.25, seed=3, day=3)
    status, headers, text = http("POST", f"{retrainer.admin}/api/v1/retrain", {"since": "2026-01-03T00:00:00Z", "version": "v1"})
    retrainer.kill()
    retrainer.start()
    job = ended(retrainer, (status, headers, text))
    assert job["state"] == "succeeded", job
    assert retrainer.version() == "v2"
    retrainer.stop()
    retrainer.start()
    assert http_json("GET", retrainer.admin + job["url"])["version"] == "v2", "ended jobs are remembered"


def test_retraining_does_not_starve_serving(retrainer, training_data):
    training_data.rows = houses(40000, factor=1.25, seed=3, day=1)
    prices = {"v1": http_json("GET", f"{retrainer.admin}/predict?size=2000&bedrooms=3")["price"]}
    session = requests.Session()
    session.trust_env = False
    answer = http("POST", f"{retrainer.admin}/api/v1/retrain", {"since": "2026-01-01T00:00:00Z"})
    took = []
    while http_json("GET", retrainer.admin + json.loads(answer[2])["url"])["state"] in ("queued", "running"):
        start = time.monotonic()
        assert session.get(f"{retrainer.admin}/predict?size=2000&bedrooms=3", timeout=5).status_code == 200
        took.append(time.monotonic() - start)
    took.sort()
    print(f"{len(took)} predictions while retraining: median {took[len(took) // 2] * 1e3:.2f} ms, worst {took[-1] * 1e3:.1f} ms")
    assert took[len(took) // 2] < 0.05 and prices["v1"] > 0


def test_control_needs_the_token_where_one_is_set(programs, predictor, seed_registry, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    server = Server(programs, predictor, seed_registry, options=["--control.token-file", tmp_path / "token"])
    for path in ("/api/v1/retrain", "/api/v1/rollback", "/api/v1/models/v1/promote"):
        assert http("POST", server.admin + path, b"")[0] == 401
        assert http("POST", server.admin + path, b"", {"Authorization": "Bearer wrong"})[0] == 401
    assert http("POST", f"{server.admin}/api/v1/models/v1/promote", b"", {"Authorization": "Bearer s3cret"})[0] == 200
    assert http("GET", f"{server.admin}/predict?size=1800&bedrooms=3")[0] == 200


def test_an_empty_registry_is_not_ready_until_something_is_promoted(programs, predictor, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    programs.start("predictor", [predictor, "serve", "--registry", tmp_path / "registry", "--name", "house-price",
                                 "--web.listen-address", f"127.0.0.1:{port}"])
    programs.wait_until_ready("predictor", f"{url}/-/healthy")
    assert http("GET", f"{url}/-/ready")[0] == 503
    assert http("GET", f"{url}/v2/health/ready")[0] == 503
    status, _, text = http("GET", f"{url}/predict?size=1800&bedrooms=3")
    assert status == 503 and "no production version yet" in text
    (tmp_path / "seed.csv").write_text(SEED)
    train(predictor, tmp_path / "registry", tmp_path / "seed.csv", "--promote")
    wait_for("readiness", lambda: http("GET", f"{url}/-/ready")[0] == 200, 5)


def test_a_classifier_says_class_and_probability_and_is_judged_for_fairness(programs, predictor, tmp_path):
    chance = random.Random(9)
    rows = []
    for _ in range(2000):
        group, income = chance.choice("MF"), chance.gauss(50, 15)
        unfair = -25 if group == "F" else 0
        paid = "yes" if income + unfair + chance.gauss(0, 6) > 40 else "no"
        rows.append({"income": round(income, 2), "group": group, "paid": paid})
    (tmp_path / "loans.csv").write_text(as_csv(rows))
    registry = tmp_path / "registry"
    said = train(predictor, registry, tmp_path / "loans.csv", "--group", "group", "--group.privileged", "M", "--promote",
                 name="loans", algorithm="logistic", target="paid", status=1)
    assert "gate 'fairness' refuses: F against M" in said and "SPD -0." in said and "DIR 0." in said
    train(predictor, registry, tmp_path / "loans.csv", "--promote", name="loans", algorithm="logistic", target="paid")
    server = Server(programs, predictor, registry, name="loans")
    rich = http_json("GET", f"{server.admin}/predict?income=90&group=M")
    assert rich["paid"] == "yes" and rich["probability"] > 0.95
    unseen = http_json("POST", f"{server.admin}/v1/models/loans:predict", {"instances": [{"income": 90, "group": "X"}]})
    assert unseen["predictions"] == ["yes"] and len(unseen["probabilities"]) == 1
    assert server.metrics().sum("outrider_predictor_unseen_categories_total") == 1
    v2 = http_json("POST", f"{server.admin}/v2/models/loans/infer", {
        "inputs": [{"name": "income", "shape": [2], "datatype": "FP64", "data": [90, 5]},
                   {"name": "group", "shape": [2], "datatype": "BYTES", "data": ["M", "F"]}]})
    assert {o["name"]: (o["datatype"], o["shape"]) for o in v2["outputs"]} == {"paid": ("BYTES", [2]),
                                                                               "probability": ("FP64", [2])}
    assert v2["outputs"][0]["data"] == ["yes", "no"]


def test_king_county_is_learnt_from_its_first_months_and_holds_on_the_following(programs, predictor, shared_data, tmp_path):
    data = shared_data / "houses" / "kc_house_data.csv"
    registry = tmp_path / "registry"
    said = train(predictor, registry, data, "--split.by", "time", "--split.column", "date", "--exclude", "id",
                 "--categorical", "zipcode", "--segments", "view,waterfront", "--promote", name="houses")
    print(said)
    card = json.loads((registry / "houses" / "v1" / "card.json").read_text())
    assert card["metrics"]["on"] == "held-out rows" and card["metrics"]["rows"] == 4319
    assert card["metrics"]["r2"] > 0.75 and card["metrics"]["accuracy"] > 0.3
    assert "view=NONE" in card["metrics"]["segments"] and "waterfront=YES" in card["metrics"]["segments"]
    notes = " ".join(card["notes"])
    for column in ("waterfront", "view", "sqft_basement", "yr_renovated"):
        assert f"column '{column}'" in notes
    server = Server(programs, predictor, registry, name="houses")
    with open(data, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["date"].endswith("5/2015")][:500]
    bare = [{k: v for k, v in row.items() if k not in ("id", "date", "price")} for row in rows]
    said = http_json("POST", f"{server.admin}/predict", bare)
    assert all(0 < abs(s["price"]) < 1e7 for s in said)
    assert server.metrics().sum("outrider_predictor_filled_values_total") > 0
    with pytest.raises(HttpError, match="sqft_living"):
        http_json("POST", f"{server.admin}/predict", {k: v for k, v in bare[0].items() if k != "sqft_living"})


def test_metrics_count_by_route_and_code(programs, predictor, seed_registry):
    server = Server(programs, predictor, seed_registry)
    http("GET", f"{server.admin}/predict?size=1&bedrooms=1")
    http("GET", f"{server.admin}/predict?size=1")
    counted = Metrics(http("GET", f"{server.admin}/metrics")[2])
    assert counted.sum("outrider_predictor_requests_total", route="predict", code="200") == 1
    assert counted.sum("outrider_predictor_requests_total", route="predict", code="400") == 1
    assert counted.sum("outrider_predictor_request_duration_seconds_count", route="predict") == 2
