# SPDX-License-Identifier: Apache-2.0
"""seen = analysed + skipped + dropped + failed, exactly: thousands of exchanges of every kind, good and garbage, in an
order that a seed fixes, and each count that can be known beforehand; the same while the monitor is killed; and what is posted."""

import collections
import gzip
import json
import random
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import http, wait_for
from raw_http import Proxy, ScriptedUpstream, answer, reset

RATE = 0.6
CONFIG = f"""
model: {{name: house}}
request: {{match: {{path: "/v1/*"}}}}
sampling: {{rate: {RATE}}}
limits: {{body: 64KiB, unpacked: 1MiB}}
"""


def is_sampled(key):
    """As sidecar/tap/capture_settings.h has it: FNV-1a, then MurmurHash3's finaliser. Every replica must do the same."""
    mask, value = (1 << 64) - 1, 0xcbf29ce484222325
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001b3 & mask
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        value = (value ^ value >> 33) * factor & mask
    return (value ^ value >> 33) <= int(RATE * 2 ** 64)


def typed(name):
    return b"Content-Type: %s\r\n" % name.encode()


JSON, CSV, LINES, EVENTS = map(typed, ("application/json", "text/csv", "application/x-ndjson", "text/event-stream"))
TWO_ROWS, TWO = b'{"instances": [[1, 2], [3, 4]]}', b'{"predictions": [10, 20]}'
BINARY_HEAD = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 1],
                                      "parameters": {"binary_data_size": 8}}]}).encode()
BINARY = BINARY_HEAD + struct.pack("<2f", 1, 2)
BINARY_FIELD = b"Inference-Header-Content-Length: %d\r\n" % len(BINARY_HEAD)
PACKED, GZIP = gzip.compress(TWO_ROWS), JSON + b"Content-Encoding: gzip\r\n"
LONG = b" " * 70_000

