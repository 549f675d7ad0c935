# SPDX-License-Identifier: Apache-2.0
"""Pods that export what the accuracy alarm needs, as a promtool test: when each was scraped, and what it had counted by then."""

import pathlib
import subprocess

import yaml
from alarm_rules import ROOT, log_weights

RULES = ROOT / "alerts" / "outrider-accuracy.rules.yml"
STALE = "stale"


def selector(name, labels):
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


class Play:
    """Samples by second, and what is expected of the rules. Evaluated each `every` seconds, at multiples of it."""

    def __init__(self, every=15, step=1):
        self.every, self.step = every, step
        self.samples, self.expressions, self.alerts = {}, [], []

    def sample(self, name, labels, second, value):
        self.samples.setdefault(selector(name, labels), {})[second // self.step] = value

    def expect(self, expression, second, *values):
        """`values` are (labels, value)."""
        self.expressions.append({"expr": expression, "eval_time": f"{second}s", "exp_samples": [
            {"labels": selector("", labels), "value": value} for labels, value in values]})

    def holds(self, condition, second):
        """An expression that gives 1 for whatever it finds, once."""
        self.expect(f"min({condition})", second, ({}, 1))

    def fires(self, second, labels=None, says=None, alert="ModelAccuracyDropped", severity="critical"):
        """Without `labels`: nothing fires."""
        expected = []
        if labels is not None:
            expected.append({"exp_labels": {"severity": severity, "signal": "accuracy"} | labels, "exp_annotations": says})
        self.alerts.append({"eval_time": f"{second}s", "alertname": alert, "exp_alerts": expected})

    @staticmethod
    def values(samples):
        """promtool's notation: gaps are `_`."""
        words, last = [], -1
        for second in sorted(samples):
            if second - last > 1:
                words.append(f"_x{second - last - 1}")
            words.append(str(samples[second]))
            last = second
        return " ".join(words)

    def document(self, rules):
        return {"rule_files": [str(rules)], "evaluation_interval": f"{self.every}s",
                "group_eval_order": ["outrider-accuracy-alarm", "outrider-accuracy-budget"],
                "tests": [{"interval": f"{self.step}s", "promql_expr_test": self.expressions, "alert_rule_test": self.alerts,
                           "input_series": [{"series": series, "values": self.values(samples)}
                                            for series, samples in self.samples.items()]}]}

    def run(self, folder, rules=RULES, promtool="promtool"):
        """(passed, output)"""
        file = pathlib.Path(folder) / "test.yml"
        file.write_text(yaml.safe_dump(self.document(rules), width=10**9))
        done = subprocess.run([promtool, "test", "rules", file.name], cwd=folder, capture_output=True, text=True, timeout=280, check=False)
        return done.returncode == 0, done.stdout + done.stderr


class Pod:
    """One pod's counters of one model version, scraped at `phase` seconds past each interval."""

    def __init__(self, play, name, phase=0, null_rate=0.06, reference=0.95, threshold=6, interval=15, **labels):
        self.play, self.phase, self.interval = play, phase, interval
        self.labels = {"job": "s", "model_name": "m", "model_version": "v1"} | labels | {"pod": name, "instance": f"{name}:9501"}
        self.null_rate, self.reference, self.threshold = null_rate, reference, threshold
        self.counts = {}  # By segment: [right, wrong].
        self.newest = None

    def count(self, right, wrong, segment=None):
        of = self.counts.setdefault(segment, [0, 0])
        of[0] += int(right)
        of[1] += int(wrong)

    def restart(self):
        self.counts = {segment: [0, 0] for segment in self.counts}

    def scrape(self, number, only=None):
        """The scrape of that number; `only` are the values of `correct` that arrive, where remote write brings half of a scrape."""
        second = number * self.interval + self.phase
        for segment, counts in self.counts.items():
            for correct, count in zip(("true", "false"), counts):
                if only is None or correct in only:
                    labels = {"correct": correct} | ({"segment": segment} if segment else {})
                    self.play.sample("outrider_outcomes_total", self.labels | labels, second, count)
        if only is None:
            self.export(second)
        return second

    def export(self, second):
        export = self.play.sample
        export("outrider_accuracy_evidence_threshold", self.labels, second, self.threshold)
        if self.reference is not None:
            export("outrider_accuracy_reference_ratio", self.labels, second, self.reference)
        if self.newest is not None:
            export("outrider_outcomes_newest_prediction_timestamp_seconds", self.labels, second, self.newest)
        if self.null_rate is not None:
            for correct, logs in zip(("true", "false"), log_weights(self.null_rate)):
                for bet, log in enumerate(logs):
                    export("outrider_accuracy_bet_log_weight", self.labels | {"bet": bet, "correct": correct}, second, f"{log:.9f}")

    def gone(self, number):
        """The scrape that fails: what it had becomes stale."""
        second = number * self.interval + self.phase
        for series, samples in self.play.samples.items():
            if f'instance="{self.labels["instance"]}"' in series and max(samples) < second // self.play.step:
                samples[second // self.play.step] = STALE
        return second
