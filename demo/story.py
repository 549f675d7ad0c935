#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loop on one machine: a model loses accuracy, is caught, and is mended.

Starts the predictor behind its sidecar, the agent, Prometheus and Alertmanager, sends houses and later
their true prices, and tells each step when it is *seen* through Prometheus, Alertmanager and the HTTP
APIs. Nothing is scripted but the traffic. Ctrl-C stops all of it.
"""

import argparse
import json
import pathlib
import shutil
import signal
import string
import sys
import time

from processes import HttpError, Programs, Prometheus, free_port, http_json, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
MODEL = "house-price"

FAVOURITE_PORTS = {"predictor": 8080, "proxy": 9500, "sidecar": 9501, "agent": 9510,
                   "prometheus": 9090, "alertmanager": 9093}

ACCURACY = ('sum(outrider_outcomes_total{{model_name="{model}",correct="true"{more}}})'
            ' / sum(outrider_outcomes_total{{model_name="{model}"{more}}})')
LABELS = 'sum(outrider_outcomes_total{{model_name="{model}"{more}}})'


class Terminal:
    """One line a step, with the time since the start. Plain text where there is no terminal."""

    def __init__(self):
        self.started = time.monotonic()
        self.colours = sys.stdout.isatty()

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colours else text

    def say(self, text, colour="0"):
        clock = f"{time.monotonic() - self.started:7.1f}s"
        print(f"{self.paint('2', clock)}  {self.paint(colour, text)}", flush=True)


def port_for(name, favour):
    """The well-known port where it is free, another where it is not."""
    import socket
    if favour:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", FAVOURITE_PORTS[name]))
                return FAVOURITE_PORTS[name]
            except OSError:
                pass
    return free_port()


class Loop:
    """All programs of the loop, wired to each other."""

    def __init__(self, folder, programs, favour_ports, rate):
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.rate = rate
        self.address = {name: f"127.0.0.1:{port_for(name, favour_ports)}" for name in FAVOURITE_PORTS}
        self.prometheus = Prometheus(self.url("prometheus"))
        self.report_file = self.folder / "traffic.json"
        self.rules = ROOT / "alerts"
        self.sidecar_options = []

    def url(self, name, path=""):
        return f"http://{self.address[name]}{path}"

    @staticmethod
    def program(name):
        return ROOT / "build" / "bin" / f"outrider-{name}"

    def render(self, name, **values):
        """A file of demo/ with its ${placeholders} filled in."""
        target = self.folder / name
        target.write_text(string.Template((DEMO / name).read_text()).substitute(values))
        return target

    def train_first_version(self):
        sales = self.folder / "sales.csv"
        self.run_to_end("sales", [DEMO / "traffic", "--write-sales", "20000", "--seed", "7", "--out", sales])
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
            "--prometheus.url", self.url("prometheus"), "--labels.sidecars", self.url("sidecar")])
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
            "--rate", self.rate, "--report", self.report_file])

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

    def report(self):
        return json.loads(self.report_file.read_text())


# What happens to the model: the signal that the traffic is sent, what is told of it, and what becomes of its inputs.
CAUSES = {
    "market": (signal.SIGUSR1, "the market turns: every house now sells 8% dearer, and the model does not know", "unchanged"),
    "buyers": (signal.SIGUSR2, "the buyers turn: only houses larger than any of the past sales come, and those are dearer by 10%",
               "changed"),
}


class Act1:
    """The market turns, or the buyers do. Each step waits for what an observer would see, and says it."""

    def __init__(self, loop, terminal, patience, cause):
        self.cause = cause
        self.loop = loop
        self.terminal = terminal
        self.patience = patience
        self.seen_after_turn = {}

    def step(self, what, check, seconds=None):
        value = wait_for(what, check, seconds or self.patience)
        if self.turned:
            self.seen_after_turn[what] = time.monotonic() - self.turned
        return value

    turned = None

    def play(self, traffic):
        say = self.terminal.say
        self.step("predictions in Prometheus", lambda: self.loop.labels() >= 1)
        say("traffic flows through the sidecar, and the first labels are joined")
        before = self.step("a baseline of 1500 labels", self.baseline, 90)
        first = self.production_version()
        say(f"accuracy of {MODEL} {first} is {before:.0%}; no alert fires", "32")
        turn, told, _ = CAUSES[self.cause]
        traffic.send_signal(turn)
        self.turned = time.monotonic()
        say(told, "1;33")

        alert = self.step("alert fired", self.firing_alert)
        self.tell_alert(alert)
        self.step("Alertmanager notified", self.alertmanager_alert)
        say("Alertmanager has it and notifies the agent")
        self.step("incident filed", self.incident)
        incident = self.step("inputs judged", self.judged_incident, 30)
        say(f"incident {incident['id']}: {incident['summary']}", "36")
        for line in incident.get("evidence", []):
            say(f"    · {line['text'] if isinstance(line, dict) else line}")
        action = self.step("agent acted", self.retrain_action)
        say(f"the policy allows it: {action['kind']} sent to the predictor (action {action['id']})", "36")
        version = self.step("new version promoted", lambda: self.new_version(first))
        say(f"version {version} is trained on the sales since the change, passes its gates, is promoted", "36")
        after = self.step("accuracy recovered", lambda: self.recovered(version))
        say(f"accuracy of {MODEL} {version} is {after:.0%} over {self.loop.labels(self.of(version)):.0f} labels", "32")
        self.step("incident closed", lambda: self.incident_is(incident["id"], "resolved"), 90)
        say(f"incident {incident['id']} is closed", "32")
        self.no_request_failed()

    @staticmethod
    def of(version):
        return f',model_version="{version}"'

    def baseline(self):
        if any(a["labels"]["alertname"] == "ModelAccuracyDropped" for a in self.loop.prometheus.alerts()):
            raise RuntimeError("ModelAccuracyDropped fires before anything happened")
        accuracy = self.loop.accuracy()
        return accuracy if self.loop.labels() >= 1500 and accuracy > 0.93 else None

    def production_version(self):
        models = http_json("GET", self.loop.url("predictor", "/api/v1/models"))
        return models["production"]

    def firing_alert(self):
        for alert in self.loop.prometheus.alerts():
            if alert["labels"]["alertname"] == "ModelAccuracyDropped" and alert["state"] == "firing":
                return alert
        return None

    def tell_alert(self, alert):
        description = alert["annotations"]["description"]
        self.terminal.say(f"ModelAccuracyDropped fires: {description}", "1;31")
        if "fell from 9" not in description:
            raise RuntimeError(f"the alert does not say both numbers: {description}")

    def alertmanager_alert(self):
        alerts = http_json("GET", self.loop.url("alertmanager", "/api/v2/alerts"))
        return any(a["labels"]["alertname"] == "ModelAccuracyDropped" for a in alerts)

    def incidents(self):
        return http_json("GET", self.loop.url("agent", "/api/v1/incidents"))["incidents"]

    def incident(self):
        return next((i for i in self.incidents() if "ModelAccuracyDropped" in json.dumps(i)), None)

    def judged_incident(self):
        """The agent compares the inputs since the change with those before it, as soon as there are rows enough."""
        incident = self.incident()
        _, _, inputs = CAUSES[self.cause]
        return incident if incident["inputs"] == inputs else None

    def incident_is(self, incident_id, state):
        return any(i["id"] == incident_id and i["state"] == state for i in self.incidents())

    def retrain_action(self):
        actions = http_json("GET", self.loop.url("agent", "/api/v1/actions"))["actions"]
        wanted = (a for a in actions if a["kind"] == "retrain" and a["outcome"] in ("sent", "succeeded"))
        return next(wanted, None)

    def new_version(self, first):
        version = self.production_version()
        return version if version != first else None

    def recovered(self, version):
        accuracy = self.loop.accuracy(self.of(version))
        return accuracy if self.loop.labels(self.of(version)) >= 500 and accuracy > 0.93 else None

    def no_request_failed(self):
        report = self.loop.report()
        if report["failed"]:
            raise RuntimeError(f"{report['failed']} client requests failed: {report['failures']}")
        self.terminal.say(f"{report['answered']} predictions answered, none failed; labels: {report['label_results']}")


def tell_where(loop, terminal):
    for name, what in (("agent", "incidents, evidence, actions"), ("prometheus", "metrics and alerts"),
                       ("alertmanager", "notifications"), ("sidecar", "the sidecar's /metrics and /api/v1/status")):
        terminal.say(f"    {loop.url(name):28} {what}", "34")
    terminal.say(f"    curl '{loop.url('proxy')}/predict?size=1800&bedrooms=3'", "34")
    terminal.say(f"    logs: {loop.programs.log_folder}", "34")


def tell_figures(act, terminal):
    terminal.say("seconds after the turn:")
    for what, seconds in act.seen_after_turn.items():
        terminal.say(f"    {seconds:6.1f}  {what}")


LIMITS = {"alert fired": 60, "accuracy recovered": 180}


def check_limits(act):
    late = [f"{what} after {act.seen_after_turn[what]:.1f} s, not within {limit} s"
            for what, limit in LIMITS.items() if act.seen_after_turn[what] > limit]
    if late:
        raise RuntimeError("; ".join(late))


def options():
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--check", action="store_true",
        help="play the story without a terminal, on free ports; exit 0 only if every step was observed in time")
    add("--cause", choices=CAUSES, default="market",
        help="market: prices change for the same houses; buyers: other houses come (default: %(default)s)")
    add("--rate", type=float, default=80, help="predictions a second (default: %(default)s)")
    add("--data", default=ROOT / "build" / "run", help="where the programs keep data and logs; emptied at the start")
    add("--patience", type=float, default=180, help="seconds that a step may take (default: %(default)s)")
    return parser.parse_args()


def play(settings, terminal):
    folder = pathlib.Path(settings.data)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Programs(folder / "logs") as programs:
        loop = Loop(folder, programs, favour_ports=not settings.check, rate=settings.rate)
        terminal.say("training the first model on 20000 past sales, then starting predictor, sidecar, agent, "
                     "Alertmanager and Prometheus")
        traffic = loop.start()
        tell_where(loop, terminal)
        act = Act1(loop, terminal, settings.patience, settings.cause)
        act.play(traffic)
        tell_figures(act, terminal)
        if settings.check:
            check_limits(act)
            return
        terminal.say("the story is told; everything goes on running until Ctrl-C", "1")
        while True:
            time.sleep(1)


def main():
    settings = options()
    terminal = Terminal()

    def interrupt(*_):
        raise KeyboardInterrupt

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, interrupt)
    try:
        play(settings, terminal)
        terminal.say("every step was observed", "1;32")
        return 0
    except KeyboardInterrupt:
        terminal.say("stopped: nothing is left running")
        return 0 if not settings.check else 130
    except (TimeoutError, RuntimeError, OSError, HttpError) as error:
        terminal.say(f"not observed: {error}", "1;31")
        return 1


if __name__ == "__main__":
    sys.exit(main())
