# SPDX-License-Identifier: Apache-2.0
"""Incidents of the development data for `outrider diagnose`: how one is asked, what counts as found, and three simple
rankers of the same rows: the largest absolute z, BARO's robust scorer, and counted alerts (|z| > 3)."""

import csv
import datetime
import functools
import json
import math
import pathlib
import statistics
import subprocess

# Bars of top-1 and top-3. sockshop is not among the development data.
SYSTEMS = {"petshop-low": (0.90, 0.94), "petshop-high": (0.90, 0.94), "nezha-ob": (0.80, 0), "nezha-tt": (0.75, 0)}


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def incidents(root, system, what="cases"):
    """Answers of a system with their files' whole paths; `what`: cases or normal."""
    for path in sorted((pathlib.Path(root) / system / what).glob("*/answer.json")):
        answer = json.loads(path.read_text())
        answer["id"], answer["folder"], answer["at"] = path.parent.name, path.parent, seconds(answer["at"])
        answer["inputs"] = {name: value and (path.parent / value).resolve() for name, value in answer["inputs"].items()}
        answer["window"] = float(answer["window"].removesuffix("s"))
        yield answer


def changes_of(incident):
    """{what: file}, none where the fault has no change."""
    return {path.stem: path for path in sorted((incident["folder"] / "changes").glob("*.jsonl"))} if incident["change"] else {}


def ask(program, incident, late=0, changes=None):
    command = [program, "diagnose", "--json", "--at", str(incident["at"] + late), "--window", f"{incident['window']:g}s"]
    for name in ("metrics", "baseline", "graph", "logs"):
        if incident["inputs"][name]:
            command += [f"--{name}", incident["inputs"][name]]
    if incident["symptom"]["metric"]:
        command += ["--symptom", f"{incident['symptom']['component']}:{incident['symptom']['metric']}"]
    if changes:
        command += ["--changes", changes]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise RuntimeError(f"{incident['folder']}: {run.stderr}")
    return json.loads(run.stdout)


def rank_of(order, incident):
    return order.index(incident["cause"]["component"]) + 1


def blamed_rightly(name, change, incident):
    """Of `true` and `mixed` the change that made the fault must be blamed, of the others none."""
    return change == incident["change"] if name in ("true", "mixed") else change is None


@functools.lru_cache(maxsize=64)
def read_folder(folder):
    """{component: (times, {metric: values})}, None where there is no value."""
    out = {}
    for path in sorted(pathlib.Path(folder).glob("*.csv")):
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        columns = list(zip(*[[float(value) if value else None for value in row] for row in rows], strict=True))
        out[path.stem] = columns[0], dict(zip(header[1:], columns[1:], strict=True))
    return out


def scales(values):
    """Mean, standard deviation, median, interquartile range; a scale of 0 counts as 1."""
    if len(values) < 2:
        return None
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return statistics.fmean(values), statistics.pstdev(values) or 1, middle, high - low or 1


@functools.lru_cache(maxsize=64)
def scales_of_folder(folder):
    return {(component, metric): scales([value for value in values if value is not None])
            for component, (_, metrics) in read_folder(folder).items() for metric, values in metrics.items()}


def simple_rankers(incident, late=0):
    """{ranker: components, the most suspect first}, of all metrics in the window."""
    at = incident["at"] + late
    baseline = incident["inputs"]["baseline"]
    known = scales_of_folder(baseline) if baseline else {}
    z, robust, alerts = {}, {}, {}
    folder = read_folder(incident["inputs"]["metrics"])
    for component, (times, metrics) in folder.items():
        inside = [i for i, time in enumerate(times) if at <= time < at + incident["window"]]
        z[component] = robust[component] = alerts[component] = 0
        for metric, values in metrics.items():
            own = known.get((component, metric)) if baseline else scales(
                [value for time, value in zip(times, values, strict=True) if time < at and value is not None])
            now = [values[i] for i in inside if values[i] is not None]
            if not own or not now:
                continue
            mean, deviation, middle, spread = own
            largest = max(abs(value - mean) for value in now) / deviation
            z[component] = max(z[component], largest)
            alerts[component] += largest > 3
            robust[component] = max(robust[component], max(abs(value - middle) for value in now) / spread)
    return {name: sorted(folder, key=lambda component: -score[component])
            for name, score in (("largest |z|", z), ("BARO's scorer", robust), ("counted alerts", alerts))}


def calm_incidents(root, system, count):
    """Further normal windows: stretches of the baseline; `outrider diagnose` takes them out of it itself."""
    case = next(incidents(root, system))
    baseline = case["inputs"]["baseline"]
    source = baseline if system.startswith("petshop") else case["inputs"]["metrics"]
    times = sorted({time for own, _ in read_folder(baseline).values() for time in own})
    step = statistics.median(b - a for a, b in zip(times, times[1:], strict=False) if b - a >= 30)
    slots = [times[0]]
    for time in times:
        if time - slots[-1] >= step / 2:
            slots.append(time)
    late = 120
    need, found, last = case["window"] + late + 2 * step, [], -math.inf
    for i, time in enumerate(slots):
        inside = [slot for slot in slots[i:i + math.ceil(need / step) + 1] if slot < time + need]
        whole = len(inside) >= math.floor(need / step) and all(
            b - a < 1.5 * step for a, b in zip(inside, inside[1:], strict=False))
        if time > last and whole:
            found.append(time + late + step + 1)
            last = time + need
    picked = [found[i * (len(found) - 1) // max(1, count - 1)] for i in range(min(count, len(found)))]
    for i, at in enumerate(picked):
        metric = ("latency_mean_ms", "availability")[i % 2] if system.startswith("petshop") else None
        yield dict(case, id=f"calm-{i}", at=at, cause=None, change=None, symptom=dict(case["symptom"], metric=metric),
                   inputs=dict(case["inputs"], metrics=source))
