# SPDX-License-Identifier: Apache-2.0
"""What the proxy passes through: HTTP/1.1 in full, byte for byte, streamed as it comes."""

import hashlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest
from raw_http import IS_SANITIZED, Proxy, ScriptedUpstream, answer, echo
from websockets.sync.client import connect
from websockets.sync.server import serve

UUID7 = rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture
def behind(programs, tmp_path):
    """Starts the sidecar before an upstream of the given script."""
    opened = []

    def start(script, *options, **kinds):
        upstream = ScriptedUpstream(script, **kinds)
        opened.append(upstream)
        return Proxy(programs, tmp_path, upstream.url, *options)

    yield start
    for upstream in opened:
        upstream.__exit__()


def recorder(seen, response):
    def script(connection, _number):
        while True:
            head, body = connection.message()
            seen.append(head + body)
            connection.send(response)
    return script


def test_every_byte_passes_as_it_came_but_for_the_prediction_id(behind):
    seen = []
    response = (b"HTTP/1.1 200 Fine enough\r\nx-ODD-case:  kept  \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
                b"Content-Length: 5\r\n\r\n\x00\xff\r\nz")
    proxy = behind(recorder(seen, response))
    request = (b"POST /predict?size=%7B1|2%7D&x= HTTP/1.1\r\nhOst: model:80\r\nX-Two: 1\r\nx-two:\t2 \r\n"
               b"Content-Length: 4\r\nUser-Agent: \xe4\r\n\r\n\r\n\x00{")
    _, head, body = proxy.ask(request)
    upstream_id = re.search(rb"X-Prediction-Id: (%s)\r\n" % UUID7, seen[0])
    assert seen[0].replace(upstream_id[0], b"") == request
    answered_id = re.search(rb"X-Prediction-Id: (%s)\r\n" % UUID7, head)
    assert (head + body).replace(answered_id[0], b"") == response
    assert upstream_id[1] == answered_id[1]


def test_hop_by_hop_fields_stop_here_and_the_clients_own_id_is_an_alias(behind):
    seen = []
    proxy = behind(recorder(seen, answer(fields=b"Connection: X-Internal\r\nX-Internal: 1\r\nKeep-Alive: timeout=9\r\n")))
    _, head, _ = proxy.ask(b"GET / HTTP/1.1\r\nHost: m\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nTE: trailers\r\n"
                           b"X-Prediction-Id: my-own\r\nX-Kept: 1\r\n\r\n")
    for gone in (b"X-Mine", b"TE:", b"my-own", b"Connection"):
        assert gone not in seen[0]
    assert b"X-Kept: 1" in seen[0]
    for gone in (b"X-Internal", b"Keep-Alive"):
        assert gone not in head


def test_via_forwarded_and_traceparent_come_only_where_configured(behind):
    seen = []
    proxy = behind(recorder(seen, answer()), "--proxy.via", "outrider", "--proxy.forwarded", "--proxy.traceparent")
    _, head, _ = proxy.get()
    assert b"Via: 1.1 outrider\r\n" in seen[0] and b"Via: 1.1 outrider\r\n" in head
    assert b"Forwarded: for=127.0.0.1;proto=http\r\n" in seen[0]
    assert re.search(rb"traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r\n", seen[0])
    proxy.ask(b"GET / HTTP/1.1\r\nHost: m\r\ntraceparent: 00-11111111111111111111111111111111-2222222222222222-00\r\n\r\n")
    assert seen[1].lower().count(b"traceparent") == 1


def test_pipelined_requests_are_answered_in_order(behind):
    def script(connection, _number):
        while True:
            head, _ = connection.message()
            connection.send(answer(head.split(b" ")[1]))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: m\r\n\r\n" % i for i in range(50)))
    assert [connection.message()[1] for _ in range(50)] == [b"/%d" % i for i in range(50)]


def test_a_request_that_comes_byte_by_byte_is_one_request(behind):
    seen = []
    proxy = behind(recorder(seen, answer(b"ok")))
    connection = proxy.connect()
    request = b"POST /p HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
    for i in range(len(request)):
        connection.send(request[i:i + 1])
    assert connection.message()[1] == b"ok"
    assert seen[0].endswith(b"abc")
    assert proxy.settled(1)


