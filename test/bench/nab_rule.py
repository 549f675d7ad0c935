# SPDX-License-Identifier: Apache-2.0
"""NAB's scoring rule, as the benchmark's authors wrote it down (Lavin & Ahmad 2015, "Evaluating Real-time
Anomaly Detection Algorithms"): early detections in a window count most, every flagged row outside costs.

Rows below the probation are not scored. S(x) = 2 / (1 + e^5x) - 1, and -1 beyond x = 3. The first-best flagged row
i of a window [a, z] brings tp S(-(z-i+1)/(z-a+1)) / S(-1); a window without costs fn; a flagged row outside costs
fp S((i-z')/(z'-a')) by the window [a', z'] before it, or fp. One threshold serves the whole corpus.
"""

import collections
import csv
import math
import random

Profile = collections.namedtuple("Profile", "tp fp fn")
PROFILES = {"standard": Profile(1, 0.11, 1), "low false positives": Profile(1, 0.22, 1),
            "low false negatives": Profile(1, 0.11, 2)}


class Labelled(collections.namedtuple("Labelled", "name rows windows")):
    """One file of the corpus: its number of rows, and its windows as inclusive pairs of rows."""

    @property
    def probation(self):
        return min(math.floor(0.15 * self.rows), 750)


def read_windows(path):
    """The corpus by file name, from windows.csv."""
    corpus = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            one = corpus.setdefault(row["file"], Labelled(row["file"], int(row["rows"]), []))
            if row["window_start_row"]:
                one.windows.append((int(row["window_start_row"]), int(row["window_end_row_inclusive"])))
    return corpus


def sigmoid(x):
    return -1.0 if x > 3 else 2 / (1 + math.exp(5 * x)) - 1


def worth(labelled, row, profile):
    """(window's index or None, what a flag at this row brings)."""
    before = None
    for index, (first, last) in enumerate(labelled.windows):
        if first <= row <= last:
            part = (last - row + 1) / (last - first + 1)
            return index, profile.tp * sigmoid(-part) / sigmoid(-1)
        if last < row:
            before = first, last
    if before is None:
        return None, -profile.fp
    first, last = before
    return None, profile.fp * sigmoid((row - last) / (last - first))


def curve(corpus, scores, profile=PROFILES["standard"]):
    """[(threshold, normalised score)] at every score that occurs, highest threshold first. `scores` has a list a
    file; the corpus may be a part of all files."""
    events = []
    for name, labelled in corpus.items():
        for row in range(labelled.probation, labelled.rows):
            if scores[name][row] > 0:
                events.append((scores[name][row], name, row))
    events.sort(key=lambda event: -event[0])
    windows = sum(len(labelled.windows) for labelled in corpus.values())
    full = (profile.tp + profile.fn) * windows
    raw_above_nothing, best, points, at = 0.0, {}, [(math.inf, 0.0)], 0
    while at < len(events):
        threshold = events[at][0]
        while at < len(events) and events[at][0] == threshold:
            _, name, row = events[at]
            window, value = worth(corpus[name], row, profile)
            if window is None:
                raw_above_nothing += value
            elif (name, window) not in best:
                best[name, window] = value
                raw_above_nothing += value + profile.fn
            elif value > best[name, window]:
                raw_above_nothing += value - best[name, window]
                best[name, window] = value
            at += 1
        points.append((threshold, 100 * raw_above_nothing / full if full else 0.0))
    return points


def at_threshold(points, threshold):
    """The score that a threshold brings: that of the lowest occurring score at or above it."""
    value = 0.0
    for score, reached in points:
        if score < threshold:
            break
        value = reached
    return value


def best_threshold(points):
    """(threshold, score), the threshold half-way to the next lower score, so that it carries over to others."""
    index = max(range(len(points)), key=lambda i: points[i][1])
    threshold = points[index][0]
    if index + 1 < len(points) and math.isfinite(threshold):
        threshold = (threshold + points[index + 1][0]) / 2
    return threshold, points[index][1]


def crossed(corpus, scores, profile=PROFILES["standard"], halves=200, seed=1):
    """The mean score of a half with the threshold that was best on the other, over random halves, both ways."""
    order, chance, reached = sorted(corpus), random.Random(seed), []
    for _ in range(halves):
        chance.shuffle(order)
        middle = len(order) // 2
        parts = [{name: corpus[name] for name in part} for part in (order[:middle], order[middle:])]
        if not all(any(labelled.windows for labelled in part.values()) for part in parts):
            continue
        curves = [curve(part, scores, profile) for part in parts]
        for fitted, judged in (curves, curves[::-1]):
            reached.append(at_threshold(judged, best_threshold(fitted)[0]))
    return sum(reached) / len(reached)
