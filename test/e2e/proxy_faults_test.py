# SPDX-License-Identifier: Apache-2.0
"""What the proxy does when a client, the upstream or the machine misbehaves: a named answer within a
bounded time, never a response that looks complete and is not."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest
from processes import free_port, http, wait_for
from raw_http import IS_SANITIZED, Load, Proxy, ScriptedUpstream, answer, cpu_ticks, echo, reset

GET = b"GET /predict?size=1 HTTP/1.1\r\nHost: model\r\n\r\n"


@pytest.fixture
def behind(programs, tmp_path):
    opened = []

    def start(script, *options, wrap=(), **kinds):
        upstream = ScriptedUpstream(script, **kinds)
        opened.append(upstream)
        return Proxy(programs, tmp_path, upstream.url, *options, wrap=wrap)

    yield start
    for upstream in opened:
        upstream.__exit__()


def outcome(proxy, word):
    return proxy.metric("outrider_requests_total", outcome=word)


# ---- The upstream's faults --------------------------------------------------------------------------


def at_once(connection):
    reset(connection.socket)


def after_the_request(connection):
    connection.message()
    reset(connection.socket)


def within_the_head(connection):
    connection.message()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    time.sleep(.1)
    reset(connection.socket)


@pytest.mark.parametrize("phase", [at_once, after_the_request, within_the_head])
def test_an_upstream_that_resets_before_its_head_is_a_502(behind, phase):
    proxy = behind(lambda connection, _: phase(connection))
    expected = [(502, "upstream_reset"), (502, "upstream_closed")]
    if phase is at_once:  # It may come before anything was sent.
        expected.append((503, "upstream_unreachable"))
    assert proxy.error_of(proxy.post()) in expected
    assert outcome(proxy, "unreachable") == 1
    proxy.settled(1)


@pytest.mark.parametrize("begin", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nto the end",
])
@pytest.mark.parametrize("end", [reset, lambda sock: sock.close()], ids=["reset", "close"])
def test_a_response_that_breaks_off_is_truncated_never_completed(behind, begin, end, request):
    def script(connection, _number):
        connection.message()
        connection.send(begin)
        time.sleep(.1)
        end(connection.socket)
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(GET)
    head = connection.until(b"\r\n\r\n")
    until_close = b"Content-Length" not in begin and b"chunked" not in begin
    if until_close and end is reset:
        with pytest.raises(ConnectionResetError):
            connection.rest()
    else:
        body = connection.rest()
        assert body == begin.partition(b"\r\n\r\n")[2]
    assert head.startswith(b"HTTP/1.1 200")
    proper_end = until_close and end is not reset
    wait_for("the request to be counted", lambda: outcome(proxy, "success" if proper_end else "unreachable") == 1, 5)
    proxy.settled(1)


def test_a_response_that_is_no_http_is_a_502(behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"SSH-2.0-OpenSSH\r\n\r\n")
        time.sleep(.2)
    proxy = behind(script)
    assert proxy.error_of(proxy.get()) == (502, "upstream_invalid_response")


def test_an_upstream_that_is_down_is_a_503_with_retry_after_and_a_reason(programs, tmp_path):
    proxy = Proxy(programs, tmp_path, f"http://127.0.0.1:{free_port()}")
    connection = proxy.connect()
    for _ in range(3):  # The client's connection survives.
        connection.send(GET)
        head, body = connection.message()
        assert head.startswith(b"HTTP/1.1 503") and b"Retry-After: 1\r\n" in head
        assert b'"upstream_unreachable"' in body and b"refused" in body
    assert outcome(proxy, "unreachable") == 3
    assert proxy.metric("outrider_upstream_connect_failures_total") == 3


def test_a_hung_upstream_is_a_504_in_time(behind):
    proxy = behind(lambda connection, _: time.sleep(5), "--upstream.response-timeout", "300ms")
    began = time.monotonic()
    assert proxy.error_of(proxy.post()) == (504, "upstream_timeout")
    assert .25 < time.monotonic() - began < 2
    assert outcome(proxy, "timeout") == 1


def test_an_upstream_that_hangs_within_a_body_is_truncated_in_time(behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(5)
    proxy = behind(script, "--upstream.stream-timeout", "300ms")
    connection = proxy.connect()
    connection.send(GET)
    began = time.monotonic()
    assert connection.rest().endswith(b"half")
    assert time.monotonic() - began < 2
    assert outcome(proxy, "timeout") == 1


def test_an_upstream_that_accepts_no_connection_is_a_503_in_time(programs, tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        fillers = []
        for _ in range(4):  # The backlog is full: further handshakes hang.
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        proxy = Proxy(programs, tmp_path, f"http://127.0.0.1:{port}", "--upstream.connect-timeout", "300ms")
        assert proxy.error_of(proxy.get()) == (503, "upstream_connect_timeout")
        for filler in fillers:
            filler.close()


def test_a_flapping_upstream_costs_only_the_requests_of_its_bad_moments(programs, tmp_path):
    port = free_port()
    proxy = Proxy(programs, tmp_path, f"http://127.0.0.1:{port}")
    for _ in range(5):
        with ScriptedUpstream(echo, port=port):
            for i in range(20):
                assert proxy.post(b"%d" % i)[2] == b"%d" % i
        wait_for("a 503", lambda: proxy.get()[0] == 503, 5)
    assert outcome(proxy, "success") == 100
    assert proxy.metric("outrider_requests_in_flight") == 0


def once_per_connection(seen):
    """Keeps the connection after the first answer, then closes it on the second request's arrival."""
    def script(connection, number):
        seen.append((number, connection.message()[0].split(b" ")[0]))
        connection.send(answer(b"%d" % number))
        seen.append((number, connection.until(b"\r\n\r\n").split(b" ")[0]))
    return script