# name: (fields and body of the request, status, fields and body of the answer, what becomes of it, rows). A reason follows the colon.
KINDS = {
    "rows": (JSON, TWO_ROWS, 200, JSON, TWO, "analysed", 2),
    "untyped": (b"", TWO_ROWS, 200, b"", TWO, "analysed", 2),
    "curl": (typed("application/x-www-form-urlencoded"), TWO_ROWS, 200, JSON, TWO, "analysed", 2),
    "flat": (JSON, b'{"a": 1, "b": {"c": [1, 2]}}', 200, JSON, b'{"y": 1}', "analysed", 1),
    "gzip": (GZIP, PACKED, 200, GZIP, gzip.compress(TWO), "analysed", 2),
    "csv": (CSV, b"1,2\n3,4\n", 200, CSV, b"10\n20\n", "analysed", 2),
    "lines": (LINES, b'{"a":1}\n{"a":2}\n', 200, LINES, b'{"y":1}\n{"y":2}\n', "analysed", 2),
    "events": (JSON, b'{"a":1}', 200, EVENTS, b'data: {"y":1}\n\ndata: {"y":2}\n\ndata: [DONE]\n\n', "analysed", 1),
    "binary": (BINARY_FIELD, BINARY, 200, JSON, b'{"outputs":[{"name":"y","shape":[2],"data":[1,2]}]}', "analysed", 2),
    "refused": (JSON, b"{", 400, typed("text/plain"), b"no", "analysed", "failure"),
    "broken": (JSON, TWO_ROWS, 500, JSON, b"{}", "analysed", "failure"),
    "moved": (JSON, TWO_ROWS, 302, b"Location: /\r\n", b"", "skipped:not_matched", 0),
    "nan": (JSON, b'{"a": NaN}', 200, JSON, b'{"y": 1}', "analysed", 1),
    "number": (JSON, b'{"a": 1.2.3}', 200, JSON, TWO, "failed:invalid_number", 0),
    "null_row": (JSON, TWO_ROWS, 200, JSON, b'{"predictions": [null, null]}', "analysed", "failed rows"),
    "error": (JSON, TWO_ROWS, 200, JSON, b'{"error": "no such column"}', "analysed", "failure"),
    "ambiguous": (JSON, TWO_ROWS, 200, JSON, b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "failed:ambiguous_prediction", 0),
    "chat": (JSON, b'{"messages": []}', 200, JSON, b'{"choices": [{"index": 0}]}', "skipped:language_model", 0),
    "cut": (JSON, TWO_ROWS[:-3], 200, JSON, TWO, "failed:invalid_json", 0),
    "deep": (JSON, b"[" * 500 + b"]" * 500, 200, JSON, TWO, "failed:json_too_deep", 0),
    "latin": (JSON, b'{"a": "\xe9"}', 200, JSON, TWO, "failed:invalid_utf8", 0),
    "ragged": (JSON, b'{"instances": [[1, 2], [3]]}', 200, JSON, TWO, "failed:wrong_shape", 0),
    "one_short": (JSON, TWO_ROWS, 200, JSON, b'{"predictions": [10]}', "failed:wrong_shape", 0),
    "binary_short": (BINARY_FIELD, BINARY[:-1], 200, JSON, TWO, "failed:wrong_shape", 0),
    "quotes": (CSV, b'1,"2"3\n', 200, CSV, b"1\n", "failed:invalid_csv", 0),
    "brotli": (JSON + b"Content-Encoding: br\r\n", TWO_ROWS, 200, JSON, TWO, "failed:unsupported_encoding", 0),
    "gzip_cut": (GZIP, PACKED[:-5], 200, JSON, TWO, "failed:invalid_encoding", 0),
    "bomb": (GZIP, gzip.compress(bytes(4 << 20)), 200, JSON, TWO, "failed:unpacked_too_large", 0),
    "image": (typed("image/png"), b"\x89PNG", 200, JSON, TWO, "skipped:opaque_body", 0),
    "page": (JSON, TWO_ROWS, 200, typed("text/html"), b"<p>", "failed:unsupported_format", 0),
    "silent": (JSON, TWO_ROWS, 200, JSON, b'{"message": "hi"}', "failed:missing_prediction", 0),
    "long": (JSON, LONG, 200, JSON, TWO, "dropped:too_large", 0),
    "long_answer": (JSON, TWO_ROWS, 200, JSON, LONG, "dropped:too_large", 0),
    "hung_up": (JSON, TWO_ROWS, 0, b"", b"", "analysed", "failure"),           # The upstream resets: 502.
    "truncated": (JSON, TWO_ROWS, 200, JSON, TWO, "analysed", "failure"),      # ... in the middle of its answer.
    "gone": (JSON, TWO_ROWS, 200, JSON, TWO, "failed:incomplete", 0),          # The client resets.
}
ONLY_HERE = {"elsewhere": "skipped:not_matched", "malformed": None}  # Other paths; what is no exchange at all.


def speak(connection, _number):
    """The upstream: answers as the path's last piece says."""
    while True:
        head, _ = connection.message()
        name = head.split(b" ")[1].decode().rpartition("/")[2]
        _, _, status, fields, body, _, _ = KINDS.get(name, KINDS["rows"])
        if name == "hung_up":
            return reset(connection.socket)
        reply = answer(body, f"{status} Word", fields)
        if name in ("truncated", "gone"):
            connection.send(reply[:-5])
            if name == "truncated":
                return None
            time.sleep(.2)  # By now the client has gone.
            return connection.send(reply[-5:])
        connection.send(reply)


def ask(proxy, name, key):
    """One exchange, as its kind has it."""
    fields, body, status, *_ = KINDS.get(name, KINDS["rows"])
    path = "/elsewhere" if name == "elsewhere" else "/v1/" + name
    if name == "malformed":
        fields += b"Content-Length: 1\r\n"
    request = b"POST %s HTTP/1.1\r\nHost: m\r\nX-Request-Id: %s\r\n%sContent-Length: %d\r\n\r\n%s" % (
        path.encode(), key.encode(), fields, len(body), body)
    connection = proxy.connect()
    try:
        connection.send(request)
        if name == "gone":
            connection.until(b"\r\n\r\n")
            return reset(connection.socket)
        if name == "truncated":
            with pytest.raises((EOFError, OSError)):
                connection.message()
            return None
        head, _ = connection.message()
        expected = {"malformed": 400, "hung_up": 502}.get(name, status)
        assert int(head.split(b" ")[1]) == expected, (name, head)
        return None
    finally:
        connection.close()


