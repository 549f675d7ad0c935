# SPDX-License-Identifier: Apache-2.0
"""Three versions behind one sidecar: the canary that answers otherwise than production is told from the one that does not,
in the status, in the metrics and by the shipped alert."""

import json

import numpy as np
import pytest
import requests
from fleet_drift_test import COLOURS, price, profile, start_prometheus
from processes import http_json, wait_for
from stack import ModelServer, Sidecar

ROUND = ["1", "2", "1", "3"]  # Versions asked in turn: production most, a bad canary, a good one.
ROWS = 40                     # A request.


def answer(path, body):
    """Version 2 asks three more for everything."""
    surplus = 3 if "/versions/2:" in path else 0
    rows = json.loads(body)["instances"]
    return 200, "application/json", json.dumps({"predictions": [price(row["x"]) + surplus for row in rows]}).encode()


def send(sidecar, session, random):
    for version in ROUND:
        rows = [{"x": float(x), "colour": str(c)}
                for x, c in zip(random.normal(size=ROWS), random.choice(COLOURS, ROWS, p=[0.6, 0.3, 0.1]))]
        done = session.post(f"{sidecar.proxy}/v1/models/house/versions/{version}:predict", json={"instances": rows}, timeout=10)
        assert done.status_code == 200, done.text


def comparisons(sidecar):
    """{version: {subject: state}} of the versions that are compared."""
    versions = http_json("GET", f"{sidecar.admin}/api/v1/status")["versions"]
    return {v["model_version"]: {one["subject"]: one["state"] for one in v["comparison"]["verdicts"]}
            for v in versions if v["comparison"] and v["comparison"]["against"] == "1"}


@pytest.mark.timeout(120)
def test_a_bad_canary_is_told_from_a_good_one(programs, binaries, tmp_path):
    profile(binaries, tmp_path, version="1")
    with ModelServer(answer) as server, requests.Session() as session:
        session.trust_env = False
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "pod", "pod", ["--reference", tmp_path / "reference.json"])
        prometheus = start_prometheus(programs, tmp_path, [sidecar.admin.removeprefix("http://")])
        random = np.random.default_rng(3)
        good = {"x": "stable", "colour": "stable", "prediction": "stable"}
        expected = {"2": good | {"prediction": "drift"}, "3": good}

        def judged_under_traffic():
            send(sidecar, session, random)
            return comparisons(sidecar) == expected

        # A canary is counted in production's bins from when both are seen to serve.
        wait_for("both canaries to be judged", judged_under_traffic, 60, every=0.2)
        shares = {(v, subject): float(state == "drift") for v, states in expected.items() for subject, state in states.items()}
        wait_for("the recording rule", lambda: shares == {
            (r["model_version"], r["subject"]): v for r, v in prometheus.query("model:outrider_version_drift_pods:share")}, 30)
        alerts = wait_for("the alert", lambda: prometheus.query('ALERTS{alertname="CanaryDiffers"}'), 30)
        assert [(r["model_version"], r["against"]) for r, _ in alerts] == [("2", "1")]
