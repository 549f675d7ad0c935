# SPDX-License-Identifier: Apache-2.0
"""Raw requests through a proxy to a recording upstream: what the differential test is made of.

A case's bytes are followed by a sentinel request on the same connection. A proxy that understood the
case as we mean it answers the sentinel by itself; one that framed it otherwise swallows the sentinel
or sees a request too many. So what is compared needs no waiting: which requests the upstream got
whole, how many it got in part, what the client was answered, and whether the sentinel came through.
"""

import dataclasses
import json
import pathlib
import re
import shutil
import socket
import threading
import time

FOLDER = pathlib.Path(__file__).resolve().parent
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
QUIET_SECONDS = 2.0  # A proxy that says nothing for this long waits for more bytes.
# Between two neighbours on a connection: they end there, and say nothing of the request itself.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings"}


def bytes_of(value):
    """The bytes of a case: text of code points 0 to 255; a list is pieces, some repeated."""
    if isinstance(value, list):
        return b"".join(bytes_of(part) for part in value)
    if isinstance(value, dict):
        return bytes_of(value["repeat"]) * value["times"]
    return value.encode("latin-1")


def load(name):
    return json.loads((FOLDER / name).read_text())


@dataclasses.dataclass
class Message:
    """A request as the upstream got it whole."""

    head: bytes
    raw_body: bytes  # As on the wire, chunk lines included.
    body: bytes

    @property
    def request_line(self):
        return self.head.split(b"\r\n", 1)[0]

    def fields(self):
        """[(name in lower case, value)], framing and hop-by-hop fields left out, in order of name."""
        lines = (line.split(b":", 1) for line in self.head.split(b"\r\n")[1:] if line)
        fields = [(line[0].decode("latin-1").lower(), line[-1].strip(b" \t").decode("latin-1")) for line in lines]
        left_out = HOP_BY_HOP | {"content-length", "transfer-encoding"}
        return sorted((n, v) for n, v in fields if n not in left_out and not (n == "x-prediction-id" and is_ours(v)))


def is_ours(prediction_id):
    return re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", prediction_id) is not None


class Incomplete(Exception):
    """The connection ended before the message did."""


class Malformed(Exception):
    """No message at all: chunks that are none."""


class Wire:
    """Reads one connection, strictly where the upstream would otherwise guess."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise Incomplete
        self.buffer += data

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def take_through(self, end):
        while end not in self.buffer:
            self.more()
        return self.take(self.buffer.index(end) + len(end))

    def chunks(self):
        raw, body = b"", b""
        while True:
            line = self.take_through(b"\n")
            size = re.fullmatch(rb"([0-9A-Fa-f]{1,16})(;[^\r\n]*)?\r\n", line)
            if not size:
                raise Malformed(line)
            length = int(size[1], 16)
            raw += line
            if length == 0:
                break
            data = self.take(length)
            end = self.take(2)
            if end != b"\r\n":
                raise Malformed(end)
            raw, body = raw + data + end, body + data
        while True:
            line = self.take_through(b"\n")
            raw += line
            if line == b"\r\n":
                return raw, body
            if not line.endswith(b"\r\n"):
                raise Malformed(line)

    def request(self):
        head = self.take_through(b"\r\n\r\n")
        if re.search(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", head, re.I):
            return Message(head, *self.chunks())
        length = re.search(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", head, re.I)
        body = self.take(int(length[1])) if length else b""
        return Message(head, body, body)


class Recorder:
    """The upstream: answers every whole request with its target, and remembers what it got."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.case = 0  # What began in an earlier case is not recorded in a later one.
        self.clear()
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def clear(self):
        with self.lock:
            self.case += 1
            self.messages, self.partial, self.malformed = [], [], []

    def record(self, case, kind, item):
        with self.lock:
            if case == self.case:
                getattr(self, kind).append(item)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        wire = Wire(connection)
        case = 0  # Of the message that has begun; 0 between messages.
        with connection:
            try:
                while True:
                    if not wire.buffer:
                        wire.more()
                    case = self.case
                    message = wire.request()
                    self.record(case, "messages", message)
                    case = 0
                    self.answer(connection, message)
                    if b"HTTP/1.0" in message.request_line or b"\r\nconnection: close\r\n" in message.head.lower():
                        return
            except Incomplete:
                self.record(case, "partial", wire.buffer)
            except Malformed as bad:
                self.record(case, "malformed", bad.args[0])
            except OSError:
                pass

    @staticmethod
    def answer(connection, message):
        target = (message.request_line.split(b" ") + [b""])[1][:100]
        body = b"" if message.head.startswith(b"HEAD ") else target
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), body))


class Answers:
    """What a client reads: statuses in order, the last body, and how it ended."""

    def __init__(self, heads):
        self.heads = heads  # For each request: does its answer have no body (HEAD)?
        self.statuses, self.bodies = [], []

    def read(self, connection):
        """'sentinel', 'closed' or 'waiting'."""
        wire = Wire(connection)
        connection.settimeout(QUIET_SECONDS)
        try:
            while True:
                head = wire.take_through(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1][:3])
                if 100 <= status < 200:
                    continue
                is_head = len(self.statuses) < len(self.heads) and self.heads[len(self.statuses)]
                body = b"" if is_head else self.body(wire, head)
                self.statuses.append(status)
                self.bodies.append(body)
                if body == b"/sentinel":
                    return "sentinel"
        except TimeoutError:
            return "waiting"
        except (Incomplete, OSError, ValueError, IndexError):
            return "closed"

    @staticmethod
    def body(wire, head):
        if re.search(rb"\r\ntransfer-encoding: *chunked\r\n", head, re.I):
            return wire.chunks()[1]
        length = re.search(rb"\r\ncontent-length: *([0-9]+)\r\n", head, re.I)
        if length:
            return wire.take(int(length[1]))
        try:
            while True:
                wire.more()
        except Incomplete:
            return wire.take(len(wire.buffer))


