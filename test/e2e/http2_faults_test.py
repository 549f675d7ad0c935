# SPDX-License-Identifier: Apache-2.0
"""Faults of monitor and upstream under HTTP/2: which calls fail, that the others do not, and that every one is counted."""

import resource
import signal
import subprocess
import time

import grpc
import pytest
from grpc_peers import Calls, GrpcServer
from http2_peers import GRPC_HEAD, GRPC_TRAILERS, PREFACE, PREFACE_END, SETTINGS, SETTINGS_ACK, Web, frame, grpc_answer, h2load, read_frames
from processes import wait_for
from raw_http import Proxy, ScriptedUpstream, reset

MESSAGE = b"\0\0\0\0\1m"


@pytest.fixture
def web(programs, tmp_path):
    return Web(programs, tmp_path, "--monitor.frozen-timeout", "1s")


# ---- The monitor ----

@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=["killed", "crashed", "frozen"])
def test_no_call_fails_while_the_monitor_is_in_trouble_and_every_one_is_counted(web, trouble):
    words = ["h2load", "-D", "6", "-c", "16", "-m", "10", web.url("/index.html")]
    load = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    struck, end = 0, time.monotonic() + 4
    while time.monotonic() < end:
        struck += web.kill_monitor(trouble)
        time.sleep(.2)
    said = load.communicate(timeout=60)[0]
    web.kill_monitor(signal.SIGCONT)
    # What was under way when h2load ended has no outcome of its own.
    assert " 0 failed, 0 errored, 0 timeout" in said and struck >= 3, said
    wait_for("the monitor", lambda: web.metric("outrider_requests_in_flight") == 0, 40)
    done = web.metric("outrider_requests_total")
    wait_for("every exchange", lambda: web.exchanges()["seen"] == done and web.exchanges()["waiting"] == 0, 30)
    assert web.metric("outrider_requests_total", outcome="success") + web.metric("outrider_requests_total", outcome="cancelled") \
        == web.metric("outrider_requests_total")
    passed, said = h2load(web.url("/index.html"), 100, 4, 4)
    assert passed, said


# ---- The upstream ----

PHASES = ("at once", "behind the preface", "behind the settings", "behind the request", "within the head", "behind the head",
          "within a message", "behind the message", "within the trailers")


@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_that_the_upstream_resets_fails_its_calls_by_unavailable_and_the_next_one_passes(programs, tmp_path, phase):
    def script(connection, number):
        healthy = number > 0
        if not healthy and phase == "at once":
            return reset(connection.socket)
        connection.until(PREFACE_END)
        if not healthy and phase == "behind the preface":
            return reset(connection.socket)
        connection.send(SETTINGS + SETTINGS_ACK)
        if not healthy and phase == "behind the settings":
            return reset(connection.socket)
        stream = next(s for kind, flags, s in read_frames(connection) if kind == 0 and flags & 1)
        if healthy:
            connection.send(grpc_answer(stream))
            return connection.rest()
        head, data, trailers = frame(1, 4, stream, GRPC_HEAD), frame(0, 0, stream, MESSAGE), frame(1, 5, stream, GRPC_TRAILERS)
        sent = {"behind the request": b"", "within the head": head[:-3], "behind the head": head, "within a message": head + data[:-1],
                "behind the message": head + data, "within the trailers": head + data + trailers[:-3]}[phase]
        connection.send(sent)
        time.sleep(.2)
        reset(connection.socket)
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url.replace("http://", "h2c://"))
        with Calls(proxy.port) as calls:
            error = calls.error("Unary", b"m")
            assert error.code() == grpc.StatusCode.UNAVAILABLE and error.details()
            assert calls("Unary", b"m") == b"m"
        wait_for("both are counted", lambda: proxy.metric("outrider_requests_total") == 2, 10)
        assert proxy.metric("outrider_requests_total", outcome="unreachable") == 1
        assert proxy.metric("outrider_grpc_requests_total", grpc_code="UNAVAILABLE") == 1
        assert proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == 1
        assert proxy.metric("outrider_upstream_failures_total") == 1
        assert proxy.metric("outrider_requests_in_flight") == 0
        proxy.settled(2)