def counts(proxy):
    """{"seen": …, "analysed": …, "failed:reason": …} of what is not 0."""
    found = collections.Counter()
    for (name, *labels), value in proxy.metrics().items():
        if name.startswith("outrider_exchanges_") and name.endswith("_total"):
            word = name.removeprefix("outrider_exchanges_").removesuffix("_total")
            reason = dict(labels).get("reason")
            found[f"{word}:{reason}" if reason else word] += int(value)
    return +found


EARLY = 100  # So many may pass before the monitor has told the proxy how long is too long.


def make_traffic(seed, count):
    """[(kind, key)] in an order that the seed fixes; none of the early ones is too long."""
    rng = random.Random(seed)
    names = [*KINDS, *ONLY_HERE]
    rare = {"gone": .2, "bomb": .2, "long": .2, "long_answer": .2}
    early = {name: 0 if name.startswith("long") else rare.get(name, 1) for name in names}
    chosen = rng.choices(names, [early[name] for name in names], k=EARLY)
    chosen += rng.choices(names, [rare.get(name, 1) for name in names], k=count - EARLY)
    return [(name, f"{seed}-{i}") for i, name in enumerate(chosen)]


def run(proxy, traffic):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: ask(proxy, *one), traffic[:EARLY]))
        wait_for("the monitor", lambda: counts(proxy)["seen"] > 0, 30)
        list(pool.map(lambda one: ask(proxy, *one), traffic[EARLY:]))


def predicted(traffic):
    """What the counters must say, and the predictions that succeeded and failed."""
    expected, success, failure = collections.Counter(), 0, 0
    for name, key in traffic:
        disposal = ONLY_HERE[name] if name in ONLY_HERE else KINDS[name][5]
        if disposal is None:
            continue
        expected["seen"] += 1
        if name != "elsewhere" and not is_sampled(key):
            expected["skipped:sampled_out"] += 1
            continue
        expected[disposal] += 1
        rows = 0 if name in ONLY_HERE else KINDS[name][6]
        if rows == "failure":
            failure += 1
        elif rows == "failed rows":
            failure += 2
        else:
            success += rows
    return expected, success, failure


@pytest.fixture
def proxy(programs, tmp_path):
    (tmp_path / "model.yaml").write_text(CONFIG)
    with ScriptedUpstream(speak) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, "--model.config", tmp_path / "model.yaml")
        yield proxy


def test_every_exchange_of_every_kind_is_counted_once_and_under_its_reason(proxy):
    """From the first request on: what passed before the monitor was up is sampled by the same rule."""
    traffic = make_traffic(7, 3000)
    expected, success, failure = predicted(traffic)
    assert {name for name, _ in traffic} == {*KINDS, *ONLY_HERE}
    run(proxy, traffic)
    wait_for("all exchanges", lambda: counts(proxy)["seen"] >= expected["seen"], 30)
    assert counts(proxy) == expected
    proxy.settled(expected["seen"])
    assert proxy.metric("outrider_predictions_total", outcome="success") == success
    assert proxy.metric("outrider_predictions_total", outcome="failure") == failure
    assert proxy.metric("outrider_requests_total", outcome="cancelled") == sum(n == "gone" for n, _ in traffic)
    assert proxy.metric("outrider_rejected_requests_total") == sum(n == "malformed" for n, _ in traffic)
    assert proxy.metric("outrider_proxy_overhead_seconds_count") > 0
    for gauge in ("requests_in_flight", "upstream_connections_active", "proxy_queue_depth", "tap_capture_bytes"):
        assert proxy.metric(f"outrider_{gauge}") == 0


