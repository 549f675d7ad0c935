# SPDX-License-Identifier: Apache-2.0
"""Pods that export what the accuracy alarm needs, as a promtool test: when each was scraped, and what it had counted by then."""

import pathlib
import subprocess

import numpy as np
import yaml
from alarm_rules import ROOT, Rules, log_weights, threshold_log10

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


def play_of_numpy(seed, scrapes):
    """One pod with random counts of random sizes, silence among them, two falls and two recoveries: every number that the rules keep
    must be what alarm_rules.py computes. Also how often the alarm was raised."""
    random = np.random.default_rng(seed)
    play, weights = Play(), log_weights(0.06)
    pod = Pod(play, "a", 4)
    pod.count(0, 0)
    pod.newest = 1000
    pod.scrape(0)
    rules = Rules(1, weights, beginnings=True)
    rules.step(np.array([0]), np.array([0]), 6, 1000)
    labels = evaluations = raised = 0
    for number in range(1, scrapes):
        fallen = 0.2 < number / scrapes < 0.33 or 0.64 < number / scrapes < 0.78
        count = int(random.choice([0, 3, 60, 400, 1000], p=[0.2, 0.2, 0.3, 0.2, 0.1]))
        wrong = int(random.binomial(count, 0.28 if fallen else 0.02))
        pod.count(count - wrong, wrong)
        pod.newest = 1000 + number if count else pod.newest
        pod.scrape(number)
        threshold, before = threshold_log10(6, labels, evaluations), rules.dropped[0]
        rules.step(np.array([count - wrong]), np.array([wrong]), threshold, pod.newest)
        raised += int(rules.dropped[0] and not before)
        labels, evaluations = labels + count, evaluations + (count > 0)
        expect_state(play, 15 * (number + 1), rules, threshold)
    return play, raised


def expect_state(play, second, rules, threshold):
    play.holds(f"abs(model:outrider_accuracy_evidence_threshold:log10 - {threshold:.12f}) < bool 1e-8", second)
    play.holds(f"model:outrider_accuracy_dropped:bool == bool {int(rules.dropped[0])}", second)
    for bet in range(rules.evidence.shape[1]):
        evidence, cusum = float(rules.evidence[0, bet]), float(rules.cusum[0, bet])
        play.holds(f'abs(model:outrider_accuracy_bet:evidence{{bet="{bet}"}} - {evidence!r}) <= bool {1e-6 * evidence + 1e-300!r}', second)
        play.holds(f'abs(model:outrider_accuracy_bet:cusum{{bet="{bet}"}} - {cusum!r}) < bool 1e-6', second)
    for correct, since in zip(("true", "false"), rules.since_change[:, 0], strict=True):
        play.holds(f'model:outrider_labels_since_change:sum{{correct="{correct}"}} == bool {float(since)!r}', second)
    play.holds(f"model:outrider_accuracy_change:timestamp_seconds == bool {float(rules.change[0])!r}", second)
