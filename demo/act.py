# SPDX-License-Identifier: Apache-2.0
"""What the acts share: a step is told when it is seen, through Prometheus and the HTTP APIs, and timed since the cause."""

import sys
import time

from processes import http_json, wait_for


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


class Act:
    """A play over a Fleet. `limits`: seconds from the cause within which a step must be seen."""

    limits = {}
    what = "the cause"

    def __init__(self, fleet, terminal, patience):
        self.loop, self.patience = fleet, patience
        self.say = terminal.say
        self.caused, self.seen = None, {}

    def cause(self):
        self.caused = time.monotonic()

    def step(self, what, check, seconds=None):
        value = wait_for(what, check, seconds or self.patience)
        if self.caused:
            self.seen[what] = time.monotonic() - self.caused
        return value

    def tell_figures(self):
        self.say(f"seconds after {self.what}:")
        for what, seconds in self.seen.items():
            self.say(f"    {seconds:6.1f}  {what}")

    def check_limits(self):
        late = [f"{what} after {self.seen[what]:.1f} s, not within {limit} s"
                for what, limit in self.limits.items() if self.seen[what] > limit]
        if late:
            raise RuntimeError("; ".join(late))

    def firing(self, name):
        for alert in self.loop.prometheus.alerts():
            if alert["labels"]["alertname"] == name and alert["state"] == "firing":
                return alert
        return None

    def must_be_quiet(self, name):
        if any(alert["labels"]["alertname"] == name for alert in self.loop.prometheus.alerts()):
            raise RuntimeError(f"{name} fires before anything happened")

    def notified(self, name):
        alerts = http_json("GET", self.loop.url("alertmanager", "/api/v2/alerts"))
        return any(alert["labels"]["alertname"] == name for alert in alerts)

    def incidents(self):
        return http_json("GET", self.loop.url("agent", "/api/v1/incidents"))["incidents"]

    def incident_of(self, alert):
        return next((one for one in self.incidents() if any(alert in str(member) for member in one["alerts"])), None)

    def incident_is(self, incident_id, state):
        return any(one["id"] == incident_id and one["state"] == state for one in self.incidents())

    def action(self, kind, outcomes):
        actions = http_json("GET", self.loop.url("agent", "/api/v1/actions"))["actions"]
        return next((one for one in actions if one["kind"] == kind and one["outcome"] in outcomes), None)

    def production_version(self):
        return http_json("GET", self.loop.url("predictor", "/api/v1/models"))["production"]

    def report(self, name="traffic"):
        return self.loop.report(name)

    def tell_evidence(self, incident):
        for line in incident.get("evidence", []):
            self.say(f"    · {line['text'] if isinstance(line, dict) else line}")

    def no_request_failed(self, names=("traffic",)):
        reports = [self.report(name) for name in names]
        failed = sum(report["failed"] for report in reports)
        if failed:
            raise RuntimeError(f"{failed} client requests failed: {[report['failures'] for report in reports]}")
        answered = sum(report["answered"] for report in reports)
        self.say(f"{answered} predictions answered, none failed; labels: {reports[0]['label_results']}")
