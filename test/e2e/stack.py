# SPDX-License-Identifier: Apache-2.0
"""The programs of the loop as the end-to-end tests hold them: start, ask, read metrics."""

import csv
import io
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from processes import free_port, http, http_json, wait_for
from prometheus_client.parser import text_string_to_metric_families


class Metrics:
    """One scrape: samples by name and labels."""

    def __init__(self, text):
        self.samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def sum(self, name, **labels):
        """The sum over all samples of that name whose labels include these."""
        return sum(s.value for s in self.samples
                   if s.name == name and all(s.labels.get(k) == v for k, v in labels.items()))

    def by(self, name, label):
        """{label value: sum} of a metric."""
        found = {}
        for s in self.samples:
            if s.name == name:
                key = s.labels.get(label, "")
                found[key] = found.get(key, 0) + s.value
        return found


def listens(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


class Program:
    """A program with an admin port, started anew on the same port and data after a stop or a crash."""

    def __init__(self, programs, name, command, admin):
        self.programs, self.name, self.command, self.admin = programs, name, command, admin
        self.start()

    def start(self, seconds=30):
        self.process = self.programs.start(self.name, self.command)
        self.programs.wait_until_ready(self.name, f"{self.admin}/-/ready", seconds)

    def stop(self):
        return self.programs.stop(self.name)

    def kill(self):
        """kill -9, and the wait for the body."""
        process = self.programs.running.pop(self.name)
        process.kill()
        process.wait()

    def metrics(self):
        return Metrics(http("GET", f"{self.admin}/metrics")[2])


class Sidecar(Program):
    def __init__(self, programs, binaries, upstream, folder, name="sidecar", options=()):
        proxy, admin = free_port(), free_port()
        self.proxy = f"http://127.0.0.1:{proxy}"
        command = [binaries / "outrider-sidecar", "--upstream", upstream,
                   "--proxy.listen-address", f"127.0.0.1:{proxy}", "--web.listen-address", f"127.0.0.1:{admin}",
                   "--data.dir", folder, *options]
        super().__init__(programs, name, command, f"http://127.0.0.1:{admin}")

    def kill(self):
        """kill -9, and the wait until its monitor, which the kernel tells, has ended too."""
        super().kill()
        wait_for(f"the end of {self.name}'s monitor", lambda: not listens(self.admin), 20)

    def label(self, labels):
        """Posts labels and gives [result word] once acknowledged."""
        return [r["result"] for r in http_json("POST", f"{self.admin}/api/v1/labels", labels)["results"]]

    def wait_for_predictions(self, count, seconds=30):
        wait_for(f"{count} predictions in {self.name}'s metrics",
                 lambda: self.metrics().sum("outrider_predictions_total") >= count, seconds)

    def training_data(self):
        """The joined rows, as the trainer reads them."""
        status, _, text = http("GET", f"{self.admin}/api/v1/training-data?format=csv", timeout=60)
        assert status == 200, text
        return list(csv.DictReader(io.StringIO(text)))


class LocalServer:
    """A server in this process, on a port of its own. `handle(request)` answers each request, in a thread of its connection: it
    has `command`, `path`, `headers` and `body`, and `answer(status, body, headers)`, whose body is bytes, JSON or nothing."""

    def __init__(self, handle):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # Head and body are one write: a second one would wait for the acknowledgement of the first.

            def handle_any(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = handle_any

            def answer(self, status, body=b"", headers=()):
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class ModelServer(LocalServer):
    """A model server in this process: `answer(path, body)` gives (status, content type, bytes)."""

    def __init__(self, answer):
        def respond(request):
            status, content_type, body = answer(request.path, request.body)
            request.answer(status, body, [("Content-Type", content_type)])
        super().__init__(respond)
