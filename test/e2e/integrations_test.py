# SPDX-License-Identifier: Apache-2.0
"""Model servers behind the sidecar, each unchanged: what docs/integrations.md says of them."""

import subprocess
import sys

import numpy
import pytest
import requests
import tritonclient.http
from conftest import ROOT
from processes import free_port
from stack import Sidecar

EXAMPLES = ROOT / "examples"


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_kserves_own_model_server_is_watched_without_configuration_in_both_protocols(programs, binaries, session, tmp_path):
    port = free_port()
    programs.start("kserve", [sys.executable, "model.py", "--http_port", port, "--model_name", "house-price"], folder=EXAMPLES / "kserve-model")
    programs.wait_until_ready("kserve", f"http://127.0.0.1:{port}/v2/health/ready", 90)
    sidecar = Sidecar(programs, binaries, f"http://127.0.0.1:{port}", tmp_path / "data")
    first = session.post(f"{sidecar.proxy}/v1/models/house-price:predict", json={"instances": [[1800, 3], [1000, 2]]}, timeout=10)
    assert first.json() == {"predictions": [90.0, 50.0]}
    second = session.post(f"{sidecar.proxy}/v2/models/house-price/infer", timeout=10, json={
        "id": "mine", "inputs": [{"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [[1800, 3], [1000, 2]]}]})
    assert second.json()["outputs"][0]["data"] == [90.0, 50.0]
    sidecar.wait_for_predictions(4)
    row = first.headers["X-Prediction-Id"] + "_0"
    assert sidecar.label([{"id": row, "label": 91.0}, {"id": "mine_1", "label": 80.0}]) == ["joined", "joined"]
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_predictions_total", model_name="house-price", outcome="success") == 4
    assert metrics.by("outrider_outcomes_total", "correct") == {"true": 1, "false": 1}
    # Binary tensors in, JSON out.
    with tritonclient.http.InferenceServerClient(sidecar.proxy.removeprefix("http://")) as client:
        tensor = tritonclient.http.InferInput("rows", [2, 2], "FP64")
        tensor.set_data_from_numpy(numpy.array([[1800.0, 3.0], [1000.0, 2.0]]), binary_data=True)
        wanted = [tritonclient.http.InferRequestedOutput("price", binary_data=False)]
        third = client.infer("house-price", [tensor], outputs=wanted, request_id="third")
    assert third.as_numpy("price").tolist() == [90.0, 50.0]
    sidecar.wait_for_predictions(6)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_predictions_total", model_name="house-price", outcome="success") == 6
    assert metrics.sum("outrider_exchanges_failed_total") == 0


@pytest.mark.long
@pytest.mark.timeout(600)
def test_bentoml_is_watched_with_the_configuration_of_its_example(programs, binaries, session, tmp_path):
    venv = ROOT / "build" / "bentoml"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "-q", "-r", EXAMPLES / "bentoml" / "requirements.txt"], check=True)
    port = free_port()
    programs.start("bentoml", [venv / "bin" / "bentoml", "serve", "service:HousePrice", "--host", "127.0.0.1", "--port", port],
                   folder=EXAMPLES / "bentoml")
    programs.wait_until_ready("bentoml", f"http://127.0.0.1:{port}/readyz", 120)
    sidecar = Sidecar(programs, binaries, f"http://127.0.0.1:{port}", tmp_path / "data",
                      options=["--model.config", EXAMPLES / "bentoml" / "model.yaml"])
    answer = session.post(f"{sidecar.proxy}/predict", json={"size": 1800, "bedrooms": 3}, timeout=10)
    assert answer.json()["price"] == 90.0
    sidecar.wait_for_predictions(1)
    assert sidecar.label({"id": answer.headers["X-Prediction-Id"], "label": 91.0}) == ["joined"]
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_predictions_total", model_name="house-price", model_version="v1", outcome="success") == 1
    assert metrics.sum("outrider_exchanges_failed_total") == 0
