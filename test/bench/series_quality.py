# SPDX-License-Identifier: Apache-2.0
"""The series scorer set by set, beside the simplest rules: a z-score of the value over one day and over seven, and of the
step from sample to sample over seven days.

Cloud metrics: F1 of labelled events at each scorer's best threshold. Everybody has one refractory day: after a flag, none
for a day. An event is found if a flag lies in it; a flag outside of all is false. NAB: the standard score at the best
threshold, and "crossed", the threshold of random halves on the others (nab_rule.py); there the z-scores have a refractory
day, too, within which only higher scores count.
"""

import csv
import datetime
import math
import os
import pathlib
import subprocess
import tempfile

import nab_rule

DAY = 86400
CANDIDATES = 120  # Thresholds that are tried.


def data_folder(root):
    folder = pathlib.Path(os.environ.get("OUTRIDER_SHARED_DATA", root.parent / "shared" / "data"))
    return folder if (folder / "series").is_dir() and (folder / "nab").is_dir() else None


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=datetime.UTC).timestamp() for row in rows]
    return times, [float(row["value"] or "nan") for row in rows], [row.get("label") == "1" for row in rows]


def events(labels):
    found, begin = [], None
    for row, is_one in enumerate([*labels, False]):
        if is_one and begin is None:
            begin = row
        elif not is_one and begin is not None:
            found.append((begin, row - 1))
            begin = None
    return found


def z_scores(times, values, days, of_steps):
    """How many deviations from the mean of the days before; 0 for the first 20 samples."""
    series = [0.0, *(b - a for a, b in zip(values, values[1:]))] if of_steps else values
    gaps = sorted(b - a for a, b in zip(times, times[1:]))
    window = max(2, int(days * DAY / max(gaps[len(gaps) // 2], 1e-3)))
    anchor = next((value for value in series if math.isfinite(value)), 0.0)
    sums, squares, counts, scores = [0.0], [0.0], [0], []
    for row, value in enumerate(series):
        first = max(0, row - window)
        count = counts[row] - counts[first]
        known = math.isfinite(value)
        score = 0.0
        if known and count >= 20:
            mean = (sums[row] - sums[first]) / count
            variance = max(0.0, (squares[row] - squares[first]) / count - mean * mean)
            score = abs(value - anchor - mean) / (math.sqrt(variance) + 1e-9 * abs(mean) + 1e-12)
        scores.append(score)
        off = value - anchor if known else 0.0
        sums.append(sums[-1] + off)
        squares.append(squares[-1] + off * off)
        counts.append(counts[-1] + known)
    return scores


def f1(files, threshold):
    """files: (times, rows by falling score, scores, events)."""
    found = false = all_events = 0
    for times, ranked, scores, labelled in files:
        all_events += len(labelled)
        flagged = []
        for row in ranked:
            if scores[row] < threshold:
                break
            flagged.append(row)
        hit, last = set(), -math.inf
        for row in sorted(flagged):
            if times[row] - last <= DAY:
                continue
            last = times[row]
            event = next((index for index, (first, end) in enumerate(labelled) if first <= row <= end), None)
            if event is None:
                false += 1
            else:
                hit.add(event)
        found += len(hit)
    return 2 * found / (found + false + all_events) if found else 0.0


def best_f1(tables, scores):
    files = []
    for name, (times, _, labels) in tables.items():
        one = scores[name]
        ranked = sorted((row for row in range(len(one)) if one[row] > 0), key=lambda row: -one[row])
        files.append((times, ranked, one, events(labels)))
    values = sorted({round(one[row], 6) for _, ranked, one, _ in files for row in ranked[:200]}, reverse=True)
    picked = values[::max(1, len(values) // CANDIDATES)]
    return max(f1(files, threshold) for threshold in picked) if picked else 0.0


def ours(program, folder):
    """By the path below the folder, as the backtest keeps names."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([program, "backtest", "--input", folder, "--output", scratch], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        scores = {}
        for path in pathlib.Path(scratch).rglob("*.csv"):
            with open(path, newline="") as file:
                scores[path.relative_to(scratch).as_posix()] = [float(row["score"]) for row in csv.DictReader(file)]
        return scores


def once_a_day(times, scores):
    """With a refractory period like ours: after a score, for a day only higher ones remain."""
    kept, peak, since = [], 0.0, -math.inf
    for at, score in zip(times, scores, strict=True):
        if at - since > DAY:
            peak = 0.0
        kept.append(score if score > peak else 0.0)
        if score > peak:
            peak, since = score, at
    return kept


def nab_scores(corpus, scores):
    thin = {}
    for name, one in scores.items():
        floor = sorted(one[corpus[name].probation:], reverse=True)[:1500][-1]
        thin[name] = [score if score >= floor else 0.0 for score in one]
    return nab_rule.best_threshold(nab_rule.curve(corpus, thin))[1], nab_rule.crossed(corpus, thin, halves=30)


def report(program, root):
    """Prints the table; rows for --json."""
    data = data_folder(root)
    if data is None:
        print("no development data: set OUTRIDER_SHARED_DATA, or put it at ../shared/data")
        return []
    cloud = {path.relative_to(data / "series").as_posix(): read(path) for path in sorted((data / "series").rglob("*.csv"))}
    corpus = nab_rule.read_windows(data / "nab" / "windows.csv")
    nab = {name: read(data / "nab" / "series" / name) for name in corpus}
    scorers = {"outrider": (ours(program, data / "series"), ours(program, data / "nab" / "series"))}
    for label, days, of_steps in (("z of the value, 1 day", 1, False), ("z of the value, 7 days", 7, False),
                                  ("z of the step, 7 days", 7, True)):
        scorers[label] = tuple({name: z_scores(times, values, days, of_steps) for name, (times, values, _) in tables.items()}
                               for tables in (cloud, nab))
        of_cloud, of_nab = scorers[label]
        scorers[label] = of_cloud, {name: once_a_day(nab[name][0], one) for name, one in of_nab.items()}
    groups = sorted({name.split("/")[-2] for name in cloud})
    print(f"{'':24}{'cloud F1':>10}" + "".join(f"{group[:18]:>20}" for group in groups) + f"{'NAB':>8}{'crossed':>9}")
    rows, mine = [], {}
    for label, (of_cloud, of_nab) in scorers.items():
        by_group = [best_f1({name: one for name, one in cloud.items() if name.split("/")[-2] == group}, of_cloud) for group in groups]
        whole = best_f1(cloud, of_cloud)
        standard, crossed = nab_scores(corpus, of_nab)
        print(f"{label:24}{whole:10.3f}" + "".join(f"{one:20.3f}" for one in by_group) + f"{standard:8.1f}{crossed:9.1f}", flush=True)
        for metric, value, unit in (("cloud metrics, F1", whole, "F1"), ("NAB, standard", standard, "NAB points")):
            if label == "outrider":
                mine[metric] = value
                rows.append({"bench": "series", "metric": metric, "value": value, "unit": unit, "better": "higher", "runs": 1})
            else:
                ratio = mine[metric] / value if value > 0 else None
                rows.append({"bench": "series", "metric": metric, "value": mine[metric], "unit": unit, "better": "higher", "peer": label,
                             "peer_value": value, "ratio": ratio, "runs": 1, "min": ratio, "max": ratio})
    return rows