def test_a_safe_request_whose_pooled_connection_closes_is_sent_again(behind):
    seen = []
    proxy = behind(once_per_connection(seen))
    assert proxy.get()[2] == b"0"
    assert proxy.get()[2] == b"1"
    assert proxy.metric("outrider_upstream_retries_total") == 1
    assert seen == [(0, b"GET"), (0, b"GET"), (1, b"GET")]


def test_a_post_whose_pooled_connection_closes_is_not_sent_again(behind):
    seen = []
    proxy = behind(once_per_connection(seen))
    assert proxy.post()[2] == b"0"
    status, word = proxy.error_of(proxy.post())
    assert status == 502 and word in ("upstream_closed", "upstream_reset")
    assert proxy.metric("outrider_upstream_retries_total") == 0
    assert [number for number, _ in seen] == [0, 0]


def test_a_pooled_connection_that_the_upstream_closed_is_not_used(behind):
    def script(connection, number):
        connection.message()
        connection.send(answer(b"%d" % number))
    proxy = behind(script)
    for i in range(10):
        assert proxy.post()[2] == b"%d" % i
        time.sleep(.02)


def test_unasked_bytes_on_a_pooled_connection_are_nobodys_answer(behind):
    def script(connection, number):
        while True:
            connection.message()
            connection.send(answer(b"%d" % number))
            time.sleep(.05)
            connection.send(answer(b"for nobody"))
    proxy = behind(script)
    for i in range(5):
        assert proxy.post()[2] == b"%d" % i
        time.sleep(.1)


def test_a_body_behind_the_answer_to_head_is_nobodys_answer(behind):
    """A common fault: do_HEAD = do_GET. What it sends too much must not meet the next request."""
    def script(connection, number):
        while True:
            head, _ = connection.message()
            body = answer(b"not asked for")  # Looks like a response.
            connection.send(b"HTTP/1.1 200 OK\r\nX-Connection: %d\r\nContent-Length: %d\r\n\r\n" % (number, len(body)))
            if head.startswith(b"HEAD"):
                time.sleep(.002)
            connection.send(body)
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(b"HEAD / HTTP/1.1\r\nHost: m\r\n\r\n" + GET)
    assert b"X-Connection: 0\r\n" in connection.message(bodiless=True)[0]
    assert b"X-Connection: 1\r\n" in connection.message()[0]


