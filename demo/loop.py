# SPDX-License-Identifier: Apache-2.0
"""The loop on one machine: a predictor behind its sidecar, the agent, Prometheus, Alertmanager, traffic, wired to each
other. demo/fleet.py has the same with replicas behind a load balancer."""

import json
import os
import pathlib
import socket
import string
import sys

from processes import Prometheus, free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
MODEL = "house-price"

ACCURACY = ('sum(outrider_outcomes_total{{model_name="{model}",correct="true"{more}}})'
            ' / sum(outrider_outcomes_total{{model_name="{model}"{more}}})')
LABELS = 'sum(outrider_outcomes_total{{model_name="{model}"{more}}})'


def port_for(favourite):
    """The well-known port where it is free, another where it is not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", favourite))
            return favourite
        except OSError:
            return free_port()


class Loop:
    """All programs of the loop, wired to each other."""

    ports = {"predictor": 8080, "proxy": 9500, "sidecar": 9501, "agent": 9510, "prometheus": 9090, "alertmanager": 9093}

    def __init__(self, folder, programs, favour_ports, rate):
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.rate = rate
        chosen = {name: port_for(port) if favour_ports else free_port() for name, port in self.ports.items()}
        self.address = {name: f"127.0.0.1:{port}" for name, port in chosen.items()}
        self.elsewhere = {name: port for name, port in self.ports.items() if favour_ports and chosen[name] != port}
        self.prometheus = Prometheus(self.url("prometheus"))
        self.rules = ROOT / "alerts"
        self.sidecar_options, self.agent_options = [], []

    def url(self, name, path=""):
        return f"http://{self.address[name]}{path}"

    @staticmethod
    def program(name):
        """Of scripts/build, or a sanitizer's build where OUTRIDER_BIN names its folder."""
        return pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin")) / f"outrider-{name}"

    def render(self, name, **values):
        """A file of demo/ with its ${placeholders} filled in."""
        target = self.folder / name
        target.write_text(string.Template((DEMO / name).read_text()).substitute(values))
        return target

    def train_first_version(self):
        sales = self.folder / "sales.csv"
        self.run_to_end("sales", [DEMO / "traffic", "--write-sales", "20000", "--seed", "7", "--out", sales])
        self.train(sales)

    def train(self, sales):
        self.run_to_end("train", [
            self.program("predictor"), "train", "--data", sales, "--target", "price", "--algorithm", "ols",
            "--name", MODEL, "--registry", self.folder / "registry", "--features", "size",
            "--features", "bedrooms", "--split.by", "time", "--split.column", "sold_at", "--promote"])

    def run_to_end(self, name, command, seconds=120):
        process = self.programs.start(name, command)
        if process.wait(seconds) != 0:
            raise RuntimeError(f"{name} failed:\n{self.programs.log(name)[-3000:]}")
        self.programs.running.pop(name)

    def start_predictor(self):
        self.programs.start("predictor", [
            self.program("predictor"), "serve", "--registry", self.folder / "registry", "--name", MODEL,
            "--web.listen-address", self.address["predictor"],
            "--retrain.url", self.url("sidecar", "/api/v1/training-data"),
            "--retrain.wait", "60s", "--retrain.rows-wanted", "1000"])
        self.programs.wait_until_ready("predictor", self.url("predictor", "/-/ready"))

    def start_sidecar(self):
        self.programs.start("sidecar", [
            self.program("sidecar"), "--upstream", self.url("predictor"),
            "--proxy.listen-address", self.address["proxy"], "--web.listen-address", self.address["sidecar"],
            "--data.dir", self.folder / "sidecar", "--model.config", DEMO / "model.yaml",
            "--reference", self.folder / "registry", *self.sidecar_options])
        self.programs.wait_until_ready("sidecar", self.url("sidecar", "/-/ready"))

    def start_agent(self):
        policy = self.render("policy.yaml", predictor=self.url("predictor"))
        self.programs.start("agent", [
            self.program("agent"), "--web.listen-address", self.address["agent"],
            "--data.dir", self.folder / "agent", "--policy", policy,
            "--prometheus.url", self.url("prometheus"), "--labels.sidecars", self.url("sidecar"),
            *self.agent_options])
        self.programs.wait_until_ready("agent", self.url("agent", "/-/ready"))

    def start_alertmanager(self):
        configuration = self.render("alertmanager.yml", agent=self.url("agent"))
        self.programs.start("alertmanager", [
            "prometheus-alertmanager", f"--config.file={configuration}", "--cluster.listen-address=",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address={self.address['alertmanager']}"])
        self.programs.wait_until_ready("alertmanager", self.url("alertmanager", "/-/ready"))

    def start_prometheus(self):
        configuration = self.render(
            "prometheus.yml", rules=self.rules,
            **{name: self.address[name] for name in ("alertmanager", "sidecar", "agent", "predictor")})
        self.programs.start("prometheus", [
            "prometheus", f"--config.file={configuration}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.address['prometheus']}"])
        self.programs.wait_until_ready("prometheus", self.url("prometheus", "/-/ready"))

    def start_traffic(self):
        return self.programs.start("traffic", [
            sys.executable, DEMO / "traffic", "--predict", self.url("proxy"), "--labels", self.url("agent"),
            "--rate", self.rate, "--report", self.folder / "traffic.json"])

    def start(self):
        self.train_first_version()
        self.start_predictor()
        self.start_sidecar()
        self.start_agent()
        self.start_alertmanager()
        self.start_prometheus()
        return self.start_traffic()

    def accuracy(self, more=""):
        return self.prometheus.scalar(ACCURACY.format(model=MODEL, more=more))

    def labels(self, more=""):
        return self.prometheus.scalar(LABELS.format(model=MODEL, more=more)) or 0

    def report(self, name="traffic"):
        return json.loads((self.folder / f"{name}.json").read_text())
