# SPDX-License-Identifier: Apache-2.0
"""Requests and their latency by model, as paths and headers name it: which names take a slot, which do not, and how long an
answer may take to be told from an endless one."""

import json
import subprocess
import threading
import time

import pytest
from processes import http, wait_for
from stack import ModelServer, Sidecar

PAUSE = 0.3


def answer(path, body):
    """Two models, one of which takes its time; anything else is not found. A body "break" breaks the server."""
    if body == b'"break"':
        return 503, "application/json", b'{"error": "out of memory"}'
    if "/nowhere" in path:
        return 404, "application/json", b'{"error": "no such model"}'
    time.sleep(PAUSE if "/slow" in path else 0)
    return 200, "application/json", b'{"predictions": [0.5]}'


@pytest.fixture
def start(programs, binaries, tmp_path):
    with ModelServer(answer) as server:
        def begin(*options, config=""):
            if config:
                (tmp_path / "model.yaml").write_text(config)
                options += ("--model.config", tmp_path / "model.yaml")
            return Sidecar(programs, binaries, server.url, tmp_path / "data", options=options)
        yield begin


def ask(sidecar, path, body=None, **headers):
    return http("POST", sidecar.proxy + path, body or {"instances": [[1.0]]}, headers)[0]


def requests(sidecar, **labels):
    """{model: requests} where any were counted."""
    found = {}
    for sample in sidecar.metrics().samples:
        if sample.name == "outrider_requests_total" and sample.value and labels.items() <= sample.labels.items():
            model = sample.labels["model_name"]
            found[model] = found.get(model, 0) + sample.value
    return found


def wait_for_requests(sidecar, expected, **labels):
    """A client may have its answer a moment before it is counted."""
    wait_for(f"requests {expected}", lambda: requests(sidecar, **labels) == expected, 10)


def durations(sidecar):
    """{model: {le: count}}, the buckets' bounds as numbers."""
    found = {}
    for sample in sidecar.metrics().samples:
        if sample.name == "outrider_request_duration_seconds_bucket":
            found.setdefault(sample.labels["model_name"], {})[float(sample.labels["le"])] = sample.value
    return found


def test_each_model_of_a_server_has_its_own_requests_and_latency(start):
    sidecar = start("--proxy.latency-buckets", "0.05,0.2,60")
    for path in ("/v1/models/slow:predict", "/v2/models/quick/infer", "/v2/models/quick/versions/7/infer"):
        assert ask(sidecar, path) == 200
    wait_for_requests(sidecar, {"quick": 2, "slow": 1})
    found = durations(sidecar)
    assert set(found) == {"quick", "slow"}, "every request named its model"
    assert all(set(buckets) == {0.05, 0.2, 60, float("inf")} for buckets in found.values())
    assert found["slow"][0.2] == 0 and found["slow"][60] == 1
    assert ask(sidecar, "/v2/models/slow/infer", "break") == 503
    wait_for_requests(sidecar, {"slow": 1}, outcome="server_error", code="503")


def test_the_usual_buckets_reach_two_minutes(start):
    sidecar = start()
    assert ask(sidecar, "/predict") == 200
    found = durations(sidecar)
    assert set(found) == {"unknown"}
    bounds = sorted(found["unknown"])
    assert bounds[:2] == [0.0005, 0.001] and bounds[-5:] == [10, 30, 60, 120, float("inf")]


def test_a_colon_stays_in_a_name_and_headers_name_what_no_path_does(start):
    sidecar = start()
    for path in ("/v1/models/qwen3:0.6b", "/v1/models/qwen3:0.6b:predict"):
        assert ask(sidecar, path) == 200
    assert ask(sidecar, "/predict", **{"X-Model-Name": "house"}) == 200
    assert ask(sidecar, "/v1/models/barn:predict", **{"X-Model-Name": "house"}) == 200
    assert ask(sidecar, "/predict") == 200
    wait_for_requests(sidecar, {"qwen3:0.6b": 2, "house": 1, "barn": 1, "unknown": 1})


