# SPDX-License-Identifier: Apache-2.0
"""HTTP at the level of bytes: an upstream that does what a test scripts, a client that sends what a test
writes, and the sidecar between them."""

import json
import os
import pathlib
import signal
import socket
import struct
import threading
import time

from processes import free_port, http, wait_for
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def sidecar_binary():
    return pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / "outrider-sidecar"


# Memory is measured, and limited, in builds without a sanitizer alone.
IS_SANITIZED = sidecar_binary().exists() and any(
    word in sidecar_binary().read_bytes() for word in (b"__asan_init", b"__tsan_init"))


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Connection:
    """A socket with a buffer: reads messages, or up to the end."""

    def __init__(self, sock, timeout=10):
        self.socket, self.buffer = sock, b""
        self.socket.settimeout(timeout)

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError(self.buffer)
        at = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(self.buffer)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def rest(self):
        while self.fill():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def message(self, bodiless=False):
        """(head, body) of one request or response, chunks decoded."""
        head = self.until(b"\r\n\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in
                  (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])}
        body = b""
        if bodiless:
            pass
        elif fields.get("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            while self.until(b"\r\n") != b"\r\n":
                pass
        elif "content-length" in fields:
            body = self.exactly(int(fields["content-length"]))
        return head, body

    def close(self):
        self.socket.close()


class ScriptedUpstream:
    """`script(connection, number)` speaks for each accepted connection, in a thread of its own."""

    def __init__(self, script, port=0, backlog=1024, unix=None, host="127.0.0.1"):
        self.script, self.accepted, self.errors = script, 0, []
        self.listening = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listening.bind(unix or (host, port))
        self.listening.listen(backlog)
        self.url = f"unix:{unix}" if unix else f"http://{host}:{self.listening.getsockname()[1]}"
        self.open = set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            number, self.accepted = self.accepted, self.accepted + 1
            self.open.add(sock)
            threading.Thread(target=self.speak, args=(sock, number), daemon=True).start()

    def speak(self, sock, number):
        try:
            self.script(Connection(sock), number)
        except (EOFError, OSError):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)
        finally:
            self.open.discard(sock)
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.errors


def answer(body=b"{}", status="200 OK", fields=b""):
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status.encode(), fields, len(body), body)


def echo(connection, _number):
    """Answers every request with its body."""
    while True:
        head, body = connection.message()
        connection.send(answer(body))


def cpu_ticks(process_id):
    """Hundredths of a second of CPU that a process has had, user and system."""
    stat = pathlib.Path(f"/proc/{process_id}/stat").read_text()
    return sum(map(int, stat.rpartition(")")[2].split()[11:13]))


class Proxy:
    """The sidecar in front of an upstream, and its metrics."""

    def __init__(self, programs, folder, upstream, *options, wrap=(), name="sidecar", program=None):
        self.port, self.admin_port = free_port(), free_port()
        self.programs = programs
        self.process = programs.start(name, [
            *wrap, program or sidecar_binary(), "--upstream", upstream, "--proxy.listen-address", f"127.0.0.1:{self.port}",
            "--web.listen-address", f"127.0.0.1:{self.admin_port}", "--data.dir", str(folder / "data"), *options])
        wait_for("the proxy", lambda: http("GET", self.url("/-/ready"))[0] == 200, 20, .02)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def connect(self, timeout=10, receive_bytes=None):
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", self.port))
        return Connection(sock, timeout)

    def ask(self, request, bodiless=False):
        """(status, head, body) of one request on a connection of its own."""
        connection = self.connect()
        try:
            connection.send(request)
            head, body = connection.message(bodiless)
            return int(head.split(b" ")[1]), head, body
        finally:
            connection.close()

    def get(self, path="/predict?size=1"):
        return self.ask(b"GET %s HTTP/1.1\r\nHost: model\r\n\r\n" % path.encode())

    def post(self, body=b'{"a": 1}', path="/predict"):
        return self.ask(b"POST %s HTTP/1.1\r\nHost: model\r\nContent-Length: %d\r\n\r\n%s"
                        % (path.encode(), len(body), body))

    def error_of(self, response):
        """The error word of our own answer."""
        status, head, body = response
        parsed = json.loads(body)
        assert set(parsed) == {"error", "message"} and parsed["message"]
        return status, parsed["error"]

    def metrics(self):
        text = wait_for("the monitor's metrics", lambda: self.scrape(), 20)
        return {(s.name, *sorted(s.labels.items())): s.value
                for family in text_string_to_metric_families(text) for s in family.samples}

    def scrape(self):
        status, _, text = http("GET", f"http://127.0.0.1:{self.admin_port}/metrics")
        return text if status == 200 else None

    def metric(self, name, **labels):
        return sum(value for (n, *pairs), value in self.metrics().items()
                   if n == name and all(dict(pairs).get(k) == v for k, v in labels.items()))

    def monitor_id(self):
        """The process id of the monitor: the sidecar's only child; None while there is none."""
        task = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = task.read_text().split()
        return int(children[0]) if children else None

    def kill_monitor(self, signal_number=signal.SIGKILL):
        """Sends the monitor a signal; False where there is none, or it ended in the meantime."""
        victim = self.monitor_id()
        try:
            return victim is not None and os.kill(victim, signal_number) is None
        except ProcessLookupError:
            return False

    def memory_bytes(self):
        """Resident memory of the proxy process but the shared ring."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return 1024 * sum(int(fields[k].split()[0]) for k in ("RssAnon", "RssFile"))

    def exchanges(self):
        """{seen, waiting, analysed, skipped, dropped, failed}, checked to balance."""
        found = {word: 0 for word in ("seen", "analysed", "skipped", "dropped", "failed")}
        waiting = 0
        for (name, *_), value in self.metrics().items():
            for word in found:
                if name == f"outrider_exchanges_{word}_total":
                    found[word] += value
            if name == "outrider_exchanges_waiting":
                waiting = value
        assert found["seen"] == sum(found[w] for w in ("analysed", "skipped", "dropped", "failed"))
        return {**found, "waiting": waiting}

    def settled(self, count):
        """The exchanges once `count` have been disposed of."""
        wait_for(f"{count} exchanges", lambda: self.exchanges()["seen"] >= count, 20)
        found = self.exchanges()
        assert found["seen"] == count and found["waiting"] == 0
        return found


class Load:
    """Clients that ask until told to stop; counts what came of each request: good is its own body."""

    def __init__(self, proxy, clients=8, pause=0.0, keep_alive=True, body=b'{"a": 1}'):
        self.proxy, self.pause, self.keep_alive, self.body = proxy, pause, keep_alive, body
        self.good, self.bad, self.refused = 0, [], 0
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def run(self):
        connection = None
        while not self.stopping.is_set():
            if connection is None:
                try:
                    connection = self.proxy.connect()
                except OSError:
                    with self.lock:
                        self.refused += 1
                    time.sleep(.01)
                    continue
            try:
                connection.send(b"POST /predict HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n\r\n%s"
                                % (len(self.body), self.body))
                head, body = connection.message()
                ok = head.startswith(b"HTTP/1.1 200") and body == self.body
                with self.lock:
                    self.good += ok
                    if not ok:
                        self.bad.append(head)
                if not self.keep_alive or b"Connection: close" in head:
                    connection.close()
                    connection = None
            except (OSError, EOFError) as error:
                with self.lock:
                    self.bad.append(repr(error))
                connection.close()
                connection = None
            if self.pause:
                time.sleep(self.pause)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
