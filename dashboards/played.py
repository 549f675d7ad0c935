# SPDX-License-Identifier: Apache-2.0
"""A quarter of an hour in the life of four models, real programs throughout, so that there is something to look at.

house-price   the demo's: the market turns, it is retrained; then callers send large houses, and some lack a feature
fraud         the fraudsters change: its accuracy falls, and nobody retrains it
delivery-eta  its server is slow and fails at times
churn         is well

Only traffic and faults are staged, and the past of what is ahead (past.py); predictor, sidecars, agent, Prometheus and
Alertmanager are the real ones.
"""

import csv
import http.client
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import past
import queries
import story
from processes import free_port, http_json, wait_for

MINUTE = 60
LENGTH = 15 * MINUTE


class Client(threading.Thread):
    """Poisson traffic to a proxy, and the truth about each answer some seconds later."""

    def __init__(self, proxy, labels, rate, ask, seed, delay=6):
        super().__init__(daemon=True)
        self.proxy, self.labels, self.rate, self.ask, self.delay = proxy, labels, rate, ask, delay
        self.random, self.ended, self.due = random.Random(seed), threading.Event(), []

    def run(self):
        connection = None
        while not self.ended.wait(self.random.expovariate(self.rate)):
            try:
                connection = connection or http.client.HTTPConnection(urllib.parse.urlsplit(self.proxy).netloc, timeout=10)
                method, path, body, truth = self.ask(self.random)
                connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200 and truth is not None:
                    self.due.append((time.time() + self.random.uniform(0.5, 1.5) * self.delay,
                                     {"id": answer.headers["X-Prediction-Id"], "label": truth}))
                self.send_labels()
            except (OSError, http.client.HTTPException):
                connection = None  # A fault of the story, or a label that is sent again later.

    def send_labels(self):
        ripe = [label for due, label in self.due if due <= time.time()]
        if len(ripe) >= 10:
            http_json("POST", f"{self.labels}/api/v1/labels", ripe)
            self.due = [(due, label) for due, label in self.due if label not in ripe]


