# SPDX-License-Identifier: Apache-2.0
"""Programs started, watched and stopped: what the demo and the end-to-end tests share.

    with Programs(log_folder) as programs:
        port = free_port()
        sidecar = programs.start("sidecar", [path, "--web.listen-address", f"127.0.0.1:{port}"])
        programs.wait_until_ready("sidecar", f"http://127.0.0.1:{port}/-/ready")

Leaving the block stops every program by its process id, also when it is left by an exception.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

_held = []


def free_port():
    """A loopback TCP port that is ours until this process ends: a bound socket, which never listens, keeps other
    processes and outgoing connections away, also while a program is down for a restart. A server may listen on it
    because it sets SO_REUSEADDR, as all do."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))  # Not yet shared: the kernel gives a port that nobody else holds.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(holder)
    return holder.getsockname()[1]


class HttpError(Exception):
    """An answer that is no 2xx, with its status and body."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:500]}")
        self.status = status
        self.body = body


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def http(method, url, body=None, headers=None, timeout=10):
    """(status, headers, text) of any answer; raises OSError when there is none."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    if data is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/json")
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode("utf-8", "replace")


def http_json(method, url, body=None, headers=None, timeout=10):
    """The answer's JSON; raises HttpError when the status is no 2xx."""
    status, _, text = http(method, url, body, headers, timeout)
    if not 200 <= status < 300:
        raise HttpError(status, text)
    return json.loads(text) if text.strip() else None


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, url):
        self.url = url

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        query = urllib.parse.urlencode({"query": expression})
        answer = http_json("GET", f"{self.url}/api/v1/query?{query}")
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def scalar(self, expression):
        """The value of a query with one result; None when it has none."""
        rows = self.query(expression)
        return rows[0][1] if rows else None

    def alerts(self):
        return http_json("GET", f"{self.url}/api/v1/alerts")["data"]["alerts"]


def wait_for(what, check, seconds, every=0.1):
    """Polls until `check` gives something true, and gives that; TimeoutError names what was awaited."""
    deadline = time.monotonic() + seconds
    last_error = None
    while True:
        try:
            value = check()
            if value:
                return value
            last_error = None
        except (OSError, HttpError, ValueError, KeyError, IndexError) as error:
            last_error = error
        if time.monotonic() > deadline:
            detail = f" (last error: {last_error})" if last_error else ""
            raise TimeoutError(f"{what}: not seen within {seconds:g} s{detail}")
        time.sleep(every)


class Programs:
    """Child processes, each with a log file of its own, all stopped when the block ends."""

    def __init__(self, log_folder, stop_seconds=15):
        self.log_folder = pathlib.Path(log_folder)
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self.stop_seconds = stop_seconds
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def start(self, name, command, environment=None, folder=None):
        """Starts `command`; its output goes to <log_folder>/<name>.log. Signals sent to our terminal
        do not reach it: we stop it ourselves, in order."""
        with open(self.log_path(name), "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )
        self.running[name] = process
        return process

    def log_path(self, name):
        return self.log_folder / f"{name}.log"

    def log(self, name):
        return self.log_path(name).read_text(errors="replace")

    def wait_until_ready(self, name, url, seconds=30):
        """Waits until the URL answers 200; says the log's end when the program died instead."""

        def ready():
            code = self.running[name].poll()
            if code is not None:
                raise RuntimeError(f"{name} ended with status {code}:\n{self.log(name)[-3000:]}")
            return http("GET", url, timeout=2)[0] == 200

        wait_for(f"{name} ready at {url}", ready, seconds, every=0.05)

    def stop(self, name, with_signal=signal.SIGTERM):
        """Its exit status. A program that does not end in time is killed."""
        process = self.running.pop(name)
        if process.poll() is None:
            process.send_signal(with_signal)
            try:
                process.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def stop_all(self):
        for name in reversed(list(self.running)):
            self.stop(name)
