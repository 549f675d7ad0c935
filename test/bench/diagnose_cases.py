# SPDX-License-Identifier: Apache-2.0
"""Incidents of the development data for `outrider diagnose`: how one is asked, what counts as found, and three simple
rankers of the same rows: the largest absolute z, BARO's robust scorer, and counted alerts (|z| > 3)."""

import csv
import datetime
import functools
import json
import math
import pathlib
import random
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


def involved(graph, cause):
    """The cause, whoever calls it and whom it calls, by any number of calls: their lines may be the fault's."""
    with open(graph, newline="") as file:
        calls = [(row["caller"], row["callee"]) for row in csv.DictReader(file)]
    found = {cause}
    for here, there in ((1, 0), (0, 1)):
        reached, to_do = {cause}, [cause]
        for one in to_do:
            new = {call[there] for call in calls if call[here] == one} - reached
            reached |= new
            to_do += new
        found |= reached
    return found


def calm_lines(root, system, path, seed, by_level):
    """Writes counts of lines for each minute of the baseline as in normal times; False where the system has no logs.

    The system's logs are of minutes with a fault somewhere. Their runs of neighbouring minutes are drawn anew, with
    replacement; a component that the run's fault may have touched has its lines of another run, which touched it not, if
    there is one. So bursts stay, and so does what components log together. `by_level`: "ERROR" instead of "ERROR a.b#12"."""
    cases = list(incidents(root, system))
    inputs, chance = cases[0]["inputs"], random.Random(seed)
    if not inputs["logs"]:
        return False
    minutes = {}
    with open(inputs["logs"], newline="") as file:
        for row in csv.DictReader(file):
            site = row["template_or_level"].split()[0] if by_level else row["template_or_level"]
            of = minutes.setdefault(float(row["timestamp"]), {}).setdefault(row["component"], {})
            of[site] = of.get(site, 0) + float(row["count"])
    runs = []
    for time in sorted(minutes):
        if not runs or time - runs[-1][-1] > 90:
            runs.append([])
        runs[-1].append(time)
    touched = [involved(inputs["graph"], min(cases, key=lambda case: abs(case["at"] - run[0]))["cause"]["component"]) for run in runs]
    components = sorted({component for of in minutes.values() for component in of})
    calm_runs = {one: [i for i in range(len(runs)) if one not in touched[i]] or list(range(len(runs))) for one in components}
    times = sorted({time for own, _ in read_folder(inputs["baseline"]).values() for time in own})
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("timestamp", "component", "template_or_level", "count"))
        time = times[0]
        while time <= times[-1]:
            drawn = chance.randrange(len(runs))
            for component in components:
                run = runs[drawn if drawn in calm_runs[component] else chance.choice(calm_runs[component])]
                for minute in range(3):
                    counts = minutes[run[minute % len(run)]].get(component, {})
                    table.writerows((time + 60 * minute, component, site, count) for site, count in counts.items())
            time += 180
    return True