def test_large_bodies_pass_both_ways_unchanged_and_memory_stays_small(behind):
    proxy = behind(echo)
    body = os.urandom(1 << 20) * 24
    connection = proxy.connect(30)
    received = hashlib.sha256()

    def receive():
        connection.until(b"\r\n\r\n")
        left = len(body) - len(connection.buffer)
        received.update(connection.buffer)
        while left:
            data = connection.socket.recv(1 << 16)
            received.update(data)
            left -= len(data)
    reader = threading.Thread(target=receive)
    reader.start()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    reader.join(30)
    assert received.digest() == hashlib.sha256(body).digest()
    assert IS_SANITIZED or proxy.memory_bytes() < 40 << 20
    assert proxy.exchanges()["dropped"] == 1  # Past the body cap.


def test_server_sent_events_arrive_one_by_one(behind):
    go_on = threading.Event()

    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            connection.send(b"b\r\ndata: %d.%d\n\n\r\n" % (i, i))
            assert go_on.wait(5)
            go_on.clear()
        connection.send(b"0\r\n\r\n")
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET /events HTTP/1.1\r\nHost: m\r\n\r\n")
    connection.until(b"\r\n\r\n")
    for i in range(5):
        assert connection.until(b"\n\n\r\n").endswith(b"data: %d.%d\n\n\r\n" % (i, i))
        go_on.set()
    assert connection.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    proxy.settled(1)


