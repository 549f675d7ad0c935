# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC through the proxy, with the peers that people have: grpcio, nghttpd, h2load, curl, h2spec."""

import concurrent.futures
import re
import signal
import subprocess
import threading
import time

import grpc
import pytest
from grpc_peers import Calls, GrpcServer, infer_message
from http2_peers import Web, curl, h2load
from processes import free_port, wait_for
from raw_http import Proxy, ScriptedUpstream, answer, echo, reset
from tls_peers import Authority, TlsProxy, client_context

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def server():
    with GrpcServer() as made:
        yield made


@pytest.fixture
def proxy(programs, tmp_path, server):
    return Proxy(programs, tmp_path, server.url, "--proxy.drain-delay", "500ms")


@pytest.fixture
def calls(proxy):
    with Calls(proxy.port) as made:
        yield made


@pytest.fixture
def web(programs, tmp_path):
    return Web(programs, tmp_path)


def codes(proxy):
    found = {}
    for (name, *pairs), value in proxy.metrics().items():
        if name == "outrider_grpc_requests_total" and value:
            code = dict(pairs)["grpc_code"]
            found[code] = found.get(code, 0) + value
    return found


# ---- gRPC ----

def test_calls_of_all_four_shapes_pass(calls, proxy):
    assert calls("Unary", b"one") == b"one"
    assert list(calls("ServerStream", b"300")) == [b"%d" % i for i in range(300)]
    assert calls("ClientStream", iter([b"a", b"b", b"c"])) == b"a+b+c"
    assert list(calls("Both", iter([b"1", b"2"] * 50))) == [b"11", b"22"] * 50
    wait_for("all are counted", lambda: codes(proxy) == {"OK": 4}, 10)
    assert proxy.metric("outrider_requests_total", outcome="success") == 4
    assert proxy.metric("outrider_requests_in_flight") == 0


def test_each_side_of_a_stream_speaks_when_it_likes(calls):
    """A message comes back before the next one is sent: nothing waits for an end."""
    turn, told = threading.Semaphore(0), []

    def messages():
        for i in range(20):
            turn.acquire(timeout=10)
            yield b"%d" % i
    turn.release()
    for message in calls("Both", messages()):
        told.append(message)
        turn.release()
    assert told == [b"%d%d" % (i, i) for i in range(20)]


def test_large_messages_pass_both_ways(calls):
    message = bytes(range(256)) * (11 << 12)  # 11 MiB: MLServer#290.
    assert calls("Unary", message, timeout=30) == message


def test_metadata_pass_byte_for_byte_and_the_prediction_id_is_added(calls, server):
    unary = calls.method("Unary")
    sent = [("x-text", "a, b"), ("x-blob-bin", bytes(range(256))), ("x-twice", "1"), ("x-twice", "2"), ("x-prediction-id", "mine"),
            ("authorization", "Bearer secret")]
    message, call = unary.with_call(b"m", metadata=sent, timeout=10)
    assert message == b"m"
    initial, trailing = list(call.initial_metadata()), list(call.trailing_metadata())
    expected = [pair for pair in sent if pair[0] in ("x-text", "x-blob-bin", "x-twice")]
    assert [pair for pair in initial if pair[0] in ("x-text", "x-blob-bin", "x-twice")] == expected
    assert [("t-" + name, value) for name, value in expected] == [pair for pair in trailing if pair[0] != "t-x-prediction-id"]
    ids = [value for name, value in initial if name == "x-prediction-id"]
    upstream_saw = server.servicer.seen[-1]
    assert len(ids) == 1 and ID.fullmatch(ids[0]) and upstream_saw["x-prediction-id"] == ids[0]
    assert upstream_saw["authorization"] == "Bearer secret"


def test_an_error_that_is_trailers_only_passes(calls, proxy):
    error = calls.error("Fails", b"age")
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no such column: age")
    assert any(name == "x-prediction-id" for name, _ in [*error.initial_metadata(), *error.trailing_metadata()])
    wait_for("the code", lambda: codes(proxy) == {"INVALID_ARGUMENT": 1}, 10)
    assert proxy.metric("outrider_requests_total", outcome="client_error", code="200") == 1


def test_trailers_of_60_kB_pass(calls):
    error = calls.error("Trailers", b"60000")
    assert error.code() == grpc.StatusCode.INTERNAL
    assert sum(len(value) for name, value in error.trailing_metadata() if name.startswith("t-")) == 60000


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
def test_a_call_that_the_client_gives_up_ends_at_the_server_too(calls, proxy, server, how):
    assert calls("Unary", b"m") == b"m"  # The connections are there: a deadline is not to pass before the server sees the call.
    call = calls.method("Waits").future(b"m", timeout=2 if how == "deadline" else 20)
    assert server.servicer.waiting.wait(10)
    if how == "cancelled":
        call.cancel()
    assert server.servicer.cancelled.wait(10)
    wait_for("it is counted", lambda: sum(codes(proxy).values()) == 2, 10)
    assert proxy.metric("outrider_requests_in_flight") == 0
    assert calls("Unary", b"the connection goes on") == b"the connection goes on"