def test_the_sums_are_exact_while_monitors_are_killed(proxy):
    traffic = make_traffic(8, 1500)
    expected, *_ = predicted(traffic)
    rng, kills = random.Random(9), 0
    with ThreadPoolExecutor(1) as side:
        done = side.submit(run, proxy, traffic)
        while not done.done():
            time.sleep(rng.random() * .3)
            if kills < 8 and proxy.kill_monitor():
                kills += 1
        done.result()
    assert kills >= 2
    wait_for("all exchanges", lambda: counts(proxy)["seen"] >= expected["seen"], 30)
    found = counts(proxy)
    proxy.settled(expected["seen"])
    for word in ("skipped:sampled_out", "skipped:not_matched", "dropped:too_large"):
        # Redirects are told by the monitor, and one may have been at hand when it died.
        assert expected[word] - kills <= found[word] <= expected[word]
    assert found["failed:poisoned"] <= kills and found["dropped:ring_full"] == 0
    for word, count in expected.items():
        assert count - kills <= found[word] <= count, word


def event(identity, kind, data, component="predictor", **fields):
    """As KServe's logger posts it, in binary mode."""
    return data, {"Ce-Specversion": "1.0", "Ce-Id": identity, "Ce-Source": "http://localhost:9081/",
                  "Ce-Type": f"org.kubeflow.serving.inference.{kind}", "Ce-Time": "2026-11-22T09:00:00.123456789Z",
                  "Ce-Inferenceservicename": "income", "Ce-Namespace": "models", "Ce-Component": component,
                  "Ce-Endpoint": "default", "Ce-Metadata": "{}", **fields}


def test_every_posted_exchange_is_counted_once_too(proxy):
    rng, expected, events = random.Random(11), collections.Counter(), []
    duplicates = 0
    for number in range(300):
        identity = f"event-{number}"
        kind = rng.choice(["good", "packed", "binary", "garbage", "metadata", "explained", "chained", "twice"])
        request, reply, component = TWO_ROWS, TWO, "predictor"
        disposal = "analysed"
        if kind == "packed":
            request, reply = PACKED, gzip.compress(TWO)
        elif kind == "binary":
            request = BINARY
        elif kind == "garbage":
            request, disposal = b'{"a": 1.2.3}', "failed:invalid_number"
        elif kind == "metadata":
            request, reply, disposal = b"", b'{"name": "income", "ready": true}', "skipped:not_matched"
        elif kind == "explained":
            component, disposal = "explainer", "skipped:not_matched"
        components = ["transformer", "predictor"] if kind == "chained" else [component]
        for one in components:
            halves = [event(identity, "request", request, one), event(identity, "response", reply, one)]
            rng.shuffle(halves)
            events += halves
            if kind == "twice":
                events += halves
                duplicates += 2
            expected["seen"] += 1
            looked_at = disposal.startswith("skipped") or is_sampled(identity)
            expected[disposal if looked_at else "skipped:sampled_out"] += 1
    url = f"http://127.0.0.1:{proxy.admin_port}/api/v1/exchanges"
    wait_for("the monitor", lambda: http("GET", f"http://127.0.0.1:{proxy.admin_port}/-/healthy")[0] == 200, 20)
    for body, fields in events:
        assert http("POST", url, body, fields)[0] == 202
    assert http("POST", url, *event("lonely", "request", TWO_ROWS))[0] == 202
    assert http("POST", url, b"", {"Ce-Id": "x", "Ce-Type": "ping"})[0] == 400
    wait_for("all exchanges", lambda: counts(proxy)["seen"] >= expected["seen"], 20)
    assert counts(proxy) == expected
    wait_for("the rest", lambda: proxy.metric("outrider_posted_events_waiting") == 1, 10)
    assert proxy.metric("outrider_posted_events_total", result="taken") == len(events) + 1
    assert proxy.metric("outrider_posted_events_total", result="duplicate") == duplicates
    assert proxy.metric("outrider_posted_events_total", result="invalid") == 1
