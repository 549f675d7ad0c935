# SPDX-License-Identifier: Apache-2.0
"""Act 3: version v3 is promoted past its gates. Errors rise, v3 is named as the cause, rolled back, and the ticket closed."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

from act import Act
from fleet import Fleet
from history import MINUTES, QuietHistory
from loop import DEMO, MODEL
from processes import http_json

ALERT = "ModelAccuracyDropped"
SQUARE_METRES = 0.09290304  # A square foot.
# Rows and windows that suit a play of two minutes; docs/incidents.md has the defaults.
DIAGNOSE = ["--diagnose.step", "5s", "--diagnose.rate-window", "15s", "--diagnose.baseline", "40m", "--diagnose.lead", "20s"]
WRONG = (f'sum(rate(outrider_outcomes_total{{model_name="{MODEL}",correct="false"%s}}[10s]))'
         f' / sum(rate(outrider_outcomes_total{{model_name="{MODEL}"%s}}[10s]))')


def convert_by_hand(registry):
    """v3, as a person would make it who edits the file of v2: the price of a square metre, and the checksum anew. Everything
    else, the accuracy that it promises too, is still that of v2."""
    shutil.copytree(registry / "v2", registry / "v3")
    for name in ("card.json", "reference.json"):
        about = registry / "v3" / name
        text = about.read_text().replace('"version": "v2"', '"version": "v3"', 1)
        about.write_text(re.sub(r',\n  "hash": "\w+"\n', "\n", text))  # It would not match any more.
    path = registry / "v3" / "model.json"
    file = json.loads(path.read_text())
    if checksum(file["model"]) != file["sha256"]:
        raise RuntimeError(f"{path}: the checksum is not made as expected, so v3 cannot be made by hand")
    size = [feature["name"] for feature in file["model"]["features"]].index("size")
    file["model"]["coefficients"][size] /= SQUARE_METRES
    file["sha256"] = checksum(file["model"])
    path.write_text(json.dumps(file, indent=1) + "\n")


def checksum(model):
    return hashlib.sha256(json.dumps(model, separators=(",", ":")).encode()).hexdigest()


class Act3Fleet(Fleet):
    """The fleet with a second version, a tracker for tickets, and quiet minutes to compare with."""

    ports = {**Fleet.ports, "tickets": 9530}

    def train_first_version(self):
        """v1 learned from an older market, so that v2 is better and passes its gates."""
        for version, more in (("v1", ["--price-per-size", "0.046"]), ("v2", [])):
            sales = self.folder / f"sales-{version}.csv"
            self.run_to_end("sales", [DEMO / "traffic", "--write-sales", "20000", "--seed", "7", "--out", sales, *more])
            self.train(sales)

    def policy_values(self):
        token = self.folder / "tickets-token"
        token.touch(mode=0o600)
        token.write_text("demo\n")
        return {"tickets": self.url("tickets"), "tickets_token": token}

    def start_agent(self):
        self.programs.start("tickets", [sys.executable, DEMO / "tickets", "--listen", self.address["tickets"]])
        self.programs.wait_until_ready("tickets", self.url("tickets", "/-/ready"))
        self.agent_options = [*DIAGNOSE, "--web.external-url", self.url("agent")]
        super().start_agent()

    def start_prometheus(self):
        history = QuietHistory(self.rate)
        history.served(MODEL, MODEL, "v2")
        for job, cpu, megabytes in ((MODEL, 0.04, 40), ("outrider-truth", 0.03, 40), ("outrider-agent", 0.01, 40),
                                    ("outrider-predictor", 0.005, 15)):
            history.process(job, cpu, megabytes)
        history.write(self.folder, self.folder / "prometheus")
        super().start_prometheus()

    def models(self, *words):
        """outrider-predictor models …, as a person types it: (exit status, what it says)."""
        done = subprocess.run([self.program("predictor"), "models", *words, "--registry", self.folder / "registry", "--name", MODEL],
                              capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def issues(self):
        return http_json("GET", self.url("tickets", "/repos/shop/house-price/issues?state=all"))

    def comments(self, number):
        return [one["body"] for one in http_json("GET", self.url("tickets", f"/repos/shop/house-price/issues/{number}/comments"))]


class Act3(Act):
    limits = {"alert fired": 60, "cause named": 75, "rollback verified": 90}
    what = "the promotion"

    def play(self, traffic):
        say, loop = self.say, self.loop
        say(f"Prometheus begins with {MINUTES} quiet minutes that the demo wrote: a diagnosis compares with what is normal")
        accuracy = self.step("a baseline of 800 labels", self.baseline, 90)
        say(f"accuracy of {MODEL} {self.production_version()} is {accuracy:.0%}; no alert fires", "32")
        convert_by_hand(loop.folder / "registry" / MODEL)
        say("somebody converts the model to square metres by hand: v3. Requests still tell square feet")
        status, said = loop.models("promote", "v3")
        if status == 0:
            raise RuntimeError(f"the gates let v3 pass: {said}")
        say(f"models promote v3: {self.refusal(said)}", "33")
        status, said = loop.models("promote", "v3", "--force", "--reason", "the release cannot wait")
        self.cause()
        if status != 0:
            raise RuntimeError(f"v3 could not be promoted by force: {said}")
        say("models promote v3 --force: v3 is production, past its gates", "1;33")

        of_v3 = ',model_version="v3"'
        wrong = self.step("errors rose", lambda: self.share_wrong(of_v3, 0.5), 60)
        say(f"errors rise: {wrong:.0%} of the predictions of v3 are wrong", "33")
        alert = self.step("alert fired", lambda: self.firing(ALERT))
        say(f"{ALERT} fires: {alert['annotations']['description']}", "1;31")
        incident = self.step("incident filed", lambda: self.incident_of(ALERT), 30)
        say(f"incident {incident['id']}: {incident['summary']}", "36")
        told = self.step("cause named", lambda: self.named(incident["id"]))
        say(f"the agent: {told['diagnosis']['sentence']}", "36")
        ticket = self.step("ticket names the cause", self.ticket, 30)
        say(f"ticket {ticket['html_url']} is opened, and told: {self.told_of(ticket)[:80]} …", "36")
        self.step("agent acted", lambda: self.action("rollback", ("sent", "accepted", "succeeded")), 30)
        say("the policy allows it: roll back v3 sent to the deployer", "36")
        job = self.step("every replica serves v2", self.rolled_back, 60)
        say(f"rolled back: v2 is production; {job['message']}")
        right = self.step("rollback verified", self.well_again, 60)
        say(f"verified: {right:.0%} of the predictions of the last ten seconds are right", "32")
        action = self.step("action ended well", lambda: self.action("rollback", ("accepted", "succeeded")), 60)
        say(f"action {action['id']} {action['outcome']}: {action['reason']}", "36")
        self.step("incident closed", lambda: self.incident_is(incident["id"], "resolved"), 90)
        say(f"incident {incident['id']} is closed", "32")
        ending = self.step("ticket closed", self.ticket_closed, 30)
        say(f"ticket {ticket['html_url']} is closed: {ending}", "32")
        self.no_request_failed()

    def baseline(self):
        self.must_be_quiet(ALERT)
        accuracy = self.loop.accuracy(',instance!=""')
        return accuracy if self.loop.labels(',instance!=""') >= 800 and accuracy > 0.93 else None

    @staticmethod
    def refusal(said):
        return next((line for line in said.splitlines() if "refuses" in line), said)[-300:]

    def share_wrong(self, more, at_least):
        share = self.loop.prometheus.scalar(WRONG % (more, more))
        return share if share is not None and share >= at_least else None

    def named(self, incident_id):
        told = http_json("GET", self.loop.url("agent", f"/api/v1/incidents/{incident_id}"))
        diagnosis = told.get("diagnosis") or {}
        if diagnosis.get("verdict") != "cause":
            return None
        if "v3" not in diagnosis["sentence"]:
            raise RuntimeError(f"the cause is v3, the agent says: {diagnosis['sentence']}")
        return told

    def rolled_back(self):
        """The deployer's job: it ends when every replica answers with the version that is production."""
        jobs = http_json("GET", self.loop.url("deployer", "/api/v1/jobs"))["jobs"]
        done = next((job for job in jobs if job["kind"] == "rollback" and job["state"] == "succeeded"), None)
        return done if done and self.production_version() == "v2" else None

    def ticket(self):
        issues = self.loop.issues()
        if len(issues) > 1:
            raise RuntimeError(f"{len(issues)} tickets for one incident: {[issue['title'] for issue in issues]}")
        return issues[0] if issues and "promotion v3" in issues[0]["body"] else None

    @staticmethod
    def told_of(ticket):
        return next(line for line in ticket["body"].splitlines() if "promotion v3" in line)

    def ticket_closed(self):
        issue = self.loop.issues()[0]
        said = self.loop.comments(issue["number"])
        return next((line for line in said if "alerts ended" in line), None) if issue["state"] == "closed" else None

    def well_again(self):
        more = ',model_version="v2"'
        share = self.loop.prometheus.scalar(WRONG % (more, more))
        fresh = self.loop.prometheus.scalar('sum(increase(outrider_outcomes_total{model_version="v2"}[10s]))') or 0
        others = self.loop.prometheus.scalar('sum(rate(outrider_predictions_total{model_version="v3"}[5s]))') or 0
        return 1 - share if share is not None and share < 0.1 and fresh > 200 and others == 0 else None
