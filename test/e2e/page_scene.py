# SPDX-License-Identifier: Apache-2.0
"""A fleet as Prometheus has it after three hours: what the sidecars of many models would have exported, without the sidecars."""

import random
import subprocess
import time

from processes import free_port
from stack import Program

STEP = 60
MINUTES = 190
FALLEN, FAILING, DRIFTING, SILENT, UNLABELLED = range(5)  # What is the matter with the first models; the others are well.


def name_of(number):
    return f"model-{number:03d}"


def place_of(number, namespaces):
    """Labels of a model's series; two clusters, an owner for each fourth namespace."""
    space = number % namespaces
    return {"cluster": ("eu-1", "us-1")[space % 2], "namespace": f"team-{space:02d}", "job": name_of(number), "model_name": name_of(number)}


def owner_of(number, namespaces):
    return f"owner-{number % namespaces // 4}"


def text(labels):
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


class Writer:
    """Counters and gauges of one family after the other, as OpenMetrics."""

    def __init__(self, end):
        self.times = [end - (MINUTES - i) * STEP for i in range(MINUTES + 1)]
        self.families = {}

    def gauge(self, name, labels, values):
        lines = self.families.setdefault((name, "gauge"), [])
        lines += [f"{name}{{{text(labels)}}} {value:.6g} {at}" for at, value in zip(self.times, values)]

    def counter(self, name, labels, rates):
        lines, total = self.families.setdefault((name, "counter"), []), 0.0
        for at, rate in zip(self.times, rates):
            total += rate * STEP
            lines.append(f"{name}_total{{{text(labels)}}} {total:.6g} {at}")

    def text(self):
        parts = []
        for (name, kind), lines in self.families.items():
            parts += [f"# TYPE {name} {kind}", *lines]
        return "\n".join(parts) + "\n# EOF\n"


def describe(writer, number, namespaces, rng):
    """One model: for its last twenty minutes it may be in trouble."""
    of = place_of(number, namespaces)
    versioned = {**of, "model_version": "v1"}
    late = [at >= writer.times[-1] - 20 * 60 for at in writer.times]
    traffic = 0.0 if number == SILENT else rng.uniform(2, 40)
    level = [traffic * rng.uniform(0.9, 1.1) for _ in late]
    failing = [0.2 if number == FAILING and after else 0.0005 for after in late]
    writer.counter("outrider_requests", {**of, "outcome": "success"}, [rate * (1 - bad) for rate, bad in zip(level, failing)])
    writer.counter("outrider_requests", {**of, "outcome": "server_error"}, [rate * bad for rate, bad in zip(level, failing)])
    writer.counter("outrider_predictions", {**versioned, "outcome": "success"}, level)
    if number != UNLABELLED:
        right = [0.72 if number == FALLEN and after else 0.95 for after in late]
        for correct in ("true", "false"):
            part = [rate * 0.3 * (share if correct == "true" else 1 - share) for rate, share in zip(level, right)]
            writer.counter("outrider_outcomes", {**versioned, "correct": correct, "segment": ""}, part)
    writer.gauge("outrider_accuracy_reference_ratio", versioned, [0.95 for _ in late])
    writer.gauge("outrider_accuracy_alarm", versioned, [1 if number == FALLEN and after else 0 for after in late])
    for subject in ("size", "rooms"):
        far = 1.9 if number == DRIFTING and subject == "size" else rng.uniform(0.1, 0.6)
        writer.gauge("outrider_drift_ratio", {**versioned, "subject": subject},
                     [(far if after else 0.3) * rng.uniform(0.95, 1.05) for after in late])
    writer.gauge("outrider_model_info", {**of, "owner": owner_of(number, namespaces)}, [1 for _ in late])


def history(models, namespaces, end):
    rng, writer = random.Random(7), Writer(end)
    for number in range(models):
        describe(writer, number, namespaces, rng)
    return writer.text()


def start_prometheus(programs, folder, models, namespaces):
    """A real Prometheus that holds the last three hours of so many models, and scrapes nothing."""
    port = free_port()
    (folder / "history.txt").write_text(history(models, namespaces, int(time.time()) - 5))
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history.txt", folder / "tsdb"],
                   check=True, capture_output=True, timeout=300)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1m}\n")
    started = Program(programs, "prometheus", [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}"], f"http://127.0.0.1:{port}")
    return started


def alert(number, namespaces, name="ModelAccuracyDropped", severity="critical", **annotations):
    """What Alertmanager posts about a model of this fleet."""
    labels = {**place_of(number, namespaces), "alertname": name, "severity": severity, "model_version": "v1",
              "owner": owner_of(number, namespaces), "signal": "accuracy"}
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 18 * 60))
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 20 * 60))
    said = {"summary": f"{name} of {name_of(number)}", "since": since} | annotations
    if name == "ModelAccuracyDropped":
        said = {"accuracy_before": "95%", "accuracy_after": "72%", "labels_since_change": "420", **said,
                "runbook_url": "https://runbooks.example/ModelAccuracyDropped"}
    return {"labels": labels, "annotations": said, "startsAt": began}
