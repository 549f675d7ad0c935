# SPDX-License-Identifier: Apache-2.0
"""Act 1: the model loses accuracy, is caught, and is retrained. Before that a replica is replaced, and no label is lost."""

import json
import signal

from act import Act
from loop import MODEL

# What happens to the model: the signal that the traffic is sent, what is told of it, and what becomes of its inputs.
CAUSES = {
    "market": (signal.SIGUSR1, "the market turns: every house now sells 8% dearer, and the model does not know", "unchanged"),
    "buyers": (signal.SIGUSR2, "the buyers turn: only houses larger than any of the past sales come, and those are dearer by 10%",
               "changed"),
}
ALERT = "ModelAccuracyDropped"


def acknowledged(counts):
    """Labels of a replica's predictions that are on disk: joined, or held until their prediction has come. Each is counted
    when it is sent for the first time; a duplicate is one whose first answer did not arrive."""
    return sum(counts.get(word, 0) for word in ("joined", "early", "duplicate"))


class Act1(Act):
    """The market turns, or the buyers do. Each step waits for what an observer would see, and says it."""

    limits = {"alert fired": 60, "accuracy recovered": 180}
    what = "the turn"

    def __init__(self, fleet, terminal, patience, cause):
        super().__init__(fleet, terminal, patience)
        self.cause_name = cause

    def play(self, traffic):
        say = self.say
        self.step("predictions in Prometheus", lambda: self.loop.labels() >= 1)
        say("traffic flows through the balancer and the sidecars, and the first labels are joined")
        replaced = self.replace_a_replica()
        before = self.step("a baseline of 1500 labels", self.baseline, 90)
        self.no_label_is_lost(replaced)
        first = self.production_version()
        say(f"accuracy of {MODEL} {first} is {before:.0%}; no alert fires", "32")
        turn, told, _ = CAUSES[self.cause_name]
        traffic.send_signal(turn)
        self.cause()
        say(told, "1;33")

        alert = self.step("alert fired", lambda: self.firing(ALERT))
        self.tell_alert(alert)
        self.step("Alertmanager notified", lambda: self.notified(ALERT))
        say("Alertmanager has it and notifies the agent")
        self.step("incident filed", self.incident)
        incident = self.step("inputs judged", self.judged_incident, 30)
        say(f"incident {incident['id']}: {incident['summary']}", "36")
        self.tell_evidence(incident)
        action = self.step("agent acted", lambda: self.action("retrain", ("sent", "accepted", "succeeded")))
        say(f"the policy allows it: {action['kind']} sent to the predictor (action {action['id']})", "36")
        version = self.step("new version promoted", lambda: self.new_version(first))
        say(f"version {version} is trained on the fleet's sales since the change, passes its gates, is promoted", "36")
        after = self.step("accuracy recovered", lambda: self.recovered(version))
        say(f"accuracy of {MODEL} {version} is {after:.0%} over {self.loop.labels(self.of(version)):.0f} labels", "32")
        self.step("incident closed", lambda: self.incident_is(incident["id"], "resolved"), 90)
        say(f"incident {incident['id']} is closed", "32")
        self.no_request_failed()
        self.every_label_found_its_prediction()

    def replace_a_replica(self):
        """(the replica that went, the one that came, labels that were still to come for the first and those that had)."""
        leaving = self.loop.deployed()["pods"][1]["pod"]
        job = self.loop.order("replace", {"pod": leaving})
        counts = self.report()["pods"][leaving]
        waiting = counts["planned"] - acknowledged(counts)
        if waiting <= 0:
            raise RuntimeError(f"no label of {leaving} was on its way when it was replaced: nothing could be lost")
        self.say(f"1 replica was replaced ({job['message']}) while {waiting} labels of its predictions were on their way", "33")
        return leaving, counts

    def no_label_is_lost(self, replaced):
        leaving, then = replaced

        def all_came():
            now = self.report()["pods"][leaving]
            lost = {word: count for word, count in now.items() if word not in ("planned", "joined", "early", "duplicate")}
            if lost:
                raise RuntimeError(f"labels of {leaving}, which was replaced, were lost: {lost}")
            return acknowledged(now) == now["planned"] and now

        now = self.step("the labels of the replica that was replaced", all_came, 60)
        coming = now["planned"] - acknowledged(then)
        self.say(f"1 replica was replaced; {acknowledged(now) - acknowledged(then)} of {coming} labels joined", "32")

    def every_label_found_its_prediction(self):
        results = self.report()["label_results"]
        lost = {word: count for word, count in results.items() if word not in ("joined", "early", "duplicate")}
        if lost or self.loop.truth()["lost"]:
            raise RuntimeError(f"labels found no prediction: {lost}; predictions lost: {self.loop.truth()['lost']}")

    @staticmethod
    def of(version):
        return f',model_version="{version}"'

    def baseline(self):
        self.must_be_quiet(ALERT)
        accuracy = self.loop.accuracy()
        return accuracy if self.loop.labels() >= 1500 and accuracy > 0.93 else None

    def tell_alert(self, alert):
        description = alert["annotations"]["description"]
        self.say(f"{ALERT} fires: {description}", "1;31")
        if "fell from 9" not in description:
            raise RuntimeError(f"the alert does not say both numbers: {description}")

    def incident(self):
        return next((one for one in self.incidents() if ALERT in json.dumps(one)), None)

    def judged_incident(self):
        """The agent compares the inputs since the change with those before it, as soon as there are rows enough."""
        incident = self.incident()
        _, _, inputs = CAUSES[self.cause_name]
        return incident if incident["inputs"] == inputs else None

    def new_version(self, first):
        version = self.production_version()
        return version if version != first else None

    def recovered(self, version):
        accuracy = self.loop.accuracy(self.of(version))
        return accuracy if self.loop.labels(self.of(version)) >= 500 and accuracy > 0.93 else None
