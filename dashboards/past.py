# SPDX-License-Identifier: Apache-2.0
"""A past for the Ahead dashboard, which a play of a quarter of an hour cannot have: ten days of a made load in a Prometheus,
and of the last one what the agent would have said, as `outrider backtest` replays it with the agent's own code."""

import datetime
import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "test" / "e2e"))

import ahead_test  # noqa: E402
from processes import free_port  # noqa: E402

MINUTE, STEP = 60, 15 * 60
RULES = ahead_test.RULES


def agent_options(folder):
    (folder / "ahead.yaml").write_text(RULES)
    return ["--forecast.rules", folder / "ahead.yaml", "--forecast.learn-from", "10d", "--forecast.every", "5s"]


def replayed(programs, folder, blocks, outrider, horizon):
    """The backtest of the last day; a course is of the shortest horizon, so `horizon` is made that."""
    port = free_port()
    ahead_test.start_prometheus(programs, folder, blocks, port)
    (folder / "replayed.yaml").write_text(RULES.replace("[1h, 6h]", f"[{horizon}]"))
    done = subprocess.run([outrider, "backtest", "--prometheus", f"http://127.0.0.1:{port}", "--from", "now-26h",
                           "--forecast.rules", folder / "replayed.yaml", "--forecast.learn-from", "8d", "--json"],
                          capture_output=True, text=True, check=False)
    programs.stop("prometheus")
    if done.returncode != 0:
        raise RuntimeError(f"outrider backtest: {done.stderr}")
    return json.loads(done.stdout)


def unix(text):
    return int(datetime.datetime.fromisoformat(text).timestamp())


class Page:
    """Gauges as OpenMetrics, a sample each minute until what was said anew."""

    def __init__(self, labels):
        self.labels, self.families = labels, {}

    def hold(self, name, labels, at, value):
        """From `at` for a step; nothing that is not known."""
        if value is None:
            return
        text = ",".join(f'{key}="{one}"' for key, one in sorted((self.labels | labels).items()))
        series = self.families.setdefault(name, {}).setdefault(text, {})
        series.update({at + offset: value for offset in range(0, STEP, MINUTE)})

    def text(self, until):
        lines = []
        for name, family in self.families.items():
            lines.append(f"# TYPE {name} gauge")
            lines.extend(f"{name}{{{labels}}} {value:.6g} {at}"
                         for labels, series in family.items() for at, value in sorted(series.items()) if at < until)
        return "\n".join([*lines, "# EOF", ""])


def said(page, told, horizon, seconds):
    """What was said of a point: a horizon and a step before the point's end."""
    for one in told["series"]:
        for point in one.get("course", []):
            for bound, key in (("low", "low"), ("estimate", "expected"), ("high", "high")):
                page.hold("outrider_forecast", {"forecast": one["forecast"], "horizon": horizon, "bound": bound, **one["labels"]},
                          unix(point["at"]) - seconds - STEP, point[key])


def replicas(page, told):
    for one in told["capacity"]:
        of = {"capacity": one["capacity"], **one["labels"]}
        for step in one["course"]:
            page.hold("outrider_replicas", of, unix(step["at"]), step["replicas"])
            for when in ("now", "cold_start", "ahead"):
                page.hold("outrider_replicas_wanted", {"when": when, **of}, unix(step["at"]), step[when])


def make(programs, folder, outrider, labels):
    """A Prometheus's folder with that past; `labels` are those that the agent's own scrape will have."""
    folder.mkdir(parents=True)
    blocks = ahead_test.make_blocks(folder)
    page = Page(labels)
    for horizon, seconds in (("1h", 3600), ("6h", 6 * 3600)):
        told = replayed(programs, folder, blocks, outrider, horizon)
        said(page, told, horizon, seconds)
        if horizon == "1h":
            replicas(page, told)
    (folder / "said.om").write_text(page.text(time.time() - MINUTE))
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "said.om", blocks],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"promtool: {made.stdout}{made.stderr}")
    return blocks
