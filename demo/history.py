# SPDX-License-Identifier: Apache-2.0
"""Quiet minutes from before the demo began, written into Prometheus's folder as blocks: a diagnosis compares with what is
normal, and a fleet that has just started knows no normal. They are made of the demo's own rates, and end six minutes ago,
so that no rule takes them for the present."""

import random
import subprocess
import time

MINUTES, STEP, GAP_SECONDS = 40, 5, 360
LATENCY_BOUNDS = ("0.001", "0.005", "0.05", "0.5", "+Inf")


class QuietHistory:
    def __init__(self, rate, seed=3):
        self.rate, self.random = rate, random.Random(seed)
        end = int(time.time()) - GAP_SECONDS
        self.times = [end - MINUTES * 60 + i * STEP for i in range(MINUTES * 60 // STEP)]
        self.families = {}

    def counter(self, rate):
        total, values = 0.0, []
        for _ in self.times:
            total += rate * STEP * self.random.uniform(0.85, 1.15)
            values.append(total)
        return values

    def about(self, value):
        return [value * self.random.uniform(0.97, 1.03) for _ in self.times]

    def add(self, family, kind, name, labels, values):
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        lines = [f"{name}{{{text}}} {value:.6f} {at}" for at, value in zip(self.times, values)]
        self.families.setdefault((family, kind), []).append(lines)

    def served(self, job, model, version):
        """What the sidecars and the label store count of a model that is well: 5 % of the predictions are wrong."""
        of = {"job": job, "model_name": model}
        self.add("outrider_requests", "counter", "outrider_requests_total", {**of, "outcome": "success", "code": "200"},
                 self.counter(self.rate))
        self.add("outrider_predictions", "counter", "outrider_predictions_total",
                 {**of, "model_version": version, "outcome": "success"}, self.counter(self.rate))
        duration, counted = "outrider_request_duration_seconds", self.counter(self.rate)
        for bound in LATENCY_BOUNDS:
            share = 0.0 if bound == "0.001" else 0.9 if bound == "0.005" else 1.0
            self.add(duration, "histogram", f"{duration}_bucket", {**of, "le": bound}, [share * value for value in counted])
        self.add(duration, "histogram", f"{duration}_count", of, counted)
        self.add(duration, "histogram", f"{duration}_sum", of, [0.003 * value for value in counted])
        for correct, share in (("true", 0.95), ("false", 0.05)):
            self.add("outrider_outcomes", "counter", "outrider_outcomes_total",
                     {**of, "model_version": version, "correct": correct}, self.counter(0.9 * share * self.rate))

    def process(self, job, cpu, megabytes):
        self.add("process_cpu_seconds", "counter", "process_cpu_seconds_total", {"job": job}, self.counter(cpu))
        self.add("process_resident_memory_bytes", "gauge", "process_resident_memory_bytes", {"job": job}, self.about(megabytes * 2 ** 20))

    def write(self, folder, data):
        lines = []
        for (family, kind), rows in self.families.items():
            lines.append(f"# TYPE {family} {kind}")
            # A histogram's points stand together, moment by moment.
            lines += [line for moment in zip(*rows) for line in moment] if kind == "histogram" else [line for one in rows for line in one]
        text = folder / "history.txt"
        text.write_text("\n".join(lines) + "\n# EOF\n")
        made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], capture_output=True, text=True,
                              timeout=60, check=False)
        if made.returncode:
            raise RuntimeError(f"promtool could not write the quiet minutes: {made.stderr[-1000:]}")