def test_the_model_servers_own_word_goes_before_the_callers(programs, binaries, tmp_path):
    class Named(ModelServer):
        def __init__(self):
            super().__init__(answer)
            handler = self.server.RequestHandlerClass
            plain = handler.end_headers

            def end_headers(reply):
                reply.send_header("X-Model-Name", "house")
                plain(reply)
            handler.end_headers = end_headers

    with Named() as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data")
        assert ask(sidecar, "/predict", **{"X-Model-Name": "alias"}) == 200
        assert ask(sidecar, "/predict") == 200
        wait_for_requests(sidecar, {"house": 2})


def test_names_that_were_only_ever_not_found_take_no_slot(start):
    sidecar = start("--proxy.models-max", "2")
    for i in range(50):
        assert ask(sidecar, f"/v1/models/nowhere{i}:predict") == 404
    wait_for_requests(sidecar, {"unknown": 50})
    assert ask(sidecar, "/v1/models/one:predict") == 200
    assert ask(sidecar, "/v1/models/two:predict") == 200
    wait_for_requests(sidecar, {"unknown": 50, "one": 1, "two": 1})
    assert sidecar.metrics().sum("outrider_requests_of_other_models_total") == 0
    for i in range(4):
        assert ask(sidecar, f"/v1/models/more{i % 2}:predict") == 200
    wait_for_requests(sidecar, {"unknown": 50, "one": 1, "two": 1, "other": 4})
    assert sidecar.metrics().sum("outrider_requests_of_other_models_total") == 4


def test_connections_that_ask_for_models_in_turn_are_counted_right(start):
    sidecar = start("--proxy.threads", "2")
    names, each = ["a", "b", "c:1", "d"], 40

    def client(number):
        import http.client
        connection = http.client.HTTPConnection(sidecar.proxy.removeprefix("http://"), timeout=20)
        for i in range(each):
            name = names[(number + i) % len(names)]
            path = f"/v1/models/{name}:predict" if i % 5 else "/predict"
            connection.request("POST", path, json.dumps({"instances": [[1.0]]}), {"Content-Type": "application/json"})
            assert connection.getresponse().read()
        connection.close()

    clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    wait_for("all requests", lambda: sum(requests(sidecar).values()) == 4 * each, 10)
    expected = {"unknown": 0, **dict.fromkeys(names, 0)}
    for number in range(4):
        for i in range(each):
            expected[names[(number + i) % len(names)] if i % 5 else "unknown"] += 1
    wait_for_requests(sidecar, expected)


def test_a_configured_name_stands_for_all_of_them(start):
    sidecar = start(config="model: {name: house}\n")
    ask(sidecar, "/v1/models/quick:predict")
    ask(sidecar, "/predict")
    ask(sidecar, "/v1/models/nowhere:predict")
    wait_for_requests(sidecar, {"house": 3})
    assert set(durations(sidecar)) == {"house"}


@pytest.mark.parametrize("option, complaint", [
    ("--proxy.latency-buckets=1,0.5", "proxy.latency-buckets=1,0.5: expected ascending numbers such as 0.1,0.5,1"),
    ("--proxy.latency-buckets=", "--proxy.latency-buckets"),
    ("--proxy.latency-buckets=" + ",".join(str(i) for i in range(1, 34)), "at most 32"),
    ("--proxy.models-max=0", "proxy.models-max=0: expected a whole number, 1 to 4096"),
])
def test_limits_that_cannot_be_are_refused_in_words(binaries, option, complaint):
    started = subprocess.run([binaries / "outrider-sidecar", "--upstream", "http://127.0.0.1:9", option],
                             capture_output=True, text=True, timeout=20, check=False)
    assert started.returncode != 0 and complaint in started.stderr + started.stdout
