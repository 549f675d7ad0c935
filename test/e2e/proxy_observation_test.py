# SPDX-License-Identifier: Apache-2.0
"""What passes through the real proxy and its ring is what the monitor makes of it: coded bodies, sampling
alike in every replica, matching by path, streams at their end, and the proxy's own figures."""

import gzip
import json
import struct
import threading

import pytest
from processes import http, wait_for
from raw_http import Proxy, ScriptedUpstream, answer


def post(path, body, fields=b""):
    return b"POST %s HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        path.encode(), fields, len(body), body)


@pytest.fixture
def watched(programs, tmp_path):
    """A sidecar before an upstream that gives a fixed answer, with a model configuration."""
    opened = []

    def start(reply, config="", name="a"):
        def script(connection, _number):
            while True:
                connection.message()
                connection.send(reply)
        upstream = ScriptedUpstream(script)
        opened.append(upstream)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.yaml").write_text(config or "model: {name: house}\n")
        return Proxy(programs, folder, upstream.url, "--model.config", folder / "model.yaml",
                     name=f"sidecar-{name}")

    yield start
    for upstream in opened:
        upstream.__exit__()


def test_coded_bodies_are_unpacked_for_the_monitor_and_passed_on_as_they_are(watched):
    packed = gzip.compress(b'{"price": 2.5}')
    proxy = watched(answer(packed, fields=b"Content-Encoding: gzip\r\nContent-Type: application/json\r\n"))
    body = gzip.compress(json.dumps({"size": 50}).encode())
    assert proxy.ask(post("/predict", body, b"Content-Encoding: gzip\r\n"))[2] == packed
    proxy.ask(post("/predict", body, b"Content-Encoding: br\r\n"))
    proxy.ask(post("/predict", body[:-9], b"Content-Encoding: gzip\r\n"))
    found = proxy.settled(3)
    assert found["analysed"] == 1 and found["failed"] == 2
    assert proxy.metric("outrider_exchanges_failed_total", reason="unsupported_encoding") == 1
    assert proxy.metric("outrider_exchanges_failed_total", reason="invalid_encoding") == 1


def test_binary_tensors_of_the_v2_protocol_are_read(watched):
    head = json.dumps({"model_name": "house", "outputs": [
        {"name": "price", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}}]}).encode()
    proxy = watched(answer(head + struct.pack("<2d", 1.5, 2.5),
                           fields=b"Inference-Header-Content-Length: %d\r\n" % len(head)))
    asked = json.dumps({"inputs": [
        {"name": "x", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}]}).encode()
    proxy.ask(post("/v2/models/house/infer", asked + struct.pack("<6f", *range(6)),
                   b"Inference-Header-Content-Length: %d\r\n" % len(asked)))
    assert proxy.settled(1)["analysed"] == 1
    assert proxy.metric("outrider_predictions_total", model_name="house") == 2


def test_sampling_takes_the_same_predictions_in_every_replica(watched):
    reply = answer(b'{"price": 1}', fields=b"Content-Type: application/json\r\n")
    config = "model: {name: house}\nsampling: {rate: 0.4}\n"
    replicas = [watched(reply, config, name) for name in ("a", "b")]
    for proxy in replicas:  # The monitor has told the proxy which ones.
        wait_for("the monitor", lambda p=proxy: http("GET", f"http://127.0.0.1:{p.admin_port}/-/healthy")[0] == 200, 20)
    taken, asked = [], 0
    for group in range(8):
        for number in range(10):
            request = post("/predict", b'{"size": 1}', b"X-Request-Id: group-%d-%d\r\n" % (group, number))
            for proxy in replicas:
                assert proxy.ask(request)[0] == 200
        asked += 10
        found = [proxy.settled(asked) for proxy in replicas]
        assert found[0] == found[1]
        taken.append(found[0]["analysed"])
    assert 16 <= taken[-1] <= 48  # Of 80; the ids are fixed, so this is no matter of chance.
    assert replicas[0].metric("outrider_exchanges_skipped_total", reason="sampled_out") == 80 - taken[-1]


def test_only_paths_that_match_are_looked_at(watched):
    proxy = watched(answer(b'{"price": 1}'),
                    "model: {name: house}\nrequest: {match: {method: POST, path: ['/v1/*:predict', /score]}}\n")
    wait_for("the monitor", lambda: http("GET", f"http://127.0.0.1:{proxy.admin_port}/-/healthy")[0] == 200, 20)
    for path in ("/v1/models/house:predict", "/score?a=b", "/scores", "/v1/models/house", "/predict"):
        proxy.ask(post(path, b'{"size": 1}'))
    proxy.get("/score")
    found = proxy.settled(6)
    assert (found["analysed"], found["skipped"]) == (2, 4)


def test_a_streamed_answer_is_observed_at_its_end_and_not_before(programs, tmp_path):
    events = [b'data: {"price": %d}\n\n' % i for i in range(3)]
    was_looked_at = threading.Event()

    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            connection.send(b"%x\r\n%s\r\n" % (len(event), event))
        was_looked_at.wait(30)
        connection.send(b"0\r\n\r\n")
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url)
        connection = proxy.connect()
        connection.send(post("/predict", b'{"size": 1}'))
        connection.until(events[2])
        assert proxy.exchanges()["seen"] == 0
        was_looked_at.set()
        connection.until(b"0\r\n\r\n")
        assert proxy.settled(1)["analysed"] == 1


def test_the_proxys_own_figures_name_the_model_and_add_up(watched):
    proxy = watched(answer(b'{"price": 1}'))
    for _ in range(20):
        proxy.ask(post("/predict", b'{"size": 1}'))
    proxy.settled(20)
    assert proxy.metric("outrider_requests_total", model_name="house", outcome="success", code="200") == 20
    assert proxy.metric("outrider_request_duration_seconds_count", model_name="house") == 20
    assert proxy.metric("outrider_requests_in_flight", model_name="house") == 0
    assert proxy.metric("outrider_proxy_overhead_seconds_count") == 20
    assert 0 < proxy.metric("outrider_proxy_overhead_seconds_sum") < 2
    connects = proxy.metric("outrider_upstream_connects_total")
    assert connects + proxy.metric("outrider_upstream_connections_reused_total") == 20
    assert proxy.metric("outrider_upstream_connections_idle") == connects
    assert proxy.metric("outrider_upstream_connections_active") == 0