@dataclasses.dataclass
class Outcome:
    messages: list  # whole requests at the upstream, the sentinel left out
    partial: list  # the last bytes of requests that were begun and never ended
    malformed: list  # what was no message even to a tolerant reader
    statuses: list  # of the answers, the sentinel's left out
    error: str  # the "error" of the last answer, where that is JSON
    end: str  # sentinel, closed, waiting

    def describe(self):
        """{aspect: text}: what two proxies are compared by."""
        return {
            "requests": " | ".join(
                f"{m.request_line.decode('latin-1')} {m.fields()} {m.body!r}" for m in self.messages),
            "begun and never ended": str(len(self.partial)),
            "nonsense": repr(self.malformed),
            "answers": " ".join(map(str, self.statuses)),
            "end": self.end,
        }


def send(port, pieces, pause=0.0):
    """A connection on which the pieces were sent, one packet each."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for piece in pieces:
            connection.sendall(piece)
            if pause:
                time.sleep(pause)
    except OSError:
        pass  # Refused before it was sent to its end; the answer can still be read.
    return connection


def run(port, recorder, pieces, heads=(), pause=0.0):
    """Sends the pieces, the last one with the sentinel behind it, and tells what came of it."""
    recorder.clear()
    with send(port, [*pieces[:-1], pieces[-1] + SENTINEL], pause) as connection:
        answers = Answers(heads)
        end = answers.read(connection)
    # The upstream's side may learn of the end a moment later than the client.
    time.sleep(0.002 if end == "sentinel" else 0.02)
    with recorder.lock:
        messages, partial, malformed = list(recorder.messages), list(recorder.partial), list(recorder.malformed)
    if end == "sentinel":
        messages = [m for m in messages if not m.request_line.endswith(b"/sentinel HTTP/1.1")]
        answers.statuses.pop()
    error = ""
    if answers.bodies and answers.bodies[-1].startswith(b"{"):
        error = json.loads(answers.bodies[-1]).get("error", "")
    return Outcome(messages, partial, malformed, answers.statuses, error, end)


class Script(Recorder):
    """An upstream that answers every request with the same bytes, whatever they are, and closes."""

    def clear(self):
        super().clear()
        self.response = b""

    def serve(self, connection):
        with connection:
            try:
                Wire(connection).request()
                connection.sendall(self.response)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(QUIET_SECONDS)
                while connection.recv(65536):
                    pass  # Closing with unread bytes would reset what was sent.
            except (Incomplete, OSError):
                pass


def fetch(port, script, request, response):
    """{aspect: text} of what a client gets through a proxy when the upstream answers `response`."""
    script.clear()
    script.response = response
    got = {"interim": "", "status": "", "fields": "", "body": "", "end": "whole", "more": "b''", "error": ""}
    with send(port, [request]) as connection:
        connection.settimeout(1.5)  # nginx waits on where the upstream has ended.
        wire = Wire(connection)
        try:
            while True:
                head = wire.take_through(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1][:3])
                if status // 100 != 1:
                    break
                got["interim"] += f"{status} "
            got["status"] = str(status)
            left_out = {"date", "server"}  # nginx's own.
            got["fields"] = str([f for f in Message(head, b"", b"").fields() if f[0] not in left_out])
            if not request.startswith(b"HEAD ") and status not in (204, 304):
                body = Answers.body(wire, head)
                got["body"] = repr(body)
                if body.startswith(b"{"):
                    got["error"] = json.loads(body).get("error", "")
        except (Incomplete, Malformed):
            got["end"] = "cut short"
        except (TimeoutError, ValueError, IndexError) as error:
            got["end"] = type(error).__name__
        except OSError:
            got["end"] = "reset"
        if got["end"] == "whole":
            got["more"] = repr(more_of(wire))
    return got


def more_of(wire):
    """What comes behind a whole response: nothing, or it would be taken for the next one's."""
    wire.connection.settimeout(0.02)
    try:
        while True:
            wire.more()
    except (Incomplete, OSError):
        return wire.buffer


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  large_client_header_buffers 8 64k; keepalive_requests 100000;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Connection "";
    }}
  }}
}}
"""

HAPROXY = """
global
  maxconn 512
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server upstream 127.0.0.1:{upstream}
"""


def peer_command(name, folder, port, upstream):
    """The command of nginx or HAProxy as a child that stays in the foreground; None when not installed."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        return None
    file = pathlib.Path(folder) / f"{name}.conf"
    text = {"nginx": NGINX, "haproxy": HAPROXY}[name]
    file.write_text(text.format(folder=folder, port=port, upstream=upstream))
    if name == "nginx":
        return [program, "-c", file, "-e", pathlib.Path(folder) / "nginx-start.log"]
    return [program, "-db", "-f", file]


def wait_until_open(port, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