def test_hundreds_of_calls_share_one_connection(calls, proxy):
    futures = [calls.method("Unary").future(b"%d" % i, timeout=30) for i in range(500)]
    assert [future.result() for future in futures] == [b"%d" % i for i in range(500)]
    assert proxy.metric("outrider_upstream_connects_total") == 1


def test_predictions_of_open_inference_calls_are_analysed_under_their_model(calls, proxy):
    infer = calls.method("ModelInfer", "inference.GRPCInferenceService")
    for i in range(20):
        infer(infer_message([float(i), 2.0, 3.0], True), timeout=10)
    assert proxy.settled(20)["analysed"] == 20
    assert proxy.metric("outrider_requests_total", model_name="house-price", outcome="success") == 20
    assert proxy.metric("outrider_predictions_total", model_name="house-price", model_version="1") == 20
    assert calls("Unary", b"m") == b"m"
    wait_for("both methods", lambda: proxy.metric("outrider_grpc_requests_total", grpc_method="other", grpc_code="OK") == 1, 10)
    assert proxy.metric("outrider_grpc_requests_total", grpc_method="ModelInfer", grpc_code="OK") == 20


def test_compressed_messages_pass(calls):
    assert calls("Unary", b"z" * 100000, compression=grpc.Compression.Gzip) == b"z" * 100000


# ---- Failures ----

def test_an_upstream_that_is_not_there_is_unavailable_with_a_reason(programs, tmp_path):
    port = free_port()
    proxy = Proxy(programs, tmp_path, f"h2c://127.0.0.1:{port}")
    with Calls(proxy.port) as calls:
        error = calls.error("Unary", b"m")
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "upstream_unreachable" in error.details()
        got = curl(proxy, "/predict", "-w", "%{http_code}")
        assert got.stdout.endswith(b"503") and b"upstream_unreachable" in got.stdout
        wait_for("they are counted", lambda: proxy.metric("outrider_requests_total", outcome="unreachable") == 2, 10)
        with GrpcServer(port):
            assert calls("Unary", b"m", wait_for_ready=True) == b"m"


def test_calls_of_an_upstream_that_dies_are_unavailable_and_the_next_ones_pass(programs, tmp_path):
    server = GrpcServer()
    proxy = Proxy(programs, tmp_path, server.url)
    with Calls(proxy.port) as calls:
        futures = [calls.method("Waits").future(b"m", timeout=20) for _ in range(8)]
        wait_for("the calls", lambda: len(server.servicer.seen) == 8, 10)
        stopped = server.server.stop(0)
        assert {future.exception(20).code() for future in futures} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        server.servicer.hold.set()
        assert stopped.wait(20)  # Its port is free.
        with GrpcServer(server.port):
            assert calls("Unary", b"m", wait_for_ready=True) == b"m"
        assert proxy.metric("outrider_requests_in_flight") == 0


@pytest.mark.parametrize("when", ["at once", "before the settings", "within the response"])
def test_an_upstream_that_breaks_off_is_an_error_that_says_so(programs, tmp_path, when):
    head = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"  # SETTINGS; :status 200.

    def script(connection, _number):
        if when == "at once":
            return reset(connection.socket)
        connection.until(b"SM\r\n\r\n")
        if when == "within the response":
            connection.send(head + b"\x00\x00\x09\x00\x00\x00\x00\x00\x01half")
            time.sleep(.2)
        connection.close()
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url.replace("http://", "h2c://"))
        got = curl(proxy, "/predict", "-w", "%{http_code}")
        if when == "within the response":
            assert got.returncode != 0  # A reset: it must not look complete.
        else:
            assert got.stdout.endswith((b"502", b"503")) and b"upstream_" in got.stdout
        wait_for("it is counted", lambda: proxy.metric("outrider_requests_total", outcome="unreachable") == 1, 10)


def test_the_other_protocol_on_either_side_is_an_error_with_a_remedy(programs, tmp_path, web):
    got = curl(web, "/", "-w", "%{http_code}", version="--http1.1")
    assert got.stdout.endswith(b"505") and b"http2_only" in got.stdout
    assert curl(web, "/-/ready", version="--http1.1").stdout == b"OK\n"
    with ScriptedUpstream(echo) as upstream:
        plain = Proxy(programs, tmp_path / "plain", upstream.url, name="plain")
        got = curl(plain, "/predict", "-w", "%{http_code}")
        assert got.stdout.endswith(b"505") and b"http1_only" in got.stdout and b"h2c://" in got.stdout
        with Calls(plain.port) as calls:
            error = calls.error("Unary", b"m")
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED and "http1_only" in error.details()
        assert plain.post()[0] == 200

    def script(connection, _number):
        connection.until(b"SM\r\n\r\n")
        connection.send(answer(status="400 Bad Request"))
    with ScriptedUpstream(script) as upstream:
        wrong = Proxy(programs, tmp_path / "http1", upstream.url.replace("http://", "h2c://"), name="http1")
        got = curl(wrong, "/predict", "-w", "%{http_code}")
        assert got.stdout.endswith(b"502") and b"answered in HTTP/1.1" in got.stdout


