# SPDX-License-Identifier: Apache-2.0
"""What alerts/outrider-accuracy.rules.yml computes, in numpy, for many model versions side by side: for scripts/bench alarm, which
plays years, and for test/e2e/alerts_accuracy_test.py, which compares each step with promtool's."""

import math
import pathlib

import numpy as np
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLEET = yaml.safe_load((ROOT / "alerts" / "parameters.yaml").read_text())["accuracy"]["fleet"]
EVALUATIONS_A_DAY = 24 * 60 * 4  # Every 15 s.


def wilson_upper(rate, labels, z=2.33):
    centre = rate + z * z / (2 * labels)
    half = z * math.sqrt((rate * (1 - rate) + z * z / (4 * labels)) / labels)
    return (centre + half) / (1 + z * z / labels)


def log_weights(null_rate, tempering=1.0):
    """(right, wrong): ln L/eta of each bet, as outrider_accuracy_bet_log_weight (detectors/e_detector.h)."""
    worse = null_rate + 0.01 * 50 ** (np.arange(8) / 7)
    worse = worse[worse < 1]
    both = np.log((1 - worse) / (1 - null_rate)), np.log(worse / null_rate)
    return tuple(np.floor(1e9 * log / tempering) / 1e9 for log in both)


def threshold_log10(monitors, labels, evaluations, days=1.0, versions=1):
    """The evidence at which the alarm is raised: `labels` came in `evaluations` that had any, within `days` (at most 1, the rules' window)."""
    found = [monitors, math.log10(FLEET["evaluations_min"])]
    if evaluations:
        found[0] -= math.log10(labels / evaluations)
        budget = FLEET["false_alarms"]
        found.append(math.log10(evaluations / days * budget["days"] / budget["count"] * versions))
    return max(found)


class Rules:
    """The state of the group outrider-accuracy-alarm, of `lanes` versions with the same reference."""

    def __init__(self, lanes, weights, beginnings=False):
        self.right, self.wrong = weights
        bets = len(self.right)
        self.evidence = np.zeros((lanes, bets))
        self.rest = np.zeros((lanes, bets))
        self.dropped = np.zeros(lanes, bool)
        self.beginnings = beginnings
        if beginnings:
            self.cusum = np.zeros((lanes, bets))
            self.since = np.zeros((2, lanes, bets))  # Right and wrong since the CUSUM was 0.
            self.stamps = None
            self.since_change, self.change = np.zeros((2, lanes)), None

    def step(self, right, wrong, threshold, stamp=0.0):
        """One evaluation, of counts of new labels and the log10 of the threshold. Whether the alarm stands, of each lane."""
        limit = 10.0 ** threshold
        labels = (right + wrong) > 0
        pending = np.where(labels[:, None], np.multiply.outer(wrong, self.wrong) + np.multiply.outer(right, self.right), self.rest)
        factor = np.minimum(pending, FLEET["share_a_scrape"] * math.log(limit))
        self.rest = pending - factor
        opened = labels & ~self.dropped
        self.evidence = (np.minimum(self.evidence, 8 * limit) + opened[:, None]) * np.exp(factor)
        with np.errstate(divide="ignore"):
            found = np.log10(self.evidence.mean(1))
        before = self.dropped
        self.dropped = found >= threshold - FLEET["recovery_digits"] * before
        if self.beginnings:
            self._note_beginnings(factor, right, wrong, labels, before, stamp)
        return self.dropped

    def _note_beginnings(self, factor, right, wrong, labels, before, stamp):
        self.cusum = np.maximum(np.where(before[:, None], 0, self.cusum) + factor, 0)
        if self.stamps is None:
            self.stamps = np.full(self.cusum.shape, stamp)
        self.since = (self.since + np.stack([right, wrong])[:, :, None]) * (self.cusum > 0)
        self.stamps = np.where((self.cusum == 0) & labels[:, None], stamp, self.stamps)
        lanes, leading = np.arange(len(before)), self.evidence.argmax(1)
        stands = self.dropped & before
        self.since_change = np.where(stands, self.since_change + np.stack([right, wrong]), self.since[:, lanes, leading])
        new = self.stamps[lanes, leading]
        self.change = new if self.change is None else np.where(stands, self.change, new)
