# SPDX-License-Identifier: Apache-2.0
"""Act 2: a load surge at three replicas. Latency and queue rise, the agent scales from 3 pods to 8 pods, latency is well again."""

from act import Act
from fleet import REPLICAS
from loop import MODEL
from processes import http_json

ALERT = "ModelSaturated"
SERVICE_MS = 40  # Of a prediction, one at a time in each replica.
BEARABLE = 1000 / SERVICE_MS  # Requests a second and replica.
CALM_RATE, SURGE_RATE = 40, 100
WANTED = 8
HOLDS_SECONDS = 10
# A bucket of the latency histogram, and the objective that the model's configuration says.
OBJECTIVE_MS = 250
OBJECTIVES = f"objectives: {{latency: {{within: {OBJECTIVE_MS}ms, ratio: 95%}}, saturation: {{in_flight: 6, wanted: 3}}}}\n"
OF_MODEL = f'{{job="{MODEL}"}}'
LATENCY = (f"1000 * histogram_quantile(0.95, sum by (le) (rate(outrider_request_duration_seconds_bucket{OF_MODEL}[10s])))")
IN_FLIGHT = f"avg(outrider_requests_in_flight{OF_MODEL})"
RATE = f"sum(rate(outrider_requests_total{OF_MODEL}[10s]))"


class Act2(Act):
    """More requests come than three replicas can bear; nothing but the number of clients is staged."""

    limits = {"alert fired": 60, "agent acted": 75, "latency verified": 90}
    what = "the surge"

    def play(self, traffic):
        say = self.say
        say(f"each replica works on one prediction at a time, {SERVICE_MS} ms each (waited, not computed, so that few cores "
            f"suffice): it bears {BEARABLE:.0f} a second")
        say(f"{ALERT} is asked to hold for {HOLDS_SECONDS} s here; the rules of production say 1 minute")
        latency = self.step("a calm stretch", self.calm, 60)
        say(f"{REPLICAS} replicas answer {self.ask(RATE):.0f} requests a second, 95 % of them within {latency:.0f} ms; no alert fires",
            "32")
        self.loop.start_traffic("surge", SURGE_RATE, ["--workers", "64", "--never", "1", "--seed", "2"])
        self.cause()
        say(f"the load surges: {SURGE_RATE} more requests a second want an answer; {REPLICAS} replicas bear "
            f"{REPLICAS * BEARABLE:.0f}", "1;33")
        slow = self.step("latency and queue rose", self.slow, 60)
        say(f"latency and queue rise: 95 % within {slow:.0f} ms, {self.ask(IN_FLIGHT):.1f} requests in flight a replica", "33")
        alert = self.step("alert fired", lambda: self.firing(ALERT))
        say(f"{ALERT} fires: {alert['annotations']['description']}", "1;31")
        incident = self.step("incident filed", lambda: self.incident_of(ALERT), 30)
        say(f"incident {incident['id']}: {incident['summary']}", "36")
        job = self.step("agent acted", self.scale_job)
        say(f"the agent: {job['asked']['reason']}", "36")
        if (job["asked"]["from"], job["asked"]["replicas"]) != (REPLICAS, WANTED):
            raise RuntimeError(f"the agent asked to scale from {job['asked']['from']} to {job['asked']['replicas']}")
        self.step(f"{WANTED} replicas ready", lambda: self.loop.deployed()["replicas"] == WANTED, 60)
        say(f"{WANTED} replicas are ready: {', '.join(pod['pod'] for pod in self.loop.deployed()['pods'])}")
        after = self.step("latency verified", self.verified, 60)
        say(f"verified: 95 % of {self.ask(RATE):.0f} requests a second within {after:.0f} ms, {self.ask(IN_FLIGHT):.1f} in flight a "
            f"replica; the objective is {OBJECTIVE_MS} ms", "32")
        action = self.step("action ended well", lambda: self.action("scale", ("accepted", "succeeded")), 60)
        say(f"action {action['id']} {action['outcome']}: {action['reason']}", "36")
        self.step("incident closed", lambda: self.incident_is(incident["id"], "resolved"), 60)
        say(f"incident {incident['id']} is closed", "32")
        self.no_request_failed(("traffic", "surge"))

    def ask(self, query):
        value = self.loop.prometheus.scalar(query)
        return float("nan") if value is None else value

    def calm(self):
        """The latency, once enough was answered to speak of it."""
        self.must_be_quiet(ALERT)
        latency = self.ask(LATENCY)
        return latency if self.ask(f"sum(outrider_requests_total{OF_MODEL})") > 10 * CALM_RATE and latency < OBJECTIVE_MS else None

    def slow(self):
        latency = self.ask(LATENCY)
        return latency if latency > OBJECTIVE_MS and self.ask(IN_FLIGHT) > 6 else None

    def scale_job(self):
        jobs = http_json("GET", self.loop.url("deployer", "/api/v1/jobs"))["jobs"]
        return next((job for job in jobs if job["kind"] == "scale"), None)

    def verified(self):
        """Within the objective, under the whole load: no client gave up."""
        latency = self.ask(LATENCY)
        enough = self.ask(RATE) > REPLICAS * BEARABLE
        return latency if enough and latency < OBJECTIVE_MS and self.ask(IN_FLIGHT) < 6 else None