# ---- The end ----

def test_sigterm_under_64_streams_fails_no_call(programs, tmp_path, server):
    proxy = Proxy(programs, tmp_path, server.url, "--proxy.drain-delay", "30s")
    begun, done, failed, over, lock = [], [], [], threading.Event(), threading.Lock()

    def begins():
        with lock:
            if not over.is_set():
                begun.append(1)
            return not over.is_set()

    def client():
        with Calls(proxy.port) as calls:
            while begins():
                try:
                    calls("Slow", b"m", timeout=30)
                    done.append(1)
                except grpc.RpcError as error:
                    failed.append(error)
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for _ in range(64):
            pool.submit(client)
        try:
            wait_for("calls", lambda: len(done) >= 64, 20)
            asked_at = len(done)
            proxy.process.send_signal(signal.SIGTERM)
            wait_for("calls while it leaves", lambda: len(done) > asked_at + 64, 20)
        finally:
            with lock:
                over.set()
        wait_for("the last ones at the server", lambda: len(server.servicer.seen) >= len(begun), 20, .01)
        proxy.process.send_signal(signal.SIGTERM)  # The second one ends the delay: those are drained.
    assert not failed and len(done) == len(begun)
    assert proxy.process.wait(20) == 0


def test_a_goaway_of_the_upstream_fails_no_call(programs, tmp_path):
    """A server that ends each connection after a second (max_connection_age)."""
    with GrpcServer(options=[("grpc.max_connection_age_ms", 1000), ("grpc.max_connection_age_grace_ms", 5000)]) as server:
        proxy = Proxy(programs, tmp_path, server.url)
        done, end = 0, time.monotonic() + 40
        with Calls(proxy.port) as calls:
            while done <= 10 or proxy.metric("outrider_upstream_connects_total") <= 2:
                assert time.monotonic() < end
                assert calls("Slow", b"m") == b"m"
                done += 1


# ---- TLS ----

def test_grpc_and_curl_speak_http2_over_tls_by_alpn(programs, tmp_path, server):
    ca = Authority(tmp_path)
    own = ca.sign(tmp_path / "server")
    proxy = TlsProxy(programs, tmp_path, server.url, own, client_context(ca.pem))
    with Calls(proxy.port, credentials=grpc.ssl_channel_credentials(ca.pem.read_bytes()), host="localhost") as calls:
        assert calls("Unary", bytes(1 << 20)) == bytes(1 << 20)
        assert list(calls("Both", iter([b"1", b"2"] * 50))) == [b"11", b"22"] * 50
    address = f"https://localhost:{proxy.port}/-/ready"
    for version, alpn in (("--http2", "h2"), ("--http1.1", "http/1.1")):
        got = subprocess.run(["curl", "-sv", version, "--cacert", ca.pem, "--resolve", f"localhost:{proxy.port}:127.0.0.1", address],
                             capture_output=True, text=True, timeout=20)
        assert got.stdout == "OK\n" and f"server accepted {alpn}" in got.stderr, got.stderr


# ---- HTTP/2 in general ----

def test_files_pass_whole_under_load(web):
    assert curl(web, "/").stdout == b"hello"
    assert curl(web, "/big").stdout == (web.folder / "big").read_bytes()
    for words in ((32, 1), (8, 32)):
        passed, said = h2load(web.url("/index.html"), 4000, *words)
        assert passed, said
    passed, said = h2load(web.url("/big"), 100, 4, 8)
    assert passed, said
    wait_for("all are counted", lambda: proxy_requests(web) == 8102, 20)
    assert web.metric("outrider_requests_in_flight") == 0
    web.settled(8102)


def proxy_requests(proxy):
    return proxy.metric("outrider_requests_total", outcome="success")


def test_connect_is_refused(web):
    got = subprocess.run(["nghttp", "-nv", "-H", ":method: CONNECT", web.url("/")], capture_output=True, text=True, timeout=20)
    assert "PROTOCOL_ERROR" in got.stdout or "501" in got.stdout  # nghttp sends :scheme and :path with it.


@pytest.mark.parametrize("words", [[], ["--strict"]], ids=["usual", "strict"])
def test_h2spec_passes(web, tool, words):
    count = 146 if words else 145
    said = subprocess.run([tool("h2spec"), "-h", "127.0.0.1", "-p", str(web.port), "-o", "4", *words], capture_output=True,
                          text=True, timeout=120).stdout
    assert f"{count} tests, {count} passed, 0 skipped, 0 failed" in said, said[said.find("Failures:"):]
    assert curl(web, "/").stdout == b"hello"
