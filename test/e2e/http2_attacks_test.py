# SPDX-License-Identifier: Apache-2.0
"""Known attacks over HTTP/2 against the running proxy: each ends its own connection within its limit, and nothing else.

docs/http2.md has the limits, and which test is about which attack."""

import contextlib
import itertools
import pathlib
import threading

import pytest
from grpc_peers import GrpcServer
from http2_peers import GET, POST, PREFACE, PREFACE_END, SETTINGS, SETTINGS_ACK, Web, curl, frame, literal, read_frames
from processes import wait_for
from raw_http import IS_SANITIZED, Proxy, ScriptedUpstream

COOKIE = literal(b"cookie", b"a=b")


@pytest.fixture
def web(programs, tmp_path):
    return Web(programs, tmp_path)


# {attack: (reason, its frames)}
ATTACKS = {
    "rapid reset": ("reset_flood", lambda: [frame(1, 5, i, GET) + frame(3, 0, i, bytes([0, 0, 0, 8])) for i in range(1, 8000, 2)]),
    # MadeYouReset: what is sent makes the server reset each stream, here WINDOW_UPDATE of 0.
    "made you reset": ("reset_flood", lambda: [frame(1, 4, i, POST) + frame(8, 0, i, bytes(4)) for i in range(1, 8000, 2)]),
    "CONTINUATION flood": ("too_many_continuations", lambda: [frame(1, 1, 1, GET), *[frame(9, 0, 1)] * 100]),
    "large CONTINUATION": ("block_too_large", lambda: [frame(1, 1, 1, GET), *[frame(9, 0, 1, bytes(16384))] * 5]),
    "HPACK bomb": ("head_too_large", lambda: [frame(1, 5, 1, GET + b"\x40\x01a\x7f\x9f\x1e" + b"b" * 3998 + b"\xbe" * 80)]),
    "bomb of small fields": ("too_many_fields", lambda: [frame(1, 5, 1, GET + b"\x82" * 200)]),
    "bomb of cookies": ("too_many_fields", lambda: [frame(1, 5, 1, GET + COOKIE * 200)]),
    "empty DATA": ("empty_data_flood", lambda: [frame(1, 4, 1, POST), *[frame(0, 0, 1)] * 200]),
    "PRIORITY": ("priority_flood", lambda: [frame(2, 0, 3, bytes(5))] * 300),
    "WINDOW_UPDATE": ("window_update_flood", lambda: [frame(8, 0, 0, bytes([0, 0, 0, 1]))] * 300),
    "PING": ("reply_flood", lambda: [frame(6, 0, 0, b"12345678")] * 20000),
    "SETTINGS": ("reply_flood", lambda: [frame(4, 0, 0)] * 40000),
    "unknown frames": ("overhead_flood", lambda: [frame(99, 0, 0, bytes(16000))] * 700),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_an_attack_ends_its_connection_and_nothing_else(web, attack):
    reason, frames = ATTACKS[attack]
    before = web.memory_bytes()
    attacker = web.connect()
    try:
        attacker.send(PREFACE + b"".join(frames()))
        answered = attacker.rest()
    except OSError:
        answered = b""  # Reset: it was still sending.
    assert not answered or answered[9:].rfind(reason.encode()) > 0
    wait_for("the reason", lambda: web.metric("outrider_http2_violations_total", reason=reason) >= 1, 10)
    assert curl(web, "/").stdout == b"hello"
    wait_for("nothing is in flight", lambda: web.metric("outrider_requests_in_flight") == 0, 10)
    assert web.memory_bytes() - before < 4 << 20


def test_a_head_that_never_ends_is_given_up(programs, tmp_path):
    with GrpcServer() as server:
        proxy = Proxy(programs, tmp_path, server.url, "--proxy.head-timeout", "500ms")
        slow = proxy.connect()
        slow.send(PREFACE + frame(1, 1, 1, GET))
        assert b"head_too_slow" in slow.rest()


def test_of_a_client_that_never_reads_little_is_held_and_it_is_let_go(programs, tmp_path):
    proxy = Web(programs, tmp_path, "--proxy.write-timeout", "1s")
    stalled, held = proxy.connect(receive_bytes=4096), []
    big = b"\x82\x04\x04/big\x86\x41\x01m"
    windows = frame(4, 0, 0, b"\x00\x04\x7f\xff\xff\xff") + frame(8, 0, 0, b"\x7f\x00\x00\x00")
    stalled.send(PREFACE + windows + b"".join(frame(1, 5, i, big) for i in range(1, 64, 2)))

    def is_over():
        held.append(proxy.metric("outrider_proxy_buffer_bytes"))
        return proxy.metric("outrider_requests_total", outcome="cancelled") > 0
    wait_for("it is over", is_over, 20, .02)
    assert 0 < max(held) <= 2 << 20
    wait_for("nothing is held", lambda: proxy.metric("outrider_requests_in_flight") == 0, 20)
    assert curl(proxy, "/").stdout == b"hello"


def test_whatever_a_client_sends_its_connection_holds_2_MiB_at_most(programs, tmp_path):
    """DATA, and trailers that are 4 kB on the wire and 64 kB decoded, for an upstream that opens no window; and no byte read of what
    it answers."""
    over = threading.Event()

    def script(connection, _number):
        connection.until(PREFACE_END)
        connection.send(SETTINGS + SETTINGS_ACK)
        heads = [stream for kind, _, stream in itertools.islice(read_frames(connection), 60) if kind == 1 and stream < 32]
        for stream in heads:
            connection.send(frame(1, 4, stream, b"\x88") + frame(0, 0, stream, bytes(16384)) * 2)
        over.wait(30)
    trailers = b"\x40\x01t\x7f\x9f\x1e" + b"x" * 3998 + b"\xbe" * 15
    windows = frame(4, 0, 0, b"\x00\x04\x7f\xff\xff\xff") + frame(8, 0, 0, b"\x7f\x00\x00\x00")
    calls = b"".join(frame(1, 4, i, POST) + frame(0, 0, i, bytes(2000)) + frame(1, 5, i, trailers) for i in range(1, 510, 2))
    with ScriptedUpstream(script) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url.replace("http://", "h2c://"))
        before, held = proxy.memory_bytes(), []
        greedy = proxy.connect(receive_bytes=4096, timeout=3)
        with contextlib.suppress(TimeoutError):  # The proxy stops reading.
            greedy.send(PREFACE + windows + calls)

        def is_full():
            held.append(proxy.metric("outrider_proxy_buffer_bytes"))
            return len(held) > 20 and held[-1] == held[-10]
        wait_for("no more is read", is_full, 20, .02)
        assert proxy.metric("outrider_requests_in_flight") > 16
        print(f"{max(held) / 1024:.0f} KiB in buffers, {(proxy.memory_bytes() - before) / 1024:.0f} KiB in all")
        assert 64 << 10 < max(held) <= 2 << 20
        assert IS_SANITIZED or proxy.memory_bytes() - before < 4 << 20
        greedy.close()
        over.set()
        wait_for("nothing is held", lambda: proxy.metric("outrider_proxy_buffer_bytes") == 0, 20)
        assert proxy.metric("outrider_requests_in_flight") == 0


def data_cpu_seconds(proxy):
    """Of the threads that carry traffic."""
    tasks = pathlib.Path(f"/proc/{proxy.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks
               if (task / "comm").read_text().startswith("proxy-")) / 1e9


@pytest.mark.parametrize("kind", ["unknown frames", "DATA of one byte"])
def test_a_frame_within_the_limits_costs_less_than_a_microsecond(web, kind):
    count = 200_000
    frames = {"unknown frames": frame(99, 0, 0), "DATA of one byte": frame(0, 0, 1, b"x")}[kind] * count
    client = web.connect(timeout=60)
    client.send(PREFACE + frame(1, 4, 1, POST))
    wait_for("the stream", lambda: web.metric("outrider_requests_in_flight") == 1, 10)
    before = data_cpu_seconds(web)
    client.send(frames + frame(1, 5, 3, GET))
    assert any(stream == 3 and flags & 1 for _, flags, stream in read_frames(client))
    each = (data_cpu_seconds(web) - before) / count
    print(f"{each * 1e9:.0f} ns a frame")
    assert IS_SANITIZED or each < 1e-6