class Served:
    """A model of ours behind a sidecar of its own: `rows(random)` draws (features, truth), `predict(features)` answers."""

    def __init__(self, gallery, name, rows, predict, kind, slow=lambda _: 0.0, fails=0.0):
        self.gallery, self.name, self.rows, self.predict = gallery, name, rows, predict
        self.slow, self.fails, self.random = slow, fails, random.Random(name)
        self.folder = gallery.folder / name
        self.folder.mkdir()
        self.proxy, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.serve()
        self.start_sidecar(self.profile(kind))

    def profile(self, kind):
        with open(self.folder / "train.csv", "w", newline="") as file:
            drawn = [self.rows(self.random) for _ in range(10_000)]
            writer = csv.writer(file)
            writer.writerow([*drawn[0][0], "prediction", "truth"])
            writer.writerows([*features.values(), self.predict(features), truth] for features, truth in drawn)
        reference = self.folder / "reference.json"
        self.gallery.run_to_end(f"profile-{self.name}", [
            self.gallery.program("sidecar").with_name("outrider"), "profile", "--data", self.folder / "train.csv", "--prediction", "prediction",
            "--target", "truth", "--kind", kind, "--model.name", self.name, "--model.version", "7", "--out", reference])
        return reference

    def serve(self):
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(model.slow(model.random))
                failed = model.random.random() < model.fails
                body = b'{"error": "out of memory"}' if failed else json.dumps(
                    {"predictions": [model.predict(row) for row in asked["instances"]]}).encode()
                self.send_response(500 if failed else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def start_sidecar(self, reference):
        configuration = self.folder / "model.yaml"
        configuration.write_text(f'model: {{name: {self.name}, version: "7"}}\n')
        self.gallery.programs.start(self.name, [
            self.gallery.program("sidecar"), "--upstream", f"http://127.0.0.1:{self.server.server_port}",
            "--proxy.listen-address", self.proxy, "--web.listen-address", self.admin, "--data.dir", self.folder / "sidecar",
            "--model.config", configuration, "--reference", reference])
        self.gallery.programs.wait_until_ready(self.name, f"http://{self.admin}/-/ready")

    def ask(self, chance):
        features, truth = self.rows(chance)
        return "POST", f"/v1/models/{self.name}:predict", json.dumps({"instances": [features]}), truth


class Gallery(story.Loop):
    """The demo's loop and three more models."""

    others = ()

    def start_prometheus(self):
        template = story.DEMO / "prometheus.yml"
        more = "".join(f'  - job_name: {other.name}\n    static_configs:\n      - targets: ["{other.admin}"]\n'
                       for other in self.others)
        changed = self.folder / "prometheus-template.yml"
        changed.write_text(template.read_text() + more)
        text = changed.read_text().replace("${rules}", str(self.rules))
        for name, address in self.address.items():
            text = text.replace(f"${{{name}}}", address)
        (self.folder / "prometheus.yml").write_text(text)
        blocks = past.make(self.programs, self.folder / "past", self.program("sidecar").with_name("outrider"),
                           {"job": "outrider-agent", "instance": self.address["agent"]})
        shutil.copytree(blocks, self.folder / "prometheus")
        self.programs.start("prometheus", ["prometheus", f"--config.file={self.folder / 'prometheus.yml'}",
                                           f"--storage.tsdb.path={self.folder / 'prometheus'}",
                                           f"--web.listen-address={self.address['prometheus']}"])
        self.programs.wait_until_ready("prometheus", self.url("prometheus", "/-/ready"))


def fraud(now):
    """Amounts and hours; from minute 6 on the fraudsters work by day."""
    def rows(chance):
        amount, hour = round(chance.lognormvariate(4, 1), 2), chance.randrange(24)
        night = hour < 6 if now() < 6 * MINUTE else 9 <= hour < 15
        return {"amount": amount, "hour": hour}, str((amount > 120 and night) != (chance.random() < 0.04)).lower()
    return rows, lambda row: str(row["amount"] > 120 and row["hour"] < 6).lower()


def eta():
    def rows(chance):
        distance, stops = round(chance.gammavariate(2, 3), 2), chance.randrange(1, 9)
        return {"km": distance, "stops": stops}, round((4 + 3 * distance + 2 * stops) * chance.gauss(1, 0.04), 2)
    return rows, lambda row: 4 + 3 * row["km"] + 2 * row["stops"]


def churn():
    def rows(chance):
        months, calls = chance.randrange(1, 72), min(9, int(chance.expovariate(0.7)))
        return {"months": months, "calls": calls}, str((calls > 2 and months < 24) != (chance.random() < 0.06)).lower()
    return rows, lambda row: str(row["calls"] > 2 and row["months"] < 24).lower()


def large_houses(now):
    """What a new caller asks from minute 5 on: large houses only, and after minute 9 some beyond anything seen."""
    def ask(chance):
        size = chance.uniform(2900, 3600) if now() < 9 * MINUTE or chance.random() < 0.9 else chance.uniform(4000, 6000)
        bedrooms = 6 if chance.random() < 0.7 else 5
        missing = now() > 9 * MINUTE and chance.random() < 0.03
        path = f"/predict?size={size:.0f}" + ("" if missing else f"&bedrooms={bedrooms}")
        return "GET", path, None, None if missing else round(size * 0.05 * 1.08 * chance.gauss(1, 0.05), 3)
    return ask


class Play:
    """The story, minute by minute. `until` waits without missing the end of the length that was asked for."""

    def __init__(self, folder, programs, length=LENGTH):
        self.loop = Gallery(folder, programs, favour_ports=False, rate=45)
        self.loop.sidecar_options = queries.remote_write(self.loop)
        self.loop.agent_options = past.agent_options(folder)
        self.length, self.began, self.clients = length, None, []

    def now(self):
        """Seconds of story time: a shorter play runs through the same minutes faster."""
        return 0.0 if self.began is None else (time.time() - self.began) * LENGTH / self.length

    def until(self, minute):
        time.sleep(max(0.0, minute * MINUTE * self.length / LENGTH - (time.time() - self.began)))

    def run(self):
        def slow(chance):
            return chance.lognormvariate(-2.2, 0.7)

        self.loop.others = [
            Served(self.loop, "fraud", *fraud(self.now), "classification"),
            Served(self.loop, "delivery-eta", *eta(), "regression", slow=slow, fails=0.03),
            Served(self.loop, "churn", *churn(), "classification")]
        traffic = self.loop.start()
        self.began = time.time()
        for other, rate in zip(self.loop.others, (20, 6, 14)):
            for seed in range(2):
                self.client(f"http://{other.proxy}", f"http://{other.admin}", rate / 2, other.ask, seed)
        self.until(3)
        traffic.send_signal(signal.SIGUSR1)
        self.until(5)
        http_json("POST", self.loop.url("agent", "/api/v1/changes"), {
            "kind": "deployment", "model": "house-price", "version": "gateway 14", "summary": "a new partner's callers go live"})
        self.client(self.loop.url("proxy"), self.loop.url("sidecar"), 25, large_houses(self.now), 9)
        self.until(8)
        self.kill_monitor()
        self.until(10)
        self.restart_predictor()
        self.until(15)
        return self.loop

    def client(self, proxy, labels, rate, ask, seed):
        client = Client(proxy, labels, rate, ask, seed)
        client.start()
        self.clients.append(client)

    def kill_monitor(self):
        parent = self.loop.programs.running["sidecar"].pid
        children = [int(word) for word in open(f"/proc/{parent}/task/{parent}/children").read().split()]
        for child in children:
            os.kill(child, signal.SIGKILL)

    def restart_predictor(self):
        self.loop.programs.stop("predictor")
        time.sleep(3)
        self.loop.start_predictor()

    def stop(self):
        for client in self.clients:
            client.ended.set()
        for other in self.loop.others:
            other.server.shutdown()


def models(loop):
    """Those that Prometheus knows, as a check that the whole cast is on stage."""
    return wait_for("four models", lambda: sorted(
        labels["model_name"] for labels, _ in loop.prometheus.query("count by (model_name) (outrider_accuracy_alarm)")), 60)


if __name__ == "__main__":
    sys.exit("run dashboards/preview.py")
