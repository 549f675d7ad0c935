# SPDX-License-Identifier: Apache-2.0
"""A remote write receiver that records what it got, with readers of its own for Snappy and protobuf, and a page
of metrics to scrape. Nothing here shares code with the sender under test."""

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALE = 0x7FF0000000000002
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
TYPES = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def unsnappy(data):
    """Snappy's block format, strictly."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at:at + extra], "little")
                at += extra
            out += data[at:at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        assert 0 < offset <= len(out), "a copy from before the beginning"
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size, "the length that the body announced"
    return bytes(out)


def fields(data):
    """[(field number, value)]: int for varints, bytes for blocks, 8 bytes' int for doubles."""
    found, at = [], 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a cut block"
        else:
            raise AssertionError(f"wire type {kind}")
        found.append((key >> 3, value))
    return found


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def refs(data):
    values, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


class Series:
    """One series of one request. samples: [(time in ms, bits, start in ms)]."""

    def __init__(self):
        self.pairs, self.samples, self.exemplars, self.type, self.help, self.unit = [], [], [], None, None, None

    @property
    def labels(self):
        return dict(self.pairs)

    @property
    def name(self):
        return self.labels.get("__name__")

    def values(self):
        return [struct.unpack("<d", struct.pack("<Q", bits))[0] for _, bits, _ in self.samples]

    def is_stale(self):
        return [bits == STALE for _, bits, _ in self.samples]


def sample_of(data):
    found = dict(fields(data))
    return signed(found.get(2, 0)), found.get(1, 0), signed(found.get(3, 0))


def read_v2(message):
    symbols, found = [], []
    for number, value in fields(message):
        assert number in (4, 5), f"field {number} of a 2.0 request"
        if number == 4:
            symbols.append(value.decode())
    assert symbols and symbols[0] == "", "symbols begin with the empty string"
    assert len(set(symbols)) == len(symbols), "every symbol once"

    def pairs(data):
        values = refs(data)
        assert len(values) % 2 == 0, "references come in pairs"
        return [(symbols[values[i]], symbols[values[i + 1]]) for i in range(0, len(values), 2)]

    for number, value in fields(message):
        if number != 5:
            continue
        series = Series()
        for inner, content in fields(value):
            if inner == 1:
                series.pairs = pairs(content)
            elif inner == 2:
                series.samples.append(sample_of(content))
            elif inner == 4:
                exemplar = dict(fields(content))
                series.exemplars.append((dict(pairs(exemplar.get(1, b""))),
                                         struct.unpack("<d", struct.pack("<Q", exemplar.get(2, 0)))[0],
                                         signed(exemplar.get(3, 0))))
            elif inner == 5:
                metadata = dict(fields(content))
                series.type = TYPES[metadata.get(1, 0)]
                series.help, series.unit = symbols[metadata.get(3, 0)], symbols[metadata.get(4, 0)]
            else:
                raise AssertionError(f"field {inner} of a 2.0 series")
        found.append(series)
    return found, []


def read_v1(message):
    found, metadata = [], []
    for number, value in fields(message):
        if number == 3:
            entry = dict(fields(value))
            metadata.append((entry.get(2, b"").decode(), TYPES[entry.get(1, 0)], entry.get(4, b"").decode(),
                             entry.get(5, b"").decode()))
            continue
        assert number == 1, f"field {number} of a 1.0 request"
        series = Series()
        for inner, content in fields(value):
            if inner == 1:
                label = dict(fields(content))
                series.pairs.append((label.get(1, b"").decode(), label.get(2, b"").decode()))
            elif inner == 2:
                series.samples.append(sample_of(content))
            elif inner == 3:
                entries = fields(content)
                labels = [dict(fields(v)) for n, v in entries if n == 1]
                rest = {n: v for n, v in entries if n != 1}
                series.exemplars.append(({x.get(1, b"").decode(): x.get(2, b"").decode() for x in labels},
                                         struct.unpack("<d", struct.pack("<Q", rest.get(2, 0)))[0],
                                         signed(rest.get(3, 0))))
            else:
                raise AssertionError(f"field {inner} of a 1.0 series")
        found.append(series)
    return found, metadata


