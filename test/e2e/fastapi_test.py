# SPDX-License-Identifier: Apache-2.0
"""The seed's own FastAPI and scikit-learn service runs behind the sidecar, unchanged."""

import sys

import requests
from conftest import ROOT
from processes import free_port
from stack import Sidecar


def test_a_fastapi_model_is_watched_without_a_line_of_configuration(programs, binaries, tmp_path):
    port = free_port()
    programs.start("fastapi", [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", port],
                   folder=ROOT / "examples" / "fastapi")
    programs.wait_until_ready("fastapi", f"http://127.0.0.1:{port}/openapi.json", 60)
    sidecar = Sidecar(programs, binaries, f"http://127.0.0.1:{port}", tmp_path / "data")

    with requests.Session() as session:
        session.trust_env = False
        first = session.get(f"{sidecar.proxy}/predict", params={"size": 1800, "bedrooms": 3}, timeout=10)
        assert round(first.json()["price"], 5) == 89.99994
        answers = [first] + [session.get(f"{sidecar.proxy}/predict", params={"size": s, "bedrooms": 3}, timeout=10)
                             for s in range(1000, 1019)]
        wrong = session.get(f"{sidecar.proxy}/predict", params={"size": "large"}, timeout=10)
        assert wrong.status_code == 422

    sidecar.wait_for_predictions(21)
    results = sidecar.label([{"id": a.headers["X-Prediction-Id"], "label": a.json()["price"] * factor}
                             for a, factor in zip(answers, [1.02] * 15 + [1.5] * 5)])
    assert results == ["joined"] * 20
    metrics = sidecar.metrics()
    assert metrics.by("outrider_predictions_total", "outcome") == {"success": 20, "failure": 1}
    assert metrics.by("outrider_outcomes_total", "correct") == {"true": 15, "false": 5}
    assert metrics.by("outrider_requests_total", "outcome")["client_error"] == 1
