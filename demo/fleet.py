# SPDX-License-Identifier: Apache-2.0
"""The loop with replicas: a load balancer (HAProxy), a deployer that starts and stops replicas of the predictor with
their sidecars, and a label store: an agent that keeps what the sidecars ship and joins the labels, so that a replica may
go while labels of its predictions are still to come.

The predictor at port 8080 serves no traffic: it holds the registry for people, for retraining and for the deployer."""

import json
import re
import secrets
import shutil
import socket
import sys

from loop import DEMO, MODEL, ROOT, Loop
from processes import http_json, wait_for

REPLICAS = 3
TOOLS = ("prometheus", "prometheus-alertmanager", "haproxy")


def tool(name):
    """Where it is; Debian has servers in a folder that only root's path names."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def missing_tools():
    names = [name for name in TOOLS if not tool(name)]
    names += [str(path) for path in map(Loop.program, ("predictor", "sidecar", "monitor", "agent")) if not path.exists()]
    return names


class Fleet(Loop):
    ports = {**Loop.ports, "truth": 9511, "deployer": 9520, "balancer-control": 9521}

    def __init__(self, folder, programs, favour_ports, rate, policy="policy.yaml", objectives="", predictor_options=(), hasty=()):
        super().__init__(folder, programs, favour_ports, rate)
        self.policy, self.objectives, self.predictor_options = policy, objectives, [str(word) for word in predictor_options]
        self.hasty = dict(hasty)
        self.token_file = self.folder / "token"
        self.agent_options = []

    def model_config(self):
        path = self.folder / "model.yaml"
        path.write_text((DEMO / "model.yaml").read_text() + self.objectives)
        return path

    def shipped_rules(self):
        """Production's rules. What an act cannot wait for is asked to hold for a shorter time; nothing else is changed."""
        folder = self.folder / "rules"
        folder.mkdir()
        found = set()
        for file in (ROOT / "alerts").glob("*.rules.yml"):
            text = file.read_text()
            for alert, seconds in self.hasty.items():
                text, count = re.subn(rf"(- alert: {alert}\n(?:(?!- alert:).*\n)*?\s+for: )\w+", rf"\g<1>{seconds}s", text)
                found |= {alert} if count else set()
            (folder / file.name).write_text(text)
        if found != set(self.hasty):
            raise RuntimeError(f"alerts/ has no alert {', '.join(set(self.hasty) - found)}")
        return folder

    def start_registry(self):
        self.programs.start("predictor", [
            self.program("predictor"), "serve", "--registry", self.folder / "registry", "--name", MODEL,
            "--web.listen-address", self.address["predictor"],
            "--retrain.url", self.url("truth", f"/api/v1/training-data?model={MODEL}"),
            "--retrain.url-token-file", self.token_file, "--retrain.wait", "60s", "--retrain.rows-wanted", "1000"])
        self.programs.wait_until_ready("predictor", self.url("predictor", "/-/ready"))

    def start_truth(self):
        """Joined rows of a whole fleet hold its features, so this agent asks for a token; the one with the page does not."""
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(secrets.token_hex(16) + "\n")
        self.programs.start("truth", [
            self.program("agent"), "--web.listen-address", self.address["truth"], "--data.dir", self.folder / "truth",
            "--truth.enabled", "--web.bearer-token-file", self.token_file])
        self.programs.wait_until_ready("truth", self.url("truth", "/-/ready"))

    def start_balancer(self):
        balancer = self.render("haproxy.cfg", balancer=self.address["proxy"], runtime=self.address["balancer-control"])
        process = self.programs.start("haproxy", [tool("haproxy"), "-db", "-f", balancer])
        host, _, port = self.address["balancer-control"].rpartition(":")

        def listens():
            if process.poll() is not None:
                raise RuntimeError(f"HAProxy ended with status {process.returncode}:\n{self.programs.log('haproxy')[-2000:]}")
            socket.create_connection((host, int(port)), timeout=1).close()
            return True

        wait_for("HAProxy's runtime API", listens, 20)

    def start_deployer(self):
        settings = self.folder / "deployer.json"
        settings.write_text(json.dumps({
            "listen": self.address["deployer"], "runtime": self.address["balancer-control"], "balancer": self.address["proxy"],
            "binaries": str(self.program("agent").parent), "folder": str(self.folder / "pods"), "workload": MODEL, "model": MODEL,
            "registry": str(self.folder / "registry"), "registry_url": self.url("predictor"), "truth": self.url("truth"),
            "token_file": str(self.token_file), "agent": self.url("agent"), "model_config": str(self.model_config()),
            "targets_file": str(self.folder / "targets.json"), "logs": str(self.programs.log_folder),
            "predictor_options": self.predictor_options, "first_admin": self.address["sidecar"], "replicas": REPLICAS}))
        self.programs.start("deployer", [sys.executable, DEMO / "deployer", "--settings", settings])
        self.programs.wait_until_ready("deployer", self.url("deployer", "/-/ready"), 60)

    def start_agent(self):
        policy = self.render(self.policy, predictor=self.url("predictor"), deployer=self.url("deployer"), **self.policy_values())
        self.programs.start("agent", [
            self.program("agent"), "--web.listen-address", self.address["agent"], "--data.dir", self.folder / "agent",
            "--policy", policy, "--prometheus.url", self.url("prometheus"), *self.agent_options])
        self.programs.wait_until_ready("agent", self.url("agent", "/-/ready"))

    def policy_values(self):
        return {}

    def start_prometheus(self):
        configuration = self.render(
            "prometheus-fleet.yml", rules=self.shipped_rules(), targets=self.folder / "targets.json", token_file=self.token_file,
            **{name: self.address[name] for name in ("alertmanager", "truth", "agent", "predictor")})
        self.programs.start("prometheus", [
            "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address={self.address['prometheus']}"])
        self.programs.wait_until_ready("prometheus", self.url("prometheus", "/-/ready"))

    def start_traffic(self, name="traffic", rate=None, options=()):
        return self.programs.start(name, [
            sys.executable, DEMO / "traffic", "--predict", self.url("proxy"), "--labels", self.url("truth"),
            "--token-file", self.token_file, "--rate", rate or self.rate, "--report", self.folder / f"{name}.json", *options])

    def start(self):
        self.train_first_version()
        self.start_truth()
        self.start_registry()
        self.start_balancer()
        self.start_deployer()
        self.start_agent()
        self.start_alertmanager()
        self.start_prometheus()
        return self.start_traffic()

    def truth(self):
        token = self.token_file.read_text().strip()
        return http_json("GET", self.url("truth", "/api/v1/truth"), headers={"Authorization": f"Bearer {token}"})

    def deployed(self):
        return http_json("GET", self.url("deployer", "/api/v1/status"))

    def order(self, kind, asked):
        """What the deployer made of it; RuntimeError where it failed."""
        job = http_json("POST", self.url("deployer", f"/api/v1/{kind}"), asked)

        def ended():
            state = http_json("GET", self.url("deployer", f"/api/v1/jobs/{job['id']}"))
            if state["state"] == "failed":
                raise RuntimeError(f"the deployer could not {kind}: {state['message']}")
            return state if state["state"] == "succeeded" else None

        return wait_for(f"the deployer's {kind}", ended, 60)
