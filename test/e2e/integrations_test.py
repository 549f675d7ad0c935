# SPDX-License-Identifier: Apache-2.0
"""Model servers behind the sidecar, each unchanged: what docs/integrations.md says of them."""

import re
import subprocess
import sys

import numpy
import pytest
import requests
import tritonclient.http
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import ModelServer, Sidecar

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


# ---- what docs/integrations.md says without a real server ----

PAGE = (ROOT / "docs" / "integrations.md").read_text()
CONFIGURATIONS = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if re.match(r"(model|request|response):", block)]


def test_every_configuration_of_the_page_is_taken(programs, binaries, tmp_path):
    assert len(CONFIGURATIONS) >= 8
    sidecar = None
    for number, block in enumerate(CONFIGURATIONS):
        (tmp_path / "model.yaml").write_text(block)
        if sidecar is None:
            options = ["--model.config", tmp_path / "model.yaml"]
            sidecar = Sidecar(programs, binaries, "http://127.0.0.1:9", tmp_path / "data", options=options)
        status, _, text = http("POST", f"{sidecar.admin}/-/reload")
        assert status == 200, f"block {number} of docs/integrations.md:\n{block}\n{text}"


def configuration_of(heading):
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1]


def test_sagemakers_inference_id_is_an_alias_and_its_ground_truth_is_taken_as_it_is(programs, binaries, session, tmp_path):
    (tmp_path / "model.yaml").write_text(configuration_of("SageMaker containers"))
    with ModelServer(lambda path, body: (200, "text/csv", b"0.1\n0.9\n")) as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"])
        session.post(f"{sidecar.proxy}/invocations", data="34,basic\n22,gold\n", timeout=10,
                     headers={"Content-Type": "text/csv", "X-Amzn-SageMaker-Inference-Id": "order-17"})
        sidecar.wait_for_predictions(2)
        truth = {"groundTruthData": {"data": "0.1", "encoding": "CSV"}, "eventMetadata": {"eventId": "order-17_0"}, "eventVersion": "0"}
        assert sidecar.label(truth) == ["joined"]
        assert sidecar.label({"id": "order-17_1", "label": 0.9}) == ["joined"]
        assert sidecar.metrics().sum("outrider_outcomes_total", model_name="churn", model_version="v1", correct="true") == 2


def test_a_sagemaker_multi_model_endpoint_is_named_by_what_the_caller_asked_for(programs, binaries, session, tmp_path):
    (tmp_path / "model.yaml").write_text('model: {name: "header:X-Amzn-SageMaker-Target-Model"}\n'
                                         'request: {match: {method: POST, path: "/models/*"}}\n')
    with ModelServer(lambda path, body: (200, "text/csv", b"0.1\n")) as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"])
        session.post(f"{sidecar.proxy}/models", json={"model_name": "8a1f", "url": "/opt/ml/models/8a1f/model"}, timeout=10)
        session.post(f"{sidecar.proxy}/models/8a1f/invoke", data="34,basic\n", timeout=10,
                     headers={"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": "churn.tar.gz"})
        sidecar.wait_for_predictions(1)
        assert sidecar.metrics().by("outrider_predictions_total", "model_name") == {"churn.tar.gz": 1}
        assert sidecar.metrics().by("outrider_exchanges_skipped_total", "reason")["not_matched"] == 1


def test_feedback_through_the_proxied_path_reaches_the_server_and_counts_nothing(programs, binaries, session, tmp_path):
    seen = []

    def answer(path, body):
        seen.append((path, body))
        return 200, "application/json", b'{"predictions": [90.0]}' if path.startswith("/v1") else b'{"data": {"ndarray": []}}'

    with ModelServer(answer) as server:
        sidecar = Sidecar(programs, binaries, server.url, tmp_path / "data")
        asked = session.post(f"{sidecar.proxy}/v1/models/house:predict", json={"instances": [[1800, 3]]}, timeout=10)
        sidecar.wait_for_predictions(1)
        feedback = {"response": {"meta": {"puid": asked.headers["X-Prediction-Id"]}}, "truth": {"data": {"ndarray": [[91.0]]}}}
        session.post(f"{sidecar.proxy}/api/v1.0/feedback", json=feedback, timeout=10)
        wait_for("the feedback's class", lambda: sidecar.metrics().sum("outrider_exchanges_skipped_total", reason="not_matched") == 1, 20)
        assert seen[-1][0] == "/api/v1.0/feedback"
        assert sidecar.metrics().sum("outrider_outcomes_total") == 0
        # The same at the labels port is a label.
        http_json("POST", f"{sidecar.admin}/api/v1.0/feedback", feedback)
        assert sidecar.metrics().sum("outrider_outcomes_total") == 1
        assert sidecar.metrics().sum("outrider_predictions_total") == 1