def test_a_response_to_the_connections_end_passes_and_ends_it(behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
        connection.close()
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
    everything = connection.rest()
    assert b"Connection: close\r\n" in everything and everything.endswith(b"\r\n\r\nuntil the end")


@pytest.mark.parametrize("response, bodiless", [
    (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    (b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 99\r\n\r\n", True),
])
def test_a_response_without_a_body_leaves_the_connection_usable(behind, response, bodiless):
    proxy = behind(recorder([], response))
    connection = proxy.connect()
    for _ in range(3):
        connection.send(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
        head, _ = connection.message(bodiless)
        assert head.split(b"\r\n")[0] == response.split(b"\r\n")[0]


def test_head_answers_carry_a_length_and_no_body(behind):
    proxy = behind(recorder([], b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
    connection = proxy.connect()
    for _ in range(3):
        connection.send(b"HEAD / HTTP/1.1\r\nHost: m\r\n\r\n")
        assert b"Content-Length: 1234" in connection.message(bodiless=True)[0]


def test_100_continue_is_the_upstreams_to_say(behind):
    def script(connection, _number):
        assert b"Expect: 100-continue" in connection.until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        connection.send(answer(connection.exactly(5)))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert connection.message(True)[0] == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert connection.message(True)[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"hello")
    assert connection.message()[1] == b"hello"


def test_an_upload_refused_early_is_answered_and_the_connection_ends(behind):
    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        connection.send(answer(b"no", "413 Content Too Large"))
        time.sleep(.2)
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 100000000\r\n\r\n")
    try:
        for _ in range(50):
            connection.send(b"x" * 10_000)
            time.sleep(.005)
    except OSError:
        pass
    head, body = connection.message()
    assert head.startswith(b"HTTP/1.1 413") and b"Connection: close" in head and body == b"no"


def test_a_websocket_becomes_a_tunnel_in_both_directions(behind):
    def script(connection, _number):
        head = connection.until(b"\r\n\r\n")
        assert b"Upgrade: websocket\r\n" in head
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
        while data := connection.socket.recv(65536):
            connection.send(data.upper())
        connection.send(b"bye")
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET /ws HTTP/1.1\r\nHost: m\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
    head = connection.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101") and b"Upgrade: websocket" in head
    assert connection.exactly(5) == b"first"
    for i in range(100):
        connection.send(b"frame%d" % i)
        assert connection.exactly(len(b"frame%d" % i)) == b"FRAME%d" % i
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.rest() == b"bye"
    assert proxy.settled(1)["skipped"] == 1


UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: m\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")


def test_what_follows_an_upgrade_at_once_belongs_to_the_tunnel(behind):
    """The frames that come behind the request, and the upstream's that come with its 101."""
    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"
                        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nGET /in-the-answer HTTP/1.1\r\n\r\n")
        connection.send(connection.until(b"\r\n\r\n"))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(UPGRADE + b"GET /in-the-tunnel HTTP/1.1\r\n\r\n")
    assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 103")
    assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    assert connection.until(b"\r\n\r\n") == b"GET /in-the-answer HTTP/1.1\r\n\r\n"
    assert connection.rest() == b"GET /in-the-tunnel HTTP/1.1\r\n\r\n"
    connection.close()
    assert proxy.metric("outrider_requests_total") == 1


def test_what_follows_a_refused_upgrade_is_the_next_request(behind):
    seen = []

    def script(connection, number):
        while True:
            head, _ = connection.message()
            seen.append((number, head.split(b" ")[1]))
            connection.send(answer(b"not here", "403 Forbidden") if b"/ws" in head else answer(b"a model's"))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(UPGRADE + b"GET /next HTTP/1.1\r\nHost: m\r\n\r\n")
    head, body = connection.message()
    assert head.startswith(b"HTTP/1.1 403") and body == b"not here" and b"Connection" not in head
    assert connection.message()[1] == b"a model's"
    assert [path for _, path in seen] == [b"/ws", b"/next"]


def test_a_real_websocket_client_and_server_talk_as_without_the_sidecar(programs, tmp_path):
    """The websockets package on both sides: text, binary, fragments, pings, a large message, a proper close."""
    closed = []

    def echo_messages(socket_):
        for message in socket_:
            socket_.send(message)
        closed.append(socket_.close_code)
    with serve(echo_messages, "127.0.0.1", 0, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = Proxy(programs, tmp_path, f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        with connect(f"ws://127.0.0.1:{proxy.port}/ws", max_size=None) as client:
            large = os.urandom(3 << 20)
            for message in ("text \u00e9", b"\x00\xff", "", large):
                client.send(message)
                assert client.recv(20) == message
            client.send(iter(["in ", "three ", "fragments"]))
            assert client.recv(20) == "in three fragments"
            assert client.ping().wait(20)
        server.shutdown()
    assert closed == [1000]


def test_both_ways_stream_at_once(behind):
    """The upstream answers each chunk before the next one is sent; the answer ends after the request."""
    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (size := connection.until(b"\r\n")) != b"0\r\n":
            connection.send(size + connection.exactly(int(size, 16) + 2).upper())
        connection.until(b"\r\n")
        connection.send(b"0\r\n\r\n")
    proxy = behind(script)
    connection = proxy.connect()
    for request in range(3):
        connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        for i in range(20):
            connection.send(b"6\r\npart%02d\r\n" % i)
            assert connection.until(b"\r\n") + connection.until(b"\r\n") == b"6\r\nPART%02d\r\n" % i
        connection.send(b"0\r\n\r\n")
        assert connection.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert proxy.settled(request + 1)


def test_an_upstream_that_does_not_read_holds_its_client_back_and_costs_little_memory(behind):
    go_on = threading.Event()

    def script(connection, _number):
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.until(b"\r\n\r\n")
        assert go_on.wait(20)
        left = (64 << 20) - len(connection.buffer)
        while left:
            left -= len(connection.socket.recv(1 << 20))
        connection.send(answer(b"all of it"))
    proxy = behind(script)
    connection = proxy.connect(1)
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
    sent, block = 0, b"x" * (1 << 16)
    with pytest.raises(TimeoutError):
        while sent < 64 << 20:
            sent += connection.socket.send(block)
    assert IS_SANITIZED or proxy.memory_bytes() < 40 << 20
    assert sent < 32 << 20  # What the kernel's buffers hold, and no more.
    go_on.set()
    connection.socket.settimeout(20)
    while sent < 64 << 20:
        sent += connection.socket.send(block[:(64 << 20) - sent])
    assert connection.message()[1] == b"all of it"


def test_curl_shows_server_sent_events_as_they_come(behind):
    said = threading.Event()

    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")  # To the end.
        for i in range(3):
            connection.send(b"data: %d\n\n" % i)
            assert said.wait(10)
            said.clear()
        connection.close()
    proxy = behind(script)
    with subprocess.Popen(["curl", "-sN", "--max-time", "20", proxy.url("/events")], stdout=subprocess.PIPE) as curl:
        for i in range(3):
            assert curl.stdout.readline() + curl.stdout.readline() == b"data: %d\n\n" % i
            said.set()
        assert curl.stdout.read() == b""
    assert curl.returncode == 0


def test_an_empty_line_behind_a_body_leaves_the_connection_idle(behind):
    """RFC 9112, 2.2. Such a connection waits no less long for its next request, and is told nothing unasked."""
    proxy = behind(echo, "--proxy.head-timeout", "200ms")
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\nhi\r\n")
    assert connection.message()[1] == b"hi"
    time.sleep(.6)
    assert proxy.metric("outrider_requests_in_flight") == 0
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 3\r\n\r\nyou")
    assert connection.message()[1] == b"you"


def test_a_client_that_closes_its_half_after_the_request_is_answered(behind):
    def script(connection, _number):
        connection.message()
        time.sleep(.2)
        connection.send(answer(b"late"))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.rest().endswith(b"late")


def test_http_1_0_clients_are_served_and_closed_unless_they_ask_to_be_kept(behind):
    proxy = behind(recorder([], answer(b"ok")))
    connection = proxy.connect()
    connection.send(b"GET / HTTP/1.0\r\n\r\n")
    assert connection.rest().endswith(b"ok")
    connection = proxy.connect()
    for _ in range(2):
        connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, body = connection.message()
        assert body == b"ok" and b"Connection: keep-alive" in head


@pytest.mark.parametrize("pause", [0, .05])
def test_chunks_reach_a_client_of_http_1_0_as_plain_content(behind, pause):
    pieces = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n3\r\nabc\r\n",
              b"5;x=y\r\nde", b"fgh\r\n1\r\ni\r\n", b"0\r\nSum: 1\r\n\r\n"]

    def script(connection, _number):
        connection.message()
        for piece in pieces:
            connection.send(piece)
            time.sleep(pause)
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, body = connection.rest().partition(b"\r\n\r\n")
    assert body == b"abcdefghi"
    assert b"Connection: close" in head and b"Transfer-Encoding" not in head and b"Trailer" not in head


def test_chunks_that_break_off_do_not_look_whole_to_a_client_of_http_1_0(behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        time.sleep(.1)
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"GET / HTTP/1.0\r\n\r\n")
    connection.until(b"abc")
    with pytest.raises(ConnectionResetError):
        connection.rest()


def test_a_malformed_request_is_refused_and_nothing_of_it_reaches_the_upstream(behind):
    seen = []
    proxy = behind(recorder(seen, answer()))
    for request, status, word in [
            (b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host"),
            (b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "length_and_encoding"),
            (b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", 400, "bad_chunk_size"),
            (b"CONNECT m:80 HTTP/1.1\r\nHost: m:80\r\n\r\n", 501, "connect_refused"),
            (b"GET / HTTP/1.1\r\nHost: m\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431, "head_too_large"),
            (b"GET / HTTP/2.0\r\nHost: m\r\n\r\n", 505, "unsupported_version")]:
        assert proxy.error_of(proxy.ask(request)) == (status, word)
        assert proxy.metric("outrider_rejected_requests_total", reason=word) == 1
    assert not seen
    assert proxy.exchanges()["seen"] == 0
    assert proxy.metric("outrider_requests_total", outcome="rejected") == 6
    assert proxy.metric("outrider_requests_in_flight") == 0


def test_a_body_that_turns_bad_half_way_aborts_the_upstream_request(behind):
    ends = []

    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        try:
            ends.append(connection.rest())
        except OSError:
            ends.append(b"reset")
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    time.sleep(.2)
    connection.send(b"zz\r\n")
    assert connection.message()[0].startswith(b"HTTP/1.1 400")
    time.sleep(.2)
    assert ends in ([b"3\r\nabc\r\n"], [b"reset"])
    assert proxy.exchanges()["seen"] == 0


def test_a_socket_file_is_an_upstream_too(behind, tmp_path):
    proxy = behind(echo, unix=str(tmp_path / "model.sock"))
    for body in (b"small", b"x" * 3_000_000):
        assert proxy.post(body)[2] == body


def test_two_data_threads_share_the_port(behind):
    proxy = behind(echo, "--proxy.threads", "2")
    for i in range(40):
        assert proxy.post(b"%d" % i)[2] == b"%d" % i
    assert proxy.settled(40)
    assert proxy.metric("outrider_requests_total", outcome="success") == 40


def test_health_is_answered_by_the_proxy_itself_and_is_no_traffic(behind):
    seen = []
    proxy = behind(recorder(seen, answer()))
    assert proxy.get("/-/healthy")[2] == b"OK\n"
    assert proxy.get("/-/ready")[0] == 200
    assert not seen
    proxy.get("/-/other")
    assert len(seen) == 1
    assert proxy.metric("outrider_requests_total") == 1