@pytest.mark.parametrize("says_100", [True, False])
def test_a_body_that_an_upstream_may_not_have_read_is_nobodys_request(behind, says_100):
    """An upstream that answers instead of saying 100 may take the body, sent all the same, for a request."""
    def script(connection, number):
        while True:
            connection.until(b"\r\n\r\n")
            if says_100:
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                connection.exactly(len(GET))
            connection.send(answer(b"%d" % number))
            time.sleep(.005)  # The next request is here before the answer to that body would be.
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(3 * (b"POST / HTTP/1.1\r\nHost: m\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(GET), GET)))
    for i in range(3):
        if says_100:
            assert connection.message(True)[0].startswith(b"HTTP/1.1 100")
        assert connection.message()[1] == (b"0" if says_100 else b"%d" % i)


def test_an_upstream_that_keeps_connections_for_a_moment_is_not_asked_on_one_later(behind):
    def script(connection, number):
        while True:
            connection.message()
            connection.send(answer(b"%d" % number, fields=b"Keep-Alive: timeout=1, max=100\r\n"))
    proxy = behind(script)
    assert proxy.post()[2] == b"0"
    assert proxy.post()[2] == b"0"
    time.sleep(.6)
    assert proxy.post()[2] == b"1"


@pytest.mark.parametrize("count, status", [(16, 200), (17, 502)])
def test_interim_responses_are_limited(behind, count, status):
    def script(connection, _number):
        connection.message()
        for _ in range(count):
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        connection.send(answer(b"done"))
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(GET)
    received = connection.until(b"HTTP/1.1 %d " % status)
    assert received.count(b"103 Early Hints") == 16
    failures = proxy.metric("outrider_upstream_failures_total", reason="upstream_invalid_response")
    assert failures == (0 if status == 200 else 1)


def test_an_upstream_that_drips_its_body_is_truncated_where_a_rate_is_asked_of_it(behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.send(b"x")
            time.sleep(.1)
    proxy = behind(script, "--upstream.stream-timeout", "500ms", "--upstream.rate-min", "100")
    connection = proxy.connect()
    connection.send(GET)
    began = time.monotonic()
    received = connection.rest()
    assert time.monotonic() - began < 3 and 0 < received.count(b"x") < 20
    assert outcome(proxy, "timeout") == 1
    assert proxy.metric("outrider_upstream_failures_total", reason="upstream_truncated") == 1


HOSTS = "unshare", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"'


def hosts_can_be_replaced(hosts):
    return subprocess.run([*HOSTS, hosts, "true"], capture_output=True, check=False).returncode == 0


def test_a_name_that_comes_to_mean_another_address_is_followed(programs, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 model.test\n")
    if not hosts_can_be_replaced(hosts):
        pytest.skip("no namespace for a hosts file of its own may be made here")
    port = free_port()

    def named(name):
        def script(connection, _number):
            while True:
                connection.message()
                connection.send(answer(name))
        return script
    with ScriptedUpstream(named(b"old"), port=port, host="127.0.0.2") as old, \
            ScriptedUpstream(named(b"new"), port=port, host="127.0.0.3"):
        proxy = Proxy(programs, tmp_path, f"http://model.test:{port}", "--upstream.look-up-every", "1s",
                      wrap=[*HOSTS, hosts])
        assert proxy.post()[2] == b"old"
        # A name that means nothing for a while: the addresses stay.
        hosts.write_text("127.0.0.1 localhost\n")
        wait_for("a failed look-up", lambda: proxy.metric("outrider_upstream_lookup_failures_total") > 0, 10)
        assert proxy.post()[2] == b"old"
        hosts.write_text("127.0.0.1 localhost\n127.0.0.3 model.test\n")
        wait_for("the new address", lambda: proxy.post()[2] == b"new", 10)
        assert old.accepted == 1


def test_of_several_addresses_one_that_refuses_costs_no_request(programs, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 model.test\n127.0.0.3 model.test\n")
    if not hosts_can_be_replaced(hosts):
        pytest.skip("no namespace for a hosts file of its own may be made here")
    for alive in ("127.0.0.2", "127.0.0.3"):
        port = free_port()
        with ScriptedUpstream(echo, port=port, host=alive):
            proxy = Proxy(programs, tmp_path, f"http://model.test:{port}", wrap=[*HOSTS, hosts], name=alive)
            for i in range(5):
                assert proxy.post(b"%d" % i)[2] == b"%d" % i
            assert outcome(proxy, "unreachable") == 0


# ---- The clients' faults ----------------------------------------------------------------------------


def test_slow_heads_are_cut_off_in_time_while_others_are_served(behind):
    proxy = behind(echo, "--proxy.head-timeout", "1s")
    drips = [proxy.connect() for _ in range(50)]
    began = time.monotonic()
    for connection in drips:
        connection.send(b"GET / HT")
    while time.monotonic() - began < .8:
        for connection in drips:
            connection.send(b"T")
        assert proxy.post(b"x")[2] == b"x"
        time.sleep(.1)
    for connection in drips:
        assert connection.message()[0].startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 3
    assert proxy.metric("outrider_rejected_requests_total", reason="client_timeout") == 50


def test_a_body_that_stalls_is_a_408_and_the_upstream_sees_no_complete_request(behind):
    ends = []

    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        ends.append(connection.rest())
    proxy = behind(script, "--proxy.body-timeout", "300ms")
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 10\r\n\r\nhalf")
    assert connection.message()[0].startswith(b"HTTP/1.1 408")
    wait_for("the upstream's end", lambda: ends == [b"half"], 5)


def test_a_body_that_drips_is_a_408_however_steadily_it_does(behind):
    proxy = behind(echo, "--proxy.body-timeout", "500ms", "--proxy.rate-min", "100")
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 1000\r\n\r\n")
    began = time.monotonic()
    connection.socket.settimeout(.1)
    while time.monotonic() - began < 5:
        connection.send(b"x")
        try:
            connection.until(b"HTTP/1.1 408")
            break
        except TimeoutError:
            pass
    assert .4 < time.monotonic() - began < 3
    # One that keeps the rate is served, although it takes longer than the timeout.
    steady = proxy.connect()
    steady.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 200\r\n\r\n")
    for _ in range(10):
        steady.send(b"x" * 20)
        time.sleep(.1)
    assert steady.message()[0].startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_let_go_and_costs_little_memory(behind):
    def script(connection, _number):
        connection.message()
        connection.send(answer(b"x" * (64 << 20)))
    proxy = behind(script, "--proxy.write-timeout", "1s")
    before = proxy.memory_bytes()
    sleepers = [proxy.connect(receive_bytes=4096) for _ in range(20)]
    for connection in sleepers:
        connection.send(GET)
    time.sleep(.6)
    assert IS_SANITIZED or proxy.memory_bytes() - before < 12 << 20
    assert proxy.get("/-/healthy")[0] == 200
    wait_for("the sleepers to be let go", lambda: outcome(proxy, "cancelled") == 20, 10)
    assert proxy.metric("outrider_proxy_buffer_bytes") == 0


def test_a_stream_whose_client_once_lagged_may_be_quiet_for_longer_than_a_client_may_lag(behind):
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    proxies, is_lagging = [], threading.Event()

    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        # One by one, so that the proxy holds the last of them and nothing is behind it.
        while proxies[0].metric("outrider_proxy_buffer_bytes") == 0:
            connection.send(piece)
            time.sleep(.06)
        is_lagging.set()
        time.sleep(2.5)
        connection.send(b"4\r\nlast\r\n0\r\n\r\n")
    proxies.append(behind(script, "--proxy.write-timeout", "1s"))
    connection = proxies[0].connect(receive_bytes=4096)
    connection.send(GET)
    assert is_lagging.wait(30)
    last = connection.message()[1][-4:]
    assert last == b"last"


@pytest.mark.parametrize("moment", ["in the queue", "before the head", "within the response", "with one more behind"])
def test_a_client_that_closed_its_half_is_answered_whatever_its_request_waits_for(behind, moment):
    """Its end comes before, while or after the proxy waits for an upstream, which is told of no end."""
    closed = threading.Event()

    def script(connection, _number):
        while True:
            connection.message()
            if moment == "within the response":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
                closed.wait(10)
                connection.send(b"half")
            else:
                closed.wait(10)
                connection.send(answer(b"halfhalf"))
    proxy = behind(script, "--upstream.connections-max", "1")
    if moment == "in the queue":
        first = proxy.connect()
        first.send(GET)
        wait_for("the first", lambda: proxy.metric("outrider_upstream_connections_active") == 1, 10)
    connection = proxy.connect()
    connection.send(GET * (2 if moment == "with one more behind" else 1))
    time.sleep(.1)
    connection.socket.shutdown(socket.SHUT_WR)
    time.sleep(.1)
    closed.set()
    for _ in range(2 if moment == "with one more behind" else 1):
        assert connection.message()[1] == b"halfhalf"
    assert connection.rest() == b""
    assert outcome(proxy, "cancelled") == 0


@pytest.mark.parametrize("sent", [GET[:-2], b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 9\r\n\r\nhalf",
                                  b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
def test_a_request_that_its_client_ends_half_way_is_never_completed(behind, sent):
    ends = []

    def script(connection, _number):
        connection.until(b"\r\n\r\n")
        ends.append(connection.rest())
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(sent)
    time.sleep(.1)
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.rest() == b""
    if sent.startswith(b"POST"):
        wait_for("the upstream's end", lambda: ends, 5)
        assert b"0\r\n" not in ends[0] and len(ends[0]) < 12
    wait_for("no request at hand", lambda: proxy.metric("outrider_requests_in_flight") == 0, 5)
    proxy.settled(1 if sent.startswith(b"POST") else 0)


def test_a_client_that_goes_away_cancels_its_request(behind):
    began, ended = threading.Event(), threading.Event()

    def script(connection, _number):
        connection.message()
        began.set()
        if connection.socket.recv(1) == b"":
            ended.set()
    proxy = behind(script)
    connection = proxy.connect()
    connection.send(GET)
    assert began.wait(5)
    reset(connection.socket)
    assert ended.wait(5)
    assert outcome(proxy, "cancelled") == 1
    proxy.settled(1)


# ---- Limits -----------------------------------------------------------------------------------------


def test_a_body_past_its_limit_is_a_413(behind):
    proxy = behind(echo, "--proxy.body-bytes-max", "1KiB")
    assert proxy.error_of(proxy.post(b"x" * 1025)) == (413, "body_too_large")
    chunked = b"POST / HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 0x800 + b"\r\n0\r\n\r\n"
    assert proxy.error_of(proxy.ask(chunked)) == (413, "body_too_large")
    assert proxy.post(b"x" * 1024)[0] == 200


def test_requests_wait_for_an_upstream_connection_in_a_bounded_queue(behind):
    release = threading.Event()

    def script(connection, _number):
        while True:
            connection.message()
            release.wait(30)
            connection.send(answer(b"done"))
    proxy = behind(script, "--upstream.connections-max", "1", "--upstream.queue-max", "2")
    waiting = [proxy.connect() for _ in range(3)]
    for connection in waiting:
        connection.send(GET)
        time.sleep(.05)
    wait_for("both to queue", lambda: proxy.metric("outrider_proxy_queue_depth") == 2, 10)
    assert proxy.error_of(proxy.get()) == (503, "queue_full")
    release.set()
    for connection in waiting:
        assert connection.message()[1] == b"done"
    assert proxy.metric("outrider_proxy_queue_depth") == 0


def test_waiting_in_the_queue_ends_in_time(behind):
    proxy = behind(lambda connection, _: time.sleep(5), "--upstream.connections-max", "1",
                   "--upstream.queue-timeout", "300ms")
    first = proxy.connect()
    first.send(GET)
    time.sleep(.1)
    assert proxy.error_of(proxy.get()) == (503, "queue_timeout")


def test_past_the_connection_limit_the_longest_idle_one_goes_else_the_new_one(behind):
    release = threading.Event()

    def script(connection, _number):
        while True:
            connection.message()
            release.wait(30)
            connection.send(answer(b"done"))
    proxy = behind(script, "--proxy.connections-max", "4")
    time.sleep(.1)
    idle = [proxy.connect() for _ in range(4)]
    time.sleep(.1)
    newcomer = proxy.connect()
    assert idle[0].rest() == b""
    busy = [newcomer, *idle[1:]]
    for connection in busy:
        connection.send(GET)
    time.sleep(.2)
    refused = proxy.connect()
    assert b'"too_many_connections"' in refused.rest()
    release.set()
    for connection in busy:
        assert connection.message()[1] == b"done"


def test_running_out_of_file_descriptors_is_foretold_and_survived(behind, programs):
    proxy = behind(echo, wrap=("prlimit", "--nofile=48"))
    assert "only 48 files may be open here" in programs.log("sidecar")
    crowd = []
    for _ in range(120):
        try:
            crowd.append(proxy.connect(2))
        except OSError:
            pass
    time.sleep(.3)
    for connection in crowd:
        connection.close()
    wait_for("service", lambda: proxy.post(b"x")[2] == b"x", 10)
    assert proxy.metric("outrider_proxy_accept_pauses_total") > 0


def test_ten_thousand_idle_connections_cost_little_and_disturb_nobody(behind):
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10_300:
        pytest.skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    proxy = behind(echo)
    before = proxy.memory_bytes()
    idle = [proxy.connect() for _ in range(10_000)]
    try:
        wait_for("all of them", lambda: proxy.metric("outrider_proxy_connections_open") >= 10_000, 20)
        assert IS_SANITIZED or proxy.memory_bytes() - before < 20 << 20
        began = time.monotonic()
        for i in range(200):
            assert proxy.post(b"%d" % i)[2] == b"%d" % i
        assert time.monotonic() - began < 5
        for connection in idle[::1000]:
            connection.send(GET)
            assert connection.message()[0].startswith(b"HTTP/1.1 200")
    finally:
        for connection in idle:
            connection.close()


def test_whoever_waits_for_the_upstream_is_served_in_the_order_of_coming(behind):
    """A client whose next request lies ready when its response ends must not pass those who wait."""
    seen, release = [], threading.Event()

    def script(connection, _number):
        while True:
            seen.append(connection.message()[0].split()[1])
            release.wait(30)
            connection.send(answer())
    proxy = behind(script, "--upstream.connections-max", "1")
    greedy, patient = proxy.connect(), proxy.connect()
    greedy.send(b"".join(b"GET /greedy/%d HTTP/1.1\r\nHost: m\r\n\r\n" % i for i in range(3)))
    wait_for("the first request", lambda: seen, 5, .01)
    patient.send(b"GET /patient HTTP/1.1\r\nHost: m\r\n\r\n")
    wait_for("the second to queue", lambda: proxy.metric("outrider_proxy_queue_depth") == 1, 10)
    release.set()
    patient.message()
    for _ in range(3):
        greedy.message()
    assert seen == [b"/greedy/0", b"/patient", b"/greedy/1", b"/greedy/2"]


# ---- What is left behind -----------------------------------------------------------------------------


@pytest.mark.parametrize("response_ends", ["never", "not connected"])
def test_a_request_behind_one_that_timed_out_is_answered_at_once(programs, tmp_path, behind, response_ends):
    is_first = threading.Lock()

    def script(connection, _number):
        while True:
            connection.message()
            if not is_first.acquire(blocking=False):
                connection.send(answer(b"second"))
    if response_ends == "never":
        proxy = behind(script, "--upstream.response-timeout", "300ms")
    else:  # A listener whose backlog is full.
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        proxy = Proxy(programs, tmp_path, f"http://127.0.0.1:{full.getsockname()[1]}",
                      "--upstream.connect-timeout", "300ms")
    connection = proxy.connect(timeout=3)
    connection.send(GET * 2)
    first, second = connection.message(), connection.message()
    if response_ends == "never":
        assert first[0].startswith(b"HTTP/1.1 504") and second[1] == b"second"
    else:
        assert first[0].startswith(b"HTTP/1.1 503") and second[0].startswith(b"HTTP/1.1 503")


def test_a_connection_refused_for_its_slowness_ends_at_once(behind):
    proxy = behind(echo, "--proxy.body-timeout", "300ms")
    connection = proxy.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 10\r\n\r\nhalf")
    assert connection.message()[0].startswith(b"HTTP/1.1 408")
    began = time.monotonic()
    assert connection.rest() == b"" and time.monotonic() - began < 1


def test_pipelined_requests_may_end_their_connection_at_any_moment(behind):
    """A turn ends after so many steps; the connection may end in just that step, and be gone before the next turn."""
    proxy = behind(echo)
    healthy = b"GET /-/healthy HTTP/1.1\r\nHost: m\r\n"
    for count in range(1, 70):
        connection = proxy.connect()
        connection.send((healthy + b"\r\n") * count + healthy + b"Connection: close\r\n\r\n")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.rest().count(b"HTTP/1.1 200") == count + 1
    wait_for("all to be closed", lambda: proxy.metric("outrider_proxy_connections_open") == 0, 10)
    assert proxy.process.poll() is None


GAUGES = ("outrider_requests_in_flight", "outrider_proxy_connections_open", "outrider_proxy_connections_idle",
          "outrider_proxy_queue_depth", "outrider_proxy_buffer_bytes", "outrider_tap_capture_bytes",
          "outrider_upstream_connections_active", "outrider_upstream_connections_idle")


def test_no_fault_leaves_a_descriptor_or_a_gauge_behind(behind):
    def script(connection, _number):
        while True:
            head, body = connection.message()
            fault = head.split()[1]
            if fault == b"/reset":
                return reset(connection.socket)
            if fault == b"/hang":
                time.sleep(1)
                return None
            if fault == b"/early":
                connection.send(answer(b"early", "413 Content Too Large", b"Connection: close\r\n"))
                return None
            if fault == b"/broken":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                return reset(connection.socket)
            if fault == b"/nonsense":
                connection.send(b"SSH-2.0\r\n\r\n")
                return None
            if fault == b"/to-the-end":
                connection.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
                return reset(connection.socket)
            if fault == b"/upgrade":
                connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
                return reset(connection.socket)
            if fault == b"/large":
                connection.send(answer(b"x" * (4 << 20)))
            else:
                connection.send(answer(body))
    proxy = behind(script, "--upstream.response-timeout", "200ms", "--upstream.connections-max", "8",
                   "--upstream.queue-timeout", "200ms", "--upstream.idle-timeout", "300ms", "--proxy.head-timeout", "200ms",
                   "--proxy.body-timeout", "200ms", "--proxy.idle-timeout", "500ms", "--proxy.write-timeout", "300ms")
    descriptors = pathlib.Path(f"/proc/{proxy.process.pid}/fd")
    proxy.get()
    wait_for("rest", lambda: all(proxy.metric(g) == 0 for g in GAUGES), 10)
    before = len(list(descriptors.iterdir()))

    def half_close(sock):
        with contextlib.suppress(OSError):  # The proxy may have ended it already.
            sock.shutdown(socket.SHUT_WR)

    ends = [reset, half_close, lambda sock: sock.close(), lambda sock: None]
    heads = [b"%s %s HTTP/1.1\r\nHost: m\r\n" % (method, path) for method in (b"GET", b"POST")
             for path in (b"/reset", b"/hang", b"/early", b"/broken", b"/nonsense", b"/to-the-end", b"/upgrade", b"/large",
                          b"/good", b"/-/healthy")]
    requests = [head + body for head in heads for body in (
        b"", b"\r\n", b"Content-Length: 5\r\n\r\nhalf", b"Content-Length: 4\r\n\r\nfull",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nbad", b"Upgrade: x\r\nConnection: upgrade\r\n\r\n")]
    connections = []
    for number, request in enumerate(requests * 4):
        connection = proxy.connect(receive_bytes=4096)
        connection.send(request)
        connections.append(connection)
        if number % 3 == 0:
            time.sleep(.002)
        ends[number % 4 if number % 5 else number // 5 % 4](connection.socket)
    wait_for("all to end", lambda: all(proxy.metric(g) == 0 for g in GAUGES), 20)
    assert len(list(descriptors.iterdir())) == before
    found = proxy.exchanges()
    counted = sum(proxy.metric("outrider_requests_total", outcome=word) for word in
                  ("success", "client_error", "server_error", "timeout", "unreachable", "cancelled"))
    assert found["seen"] + found["waiting"] == counted
    assert proxy.process.poll() is None


# ---- The end ----------------------------------------------------------------------------------------


def test_sigterm_under_load_fails_no_request(programs, behind):
    def script(connection, _number):
        while True:
            body = connection.message()[1]
            time.sleep(.002)
            connection.send(answer(body))
    proxy = behind(script)
    with Load(proxy, clients=16) as load, Load(proxy, clients=4, keep_alive=False) as short:
        wait_for("some load", lambda: load.good > 500, 10)
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(10) == 0
        load.stop()
        short.stop()
    assert load.bad == [] and short.bad == []
    assert load.good > 500
    programs.running.pop("sidecar")


def test_draining_answers_the_request_at_hand_and_says_that_it_is_not_ready(programs, behind):
    release = threading.Event()

    def script(connection, _number):
        connection.message()
        release.wait(30)
        connection.send(answer(b"done"))
    proxy = behind(script)
    busy, other = proxy.connect(), proxy.connect()
    busy.send(GET)
    time.sleep(.1)
    proxy.process.send_signal(signal.SIGTERM)
    time.sleep(.1)
    other.send(b"GET /-/ready HTTP/1.1\r\nHost: m\r\n\r\n")
    assert other.message()[0].startswith(b"HTTP/1.1 503")
    release.set()
    head, body = busy.message()
    assert body == b"done" and b"Connection: close" in head
    assert proxy.process.wait(10) == 0
    programs.running.pop("sidecar")


def test_draining_ends_at_its_deadline(programs, behind):
    proxy = behind(lambda connection, _: time.sleep(30), "--proxy.drain-timeout", "1s")
    hung = proxy.connect()
    hung.send(GET)
    time.sleep(.1)
    began = time.monotonic()
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(10) == 0
    assert time.monotonic() - began < 5
    programs.running.pop("sidecar")


def test_a_response_that_lasts_to_the_end_does_not_look_whole_when_draining_cuts_it_off(programs, behind):
    def script(connection, _number):
        connection.message()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        time.sleep(30)
    proxy = behind(script, "--proxy.drain-timeout", "300ms")
    connection = proxy.connect()
    connection.send(GET)
    connection.until(b"half")
    proxy.process.send_signal(signal.SIGTERM)
    with pytest.raises(ConnectionResetError):
        connection.rest()
    assert proxy.process.wait(10) == 0
    programs.running.pop("sidecar")


def test_draining_costs_no_cpu(programs, behind):
    proxy = behind(lambda connection, _: time.sleep(30), "--proxy.drain-timeout", "1500ms")
    hung = proxy.connect()
    hung.send(GET)
    time.sleep(.1)
    proxy.process.send_signal(signal.SIGTERM)
    time.sleep(.2)
    before = cpu_ticks(proxy.process.pid)
    time.sleep(1)
    assert cpu_ticks(proxy.process.pid) - before < 25, "hundredths of a second within a second"
    assert proxy.process.wait(10) == 0
    programs.running.pop("sidecar")


def test_everybody_in_the_backlog_is_served_before_the_socket_goes(programs, behind):
    proxy = behind(echo)
    os.kill(proxy.process.pid, signal.SIGSTOP)
    crowd = [proxy.connect(20) for _ in range(900)]
    for connection in crowd:
        connection.send(b"GET /-/ready HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
    proxy.process.send_signal(signal.SIGTERM)
    os.kill(proxy.process.pid, signal.SIGCONT)
    assert all(b"HTTP/1.1 " in connection.rest() for connection in crowd)
    assert proxy.process.wait(10) == 0
    programs.running.pop("sidecar")


# ---- The delay before the end ------------------------------------------------------------------------


def is_ready(proxy):
    return proxy.get("/-/ready")[0] == 200


def test_within_the_drain_delay_new_connections_are_served_and_readiness_says_no(programs, behind):
    def script(connection, _number):
        while True:
            body = connection.message()[1]
            time.sleep(.002)
            connection.send(answer(body))
    proxy = behind(script, "--proxy.drain-delay", "3s")
    wait_for("the monitor", proxy.scrape, 20)
    kept = proxy.connect()
    kept.send(GET)
    assert b"Connection: close" not in kept.message()[0]
    with Load(proxy, clients=8) as load, Load(proxy, clients=4, keep_alive=False) as short:
        wait_for("some load", lambda: load.good > 300, 10)
        began = time.monotonic()
        proxy.process.send_signal(signal.SIGTERM)
        wait_for("unreadiness", lambda: not is_ready(proxy), 1, .01)
        status, head, _ = proxy.get("/-/healthy")
        assert status == 200 and b"Connection: close" in head  # Alive, not to be killed.
        kept.send(GET)
        assert b"Connection: close" in kept.message()[0] and kept.rest() == b""
        assert http("GET", f"http://127.0.0.1:{proxy.admin_port}/-/ready")[0] == 503
        assert proxy.metric("outrider_proxy_ready") == 0
        begun, so_far = short.good, load.good
        wait_for("new connections to be served", lambda: short.good > begun + 20 and load.good > so_far + 20, 2)
        # Clients that the load balancer leads elsewhere in time lose nothing.
        time.sleep(max(0, began + 2 - time.monotonic()))
        load.stop()
        short.stop()
        assert proxy.process.poll() is None
        assert load.bad == short.bad == [] and load.refused == short.refused == 0
    assert proxy.process.wait(10) == 0
    assert 2.9 < time.monotonic() - began < 10
    with pytest.raises(ConnectionRefusedError):
        proxy.connect()
    programs.running.pop("sidecar")


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain_delay(programs, behind, again):
    proxy = behind(echo, "--proxy.drain-delay", "60s")
    proxy.process.send_signal(signal.SIGTERM)
    wait_for("unreadiness", lambda: not is_ready(proxy), 1, .01)
    time.sleep(.3)
    assert proxy.post(b"still")[2] == b"still"
    proxy.process.send_signal(again)
    assert proxy.process.wait(10) == 0
    programs.running.pop("sidecar")


def test_a_monitor_that_dies_within_the_drain_delay_comes_back_and_counts_on(programs, behind):
    proxy = behind(echo, "--proxy.drain-delay", "60s")
    wait_for("the monitor", proxy.scrape, 20)
    proxy.process.send_signal(signal.SIGTERM)
    wait_for("unreadiness", lambda: not is_ready(proxy), 1, .01)
    victim = proxy.monitor_id()
    os.kill(victim, signal.SIGKILL)
    wait_for("another monitor", lambda: proxy.monitor_id() not in (None, victim), 5, .01)
    assert proxy.post(b"x")[2] == b"x"
    proxy.settled(1)
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(15) == 0
    programs.running.pop("sidecar")
