# SPDX-License-Identifier: Apache-2.0
"""Three pods of one model: the bins that Prometheus sums over them are those of one detector over all the traffic, and
the shipped rules find in them the drift that NumPy finds."""

import csv
import json
import subprocess
import time
import urllib.parse

import numpy as np
import pytest
import requests
from conftest import ROOT
from processes import Prometheus, free_port, http_json, wait_for
from scipy.spatial.distance import jensenshannon
from stack import ModelServer, Sidecar

SCRAPE = 0.2                   # Seconds.
SHARES = [0.5, 0.3, 0.2]       # Of the traffic, by pod.
SHIFTS = [1.5, 0.0, -0.2]      # Of x, by pod: none of them sees what the fleet sees.
REQUESTS, ROWS = 240, 30       # Rows a request.
COLOURS = ["red", "green", "blue"]


def price(x):
    return 0.0 if x is None else 3 * x + 1


def answer(path, body):
    rows = json.loads(body)["instances"]
    return 200, "application/json", json.dumps({"predictions": [price(row["x"]) for row in rows]}).encode()


def profile(binaries, folder, version="3"):
    """A reference of 10 000 rows, by the program."""
    random = np.random.default_rng(1)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "colour", "p"])
        for x, colour in zip(random.normal(size=10_000), random.choice(COLOURS, 10_000, p=[0.6, 0.3, 0.1])):
            writer.writerow([repr(float(x)), colour, repr(price(float(x)))])
    done = subprocess.run([binaries / "outrider", "profile", "--data", folder / "train.csv", "--prediction", "p",
                           "--model.name", "house", "--model.version", version, "--out", folder / "reference.json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    document = json.loads((folder / "reference.json").read_text())
    return {subject["name"]: subject for subject in document["features"]} | {"prediction": document["prediction"]}


def bins_of(subject, values):
    """{bin: count} of one detector over these values, by NumPy and the reference's own edges or categories."""
    if subject["kind"] == "numeric":
        present = np.array([value for value in values if value is not None])
        places, slots = np.searchsorted(subject["edges"], present, side="left"), len(subject["edges"]) + 1
        counts = {f"{i:02d}": int((places == i).sum()) for i in range(slots)} | {"nan": 0, "neg_inf": 0, "pos_inf": 0}
    else:
        known = subject["categories"]
        counts = {f"{i:02d}": values.count(name) for i, name in enumerate(known)}
        counts["other"] = sum(value not in known for value in values)
    return counts | {"missing": sum(value is None for value in values)}


def deciles_of(subject, counts):
    """The counts of the value bins by tenths of the reference, whose smoothed shares lie end to end: what a bin counted is spread evenly."""
    values = [counts[name] for name in sorted(counts) if name == "other" or name.isdigit()]
    shares = np.array(subject["counts"], dtype=float) + 0.5
    edges = np.concatenate([[0], np.cumsum(shares / shares.sum())])
    below = np.interp(np.arange(11) / 10, edges, np.concatenate([[0], np.cumsum(values)]))
    return {f"0{i}": count for i, count in enumerate(np.diff(below))}


def as_deciles(subject):
    """The reference that its own deciles are judged by: as many rows, a tenth of them in each."""
    rows = sum(subject["counts"])
    return subject | {"kind": "numeric", "counts": [rows / 10] * 10, "hash": subject["hash"] + "-deciles"}


def shares(subject, counts):
    """p, q, n, m: smoothed live and reference shares of the value bins, and rows."""
    live = np.array([counts[name] for name in sorted(counts) if name == "other" or name.isdigit()], dtype=float)
    reference = np.array(subject["counts"], dtype=float)
    n, m, half = live.sum(), reference.sum(), len(live) / 2
    return (live + 0.5) / (n + half), (reference + 0.5) / (m + half), n, m


def psi0(subject, counts):
    p, q, n, m = shares(subject, counts)
    return ((p - q) * np.log(p / q)).sum() - (len(p) - 1) * (1 / n + 1 / m)


def psi_moves_by(subject, counts, epsilon):
    """How far PSI0 moves when each count is too large by at most the share epsilon, to first order."""
    p, q, n, _ = shares(subject, counts)
    return epsilon * ((p * np.abs(np.log(p / q) + 1 - q / p)).sum() + (len(p) - 1) / n)


def start_prometheus(programs, folder, targets):
    """Real, with the shipped rules; only their interval is shortened."""
    rules = (ROOT / "alerts" / "outrider-drift.rules.yml").read_text()
    assert "interval: 1m" in rules
    (folder / "drift.rules.yml").write_text(rules.replace("interval: 1m", "interval: 1s"))
    (folder / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": f"{SCRAPE * 1000:.0f}ms", "scrape_timeout": f"{SCRAPE * 1000:.0f}ms"},
        "rule_files": [str(folder / "drift.rules.yml")],
        "scrape_configs": [{"job_name": "pods", "static_configs": [{"targets": targets}]}]}))
    port = free_port()
    programs.start("prometheus", ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
                                  f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"])
    programs.wait_until_ready("prometheus", f"http://127.0.0.1:{port}/-/ready")
    return Prometheus(f"http://127.0.0.1:{port}")


class Traffic:
    """Rows sent, and what the pods should have counted of them."""

    def __init__(self, pods, session):
        self.pods, self.session, self.random = pods, session, np.random.default_rng(2)
        self.sent = {"x": [], "colour": [], "prediction": []}
        self.by_pod = [0] * len(pods)

    def send(self, pod, rows):
        xs = [float(x) for x in self.random.normal(SHIFTS[pod], 1, rows)]
        xs = [None if self.random.random() < 0.02 else x for x in xs]
        # Training never saw mauve.
        colours = [str(c) for c in self.random.choice(COLOURS + ["mauve"], rows, p=[0.59, 0.3, 0.1, 0.01])]
        done = self.session.post(f"{self.pods[pod].proxy}/v1/models/house:predict", timeout=10,
                                 json={"instances": [{"x": x, "colour": c} for x, c in zip(xs, colours)]})
        assert done.status_code == 200, done.text
        self.sent["x"] += xs
        self.sent["colour"] += colours
        self.sent["prediction"] += [price(x) for x in xs]
        self.by_pod[pod] += rows

    def send_all(self):
        """All requests over at least ten seconds, so that many scrapes see them come; how long it took."""
        began = time.monotonic()
        for _ in range(REQUESTS):
            self.send(int(self.random.choice(len(SHARES), p=SHARES)), ROWS)
            time.sleep(10 / REQUESTS)
        return time.monotonic() - began


def recorded(prometheus, metric):
    """{(feature, bin): value} as of the last evaluation, whose rules all have one time."""
    at = prometheus.scalar("max(timestamp(model:outrider_drift_js:distance15m))")
    query = urllib.parse.urlencode({"query": metric, "time": f"{at:.3f}"})
    rows = http_json("GET", f"{prometheus.url}/api/v1/query?{query}")["data"]["result"]
    return {(r["metric"]["__name__"], r["metric"]["feature"], r["metric"].get("bin")): float(r["value"][1]) for r in rows}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("bins", ["deciles", "all"])
def test_the_fleets_bins_are_one_detectors_and_its_rules_find_numpys_drift(bins, programs, binaries, tmp_path):
    subjects = profile(binaries, tmp_path)
    config = tmp_path / "model.yaml"
    config.write_text('model: {name: house, version: "3"}\n' + ("metrics: {bins: all}\n" if bins == "all" else ""))
    with ModelServer(answer) as server, requests.Session() as session:
        session.trust_env = False
        pods = [Sidecar(programs, binaries, server.url, tmp_path / f"pod{i}", f"pod{i}",
                        ["--model.config", config, "--reference", tmp_path / "reference.json"]) for i in range(len(SHARES))]
        prometheus = start_prometheus(programs, tmp_path, [pod.admin.removeprefix("http://") for pod in pods])
        traffic = Traffic(pods, session)
        for pod in range(len(pods)):  # A version has series from its first prediction on.
            traffic.send(pod, 1)
        wait_for("two scrapes of each pod's bins", lambda: prometheus.scalar(
            "count(count_over_time(outrider_feature_values_total{feature=\"x\",bin=\"00\"}[1m]) >= 2)") == len(pods), 30)
        before = {name: bins_of(subjects[name], values) for name, values in traffic.sent.items()}
        seconds = traffic.send_all()
        total = len(traffic.sent["x"])
        wait_for("all rows in Prometheus", lambda: prometheus.scalar(
            "round(sum(outrider_prediction_values_total))") == total, 30)

    # The sum of the raw bins, exactly, under the reference's own names; each pod had its part.
    live = {name: bins_of(subjects[name], values) for name, values in traffic.sent.items()}
    assert live["x"]["missing"] > 0 and live["colour"]["other"] > 0 and min(traffic.by_pod) > 500
    if bins == "deciles":
        live, before = ({name: deciles_of(subjects[name], counts) for name, counts in of.items()} for of in (live, before))
        subjects = {name: as_deciles(subject) for name, subject in subjects.items()}
    for name, subject in subjects.items():
        metric = "outrider_prediction_values_total"
        if name != "prediction":
            metric = f'outrider_feature_values_total{{feature="{name}"}}'
        found = {(r["reference"], r["bin"]): v for r, v in prometheus.query(f"sum by (bin, reference) ({metric})")}
        assert found == pytest.approx({(subject["hash"], place): count for place, count in live[name].items()},
                                      rel=0 if bins == "all" else 1e-9, abs=0 if bins == "all" else 1e-6), name

    # The rules on the very counts that increase() gave them.
    stopped = prometheus.scalar("vector(time())")
    wait_for("an evaluation after the last row", lambda: prometheus.scalar(
        "min(timestamp(model:outrider_drift_js:distance15m))") > stopped + 1, 30)
    of = recorded(prometheus, '{__name__=~"model:outrider_(feature_values:increase15m|drift_psi:debiased15m|drift_js:distance15m)"}')
    for name, subject in subjects.items():
        taken = {place: v for (metric, feature, place), v in of.items() if feature == name and place}
        psi = of["model:outrider_drift_psi:debiased15m", name, None]
        js = of["model:outrider_drift_js:distance15m", name, None]
        assert psi == pytest.approx(psi0(subject, taken), abs=1e-9)
        plain = [taken[place] for place in sorted(taken)]
        assert js == pytest.approx(jensenshannon(plain, subject["counts"], base=2), abs=1e-7)

        # And on the true counts. increase() lacks what a pod's first scrape already held, and stretches each series by at
        # most half a scrape before its first sample and 1.1 after its last: each count is too large by a share of at
        # most 1.6 scrapes of the time sampled, here 2 because scrapes are not on the dot.
        tolerance = psi_moves_by(subject, live[name], 2 * SCRAPE / seconds)
        without_first = {place: count - before[name][place] for place, count in live[name].items()}
        tolerance += abs(psi0(subject, live[name]) - psi0(subject, without_first))
        truth = psi0(subject, live[name])
        print(f"{name}: PSI0 {truth:.5f}, the rule's {psi:.5f}, tolerance {tolerance:.5f}")
        assert abs(psi - truth) <= tolerance < 0.1 * max(truth, 0.1)

    moved = {r["feature"] for r, _ in prometheus.query("model:outrider_drift_moved:group")}
    assert moved == {"x", "prediction"}