@pytest.mark.parametrize("behind", ["nothing", "the head", "the message"])
def test_a_call_that_the_upstream_resets_fails_alone(programs, tmp_path, behind):
    """RST_STREAM with INTERNAL_ERROR for the first stream; the second one is answered over the same connection."""
    def script(connection, _number):
        connection.until(PREFACE_END)
        connection.send(SETTINGS + SETTINGS_ACK)
        first = None
        for kind, flags, stream in read_frames(connection):
            if kind != 0 or not flags & 1:
                continue
            if first is None:
                first = stream
                head, data = frame(1, 4, stream, GRPC_HEAD), frame(0, 0, stream, MESSAGE)
                sent = {"nothing": b"", "the head": head, "the message": head + data}[behind]
                connection.send(sent + frame(3, 0, stream, (2).to_bytes(4, "big")))
            else:
                connection.send(grpc_answer(stream))
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url.replace("http://", "h2c://"))
        with Calls(proxy.port) as calls:
            assert calls.error("Unary", b"m").code() == grpc.StatusCode.INTERNAL
            assert calls("Unary", b"m") == b"m"
        wait_for("both are counted", lambda: proxy.metric("outrider_requests_total") == 2, 10)
        codes = {code: proxy.metric("outrider_grpc_requests_total", grpc_code=code) for code in ("OK", "INTERNAL")}
        assert codes == {"OK": 1, "INTERNAL": 1} and proxy.metric("outrider_grpc_requests_total") == 2
        assert proxy.metric("outrider_upstream_connects_total") == 1
        assert proxy.metric("outrider_requests_in_flight") == 0


def test_trailers_past_the_limit_fail_their_call_and_no_other_of_the_connection(programs, tmp_path):
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url)
        with Calls(proxy.port) as calls:
            held = calls.method("Waits").future(b"held", timeout=20)
            wait_for("the call", lambda: len(server.servicer.seen) == 1, 10)
            error = calls.error("Trailers", b"120000")  # 120 kB; the limit is 64 KiB.
            assert error.code() == grpc.StatusCode.UNAVAILABLE and "less metadata" in error.details()
            server.servicer.hold.set()
            assert held.result() == b"held"
        reasons = ("head_too_large", "block_too_large", "too_many_continuations")
        assert [proxy.metric("outrider_http2_violations_total", reason=reason) for reason in reasons] == [1, 0, 0]
        assert proxy.metric("outrider_upstream_connects_total") == 1


# ---- Many clients ----

def test_past_the_connection_limit_a_client_is_told_by_goaway_and_the_calls_at_hand_end(programs, tmp_path):
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url, "--proxy.connections-max", "1")
        with Calls(proxy.port) as calls:
            held = calls.method("Waits").future(b"held", timeout=20)
            wait_for("the call", lambda: len(server.servicer.seen) == 1, 10)
            refused = proxy.connect().rest()
            assert refused[:9] == SETTINGS and refused[12] == 7 and b"too_many_connections: proxy.connections-max" in refused
            assert proxy.metric("outrider_rejected_requests_total", reason="too_many_connections") == 1
            server.servicer.hold.set()
            assert held.result() == b"held"


def test_ten_thousand_idle_connections_cost_little_and_disturb_nobody_while_the_monitor_is_frozen(programs, tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10_300:
        pytest.skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url, "--monitor.frozen-timeout", "2s")
        with Calls(proxy.port) as calls:
            assert calls("Unary", b"m") == b"m"
            before, idle = proxy.memory_bytes(), []
            try:
                for _ in range(10_000):
                    idle.append(proxy.connect())
                    idle[-1].send(PREFACE)
                wait_for("all of them", lambda: proxy.metric("outrider_proxy_connections_open") >= 10_001, 30)
                each = (proxy.memory_bytes() - before) / 10_000
                print(f"{each / 1024:.2f} KiB a connection")
                assert each < 4 << 10
                assert proxy.kill_monitor(signal.SIGSTOP)
                began = time.monotonic()
                for i in range(200):
                    assert calls("Unary", b"%d" % i) == b"%d" % i
                assert time.monotonic() - began < 10
                # Its successor tells of all of them.
                wait_for("every call", lambda: proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == 201, 30)
                assert proxy.metric("outrider_proxy_connections_open") == 10_001
                proxy.settled(201)
            finally:
                for connection in idle:
                    connection.close()
        wait_for("they are gone", lambda: proxy.metric("outrider_proxy_connections_open") == 0, 30)