class Request:
    def __init__(self, headers, body):
        self.time = time.time()
        self.headers = headers
        self.version = 2 if headers.get("Content-Type") == V2 else 1
        self.series, self.metadata = (read_v2 if self.version == 2 else read_v1)(unsnappy(body))
        for series in self.series:
            names = [name for name, _ in series.pairs]
            assert names == sorted(set(names)), f"labels are sorted and unique: {names}"
            assert all(name and value for name, value in series.pairs), f"no label is empty: {series.pairs}"
            assert series.name, f"a series has a name: {series.pairs}"
            assert series.samples, f"a series has samples: {series.pairs}"
            times = [at for at, _, _ in series.samples]
            assert times == sorted(times), f"samples are in time order: {times}"

    def counts(self):
        return sum(len(s.samples) for s in self.series), sum(len(s.exemplars) for s in self.series)


class _HttpServer(ThreadingHTTPServer):
    """Remembers its connections, so that stopping it ends those that are kept alive too."""

    daemon_threads = True

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = []

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def handle_error(self, *_):
        pass  # A connection that was cut.


class _Server:
    def __init__(self, handler, port):
        self.server = _HttpServer(("127.0.0.1", port), handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Recorder(_Server):
    """answers: [(status, headers)] given in turn, afterwards a success of the request's version. `taken` are
    the requests that were answered with 2xx, `requests` are all."""

    def __init__(self, answers=(), versions=(1, 2), port=0):
        self.lock = threading.Condition()
        self.requests, self.taken, self.faults = [], [], []
        recorder = self
        waiting = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with recorder.lock:
                    try:
                        request = Request(dict(self.headers), body)
                    except Exception as fault:  # whatever is wrong with it, the test must see it
                        recorder.faults.append(repr(fault))
                        self.reply(400, {})
                        return
                    recorder.requests.append(request)
                    status, headers = waiting.pop(0) if waiting else self.success(request)
                    if 200 <= status < 300:
                        recorder.taken.append(request)
                    recorder.lock.notify_all()
                self.reply(status, headers)

            def success(self, request):
                if request.version not in versions:
                    return 415, {}
                if request.version == 1:
                    return 204, {}
                samples, exemplars = request.counts()
                return 204, {"X-Prometheus-Remote-Write-Samples-Written": str(samples),
                             "X-Prometheus-Remote-Write-Exemplars-Written": str(exemplars),
                             "X-Prometheus-Remote-Write-Histograms-Written": "0"}

            def reply(self, status, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(Handler, port)
        self.url = f"http://127.0.0.1:{self.port}/api/v1/write"

    def wait_until(self, what, check, seconds=20):
        """Waits until check(taken requests) gives something true, and gives it."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while True:
                assert not self.faults, self.faults
                found = check(self.taken)
                if found:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{what}: not received within {seconds} s; {len(self.requests)} requests came"
                self.lock.wait(left)

    def series(self, name, **labels):
        """All series of that name and these labels, of all requests that were taken."""
        with self.lock:
            assert not self.faults, self.faults
            return [s for r in self.taken for s in r.series
                    if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]

    def wait_for_series(self, name, seconds=20, **labels):
        def check(_):
            found = [s for r in self.taken for s in r.series
                     if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]
            return found
        return self.wait_until(f"{name} {labels}", check, seconds)


class Page(_Server):
    """A page of metrics that the test may change. `hits` counts scrapes."""

    def __init__(self, text, content_type="text/plain; version=0.0.4; charset=utf-8", port=0):
        self.text, self.content_type, self.status, self.hits, self.accept = text, content_type, 200, 0, None
        page = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                page.hits += 1
                page.accept = self.headers.get("Accept")
                text = page.text() if callable(page.text) else page.text
                body = text.encode()
                self.send_response(page.status)
                self.send_header("Content-Type", page.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(Handler, port)
        self.instance = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.instance}/metrics"
