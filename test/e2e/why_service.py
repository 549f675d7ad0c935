# SPDX-License-Identifier: Apache-2.0
"""A service as instrumented ones are: `GET /` answers, is counted and logged (a line each, counted by level as Promrus does),
`/metrics` tells of requests, of lines and of the process itself.
With `--uncounted` it counts no lines.
`POST /release?version=v2.1.3` makes it the bad release: it burns a core, keeps 300 MB and fails half of its requests."""

import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY, Counter, Histogram, generate_latest

DURATION = Histogram("http_server_request_duration_seconds", "Requests.", ["http_response_status_code"], buckets=(0.005, 0.05, 0.5))
for code in ("200", "500"):
    DURATION.labels(code)
LINES = Counter("log_messages", "Lines that were logged.", ["level"], registry=None if "--uncounted" in sys.argv else REGISTRY)
for level in ("info", "error"):
    LINES.labels(level)
chance = random.Random(1)
state = {"bad": False}
kept = []


def burn():
    while True:
        sum(i * i for i in range(10_000))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"ok\n"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/metrics":
            return self.answer(200, generate_latest())
        began = time.monotonic()
        status = 500 if state["bad"] and chance.random() < 0.5 else 200
        self.answer(status)
        LINES.labels("info").inc()
        if status == 500:
            LINES.labels("error").inc()
        DURATION.labels(str(status)).observe(time.monotonic() - began)

    def do_POST(self):
        state["bad"] = True
        kept.append(bytearray(b"x" * 300_000_000))
        threading.Thread(target=burn, daemon=True).start()
        self.answer(200)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
