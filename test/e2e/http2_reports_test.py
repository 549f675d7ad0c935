# SPDX-License-Identifier: Apache-2.0
"""Faults that users of other proxies have reported of gRPC and HTTP/2, replayed through ours.

docs/http2.md lists all of them; those that are not here are cases of the other http2 tests."""

import threading

import grpc
import pytest
from grpc_peers import Calls, GrpcServer
from http2_peers import PREFACE, PREFACE_END, SETTINGS, SETTINGS_ACK, Web, frame, grpc_answer, h2load, literal, read_frames
from processes import wait_for
from raw_http import Proxy, ScriptedUpstream


def request_head(content_type):
    return (b"\x83\x86\x41\x01m" + literal(b":path", b"/test.Echo/Unary") + literal(b"content-type", content_type)
            + literal(b"te", b"trailers"))


def test_a_wrong_content_type_fails_its_request_and_its_connection_goes_on(programs, tmp_path):
    """knative/serving#14776: the upstream connection ended with all its calls."""
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url)
        client = proxy.connect()
        frames = read_frames(client)

        def ask(stream, content_type):
            """Whether the answer ended with a head: an error's, or trailers."""
            client.send(frame(1, 4, stream, request_head(content_type)) + frame(0, 1, stream, b"\0\0\0\0\1m"))
            for kind, flags, of in frames:
                assert kind != 7, "GOAWAY"
                if of == stream and (kind == 3 or flags & 1):
                    return kind == 1
        client.send(PREFACE)
        assert ask(1, b"application/grpc")
        ask(3, b"text/plain")
        assert ask(5, b"application/grpc")
        wait_for("they are counted", lambda: proxy.metric("outrider_requests_total") == 3, 10)
        assert proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == 2
        assert proxy.metric("outrider_upstream_connects_total") == 1


@pytest.mark.parametrize("side", ["client", "upstream"])
def test_a_peer_without_a_table_of_heads_is_spoken_to_without_one(programs, tmp_path, side):
    """linkerd2#3141: SETTINGS_HEADER_TABLE_SIZE 0."""
    words = ("--header-table-size=0", "--encoder-header-table-size=0")
    web = Web(programs, tmp_path, words=words if side == "upstream" else ())
    passed, said = h2load(web.url("/index.html"), 400, 4, 10, *(words if side == "client" else ()))
    assert passed, said


def test_a_call_that_outlives_its_connections_grace_is_unavailable(programs, tmp_path):
    """linkerd2#4262: past the server's max_connection_age_grace it was an internal error."""
    ages = [("grpc.max_connection_age_ms", 1000), ("grpc.max_connection_age_grace_ms", 500)]
    with GrpcServer(options=ages) as server:
        proxy = Proxy(programs, tmp_path, server.url)
        with Calls(proxy.port) as calls:
            assert calls.error("Waits", b"m", timeout=20).code() == grpc.StatusCode.UNAVAILABLE
            assert calls("Unary", b"m") == b"m"


def test_calls_behind_the_upstreams_last_id_are_sent_again_by_the_client(programs, tmp_path):
    """envoy#36450: streams above GOAWAY's id were lost with the connection."""
    both = threading.Event()

    def script(connection, number):
        connection.until(PREFACE_END)
        connection.send(SETTINGS + SETTINGS_ACK)
        waiting = []
        for kind, flags, stream in read_frames(connection):
            if kind not in (0, 1) or not flags & 1:
                continue
            waiting.append(stream)
            if number > 0:
                connection.send(grpc_answer(stream))
            elif len(waiting) == 2:
                both.set()
                connection.send(frame(7, 0, 0, waiting[0].to_bytes(4, "big") + bytes(4)) + grpc_answer(waiting[0]))
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url.replace("http://", "h2c://"))
        with Calls(proxy.port) as calls:
            futures = [calls.method("Unary").future(b"m", timeout=20) for _ in range(2)]
            assert [future.result() for future in futures] == [b"m", b"m"]
        assert both.is_set() and upstream.accepted == 2
        wait_for("both are counted", lambda: proxy.metric("outrider_grpc_requests_total", grpc_code="OK") == 2, 10)


@pytest.mark.parametrize("edge", [16384, 65535, 256 << 10, 512 << 10], ids=["frame", "usual window", "stream window", "connection window"])
def test_trailers_behind_data_that_just_fills_a_window_arrive(programs, tmp_path, edge):
    """haproxy#2388: trailers that met a full buffer were lost."""
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url)
        with Calls(proxy.port) as calls:
            for size in range(edge - 7, edge + 3):  # Before each message stand five bytes.
                message, call = calls.method("Unary").with_call(bytes(size), metadata=[("x-end", "z" * 4000)], timeout=20)
                assert len(message) == size and dict(call.trailing_metadata())["t-x-end"] == "z" * 4000
