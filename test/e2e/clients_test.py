# SPDX-License-Identifier: Apache-2.0
"""Real clients and real model servers meet through the sidecar and notice nothing."""

import asyncio
import json
import subprocess
import sys

import httpx
import numpy
import pytest
import requests
import tritonclient.http
from conftest import ROOT
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from processes import free_port, wait_for
from stack import Sidecar
from tls_peers import Authority

MLSERVER = ROOT / "build" / "mlserver" / "bin"
HOUSES = [[1800.0, 3.0], [1000.0, 2.0]]
PRICES = [89.99994, 50.0]

TRAIN = """
import joblib
from sklearn.linear_model import LinearRegression
joblib.dump(LinearRegression().fit([(1000, 2), (1500, 3), (2000, 4), (2500, 5)], [50, 75, 100, 125]), "model.joblib")
"""


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory):
    """A real MLServer with a scikit-learn model, named house-price, version v7."""
    from processes import Programs
    if sys.version_info >= (3, 13):
        pytest.skip("MLServer has no release for Python 3.13 and newer")
    if not MLSERVER.exists():
        pytest.fail("build/mlserver is absent: scripts/test installs test/mlserver-requirements.txt into it")
    folder = tmp_path_factory.mktemp("mlserver")
    subprocess.run([MLSERVER / "python", "-c", TRAIN], cwd=folder, check=True, timeout=120)
    ports = {name: free_port() for name in ("http_port", "grpc_port", "metrics_port")}
    (folder / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "house-price", "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v7"}}))
    with Programs(folder / "logs") as programs:
        programs.start("mlserver", [MLSERVER / "mlserver", "start", folder], folder=folder)
        url = f"http://127.0.0.1:{ports['http_port']}"
        programs.wait_until_ready("mlserver", f"{url}/v2/models/house-price/ready", 90)
        yield {"http": url, "grpc": f"h2c://127.0.0.1:{ports['grpc_port']}"}


@pytest.fixture
def sidecar(programs, binaries, mlserver, tmp_path):
    return Sidecar(programs, binaries, mlserver["http"], tmp_path / "data")


@pytest.fixture
def grpc_sidecar(programs, binaries, mlserver, tmp_path):
    return Sidecar(programs, binaries, mlserver["grpc"], tmp_path / "data")


def assert_watched(sidecar, predictions):
    sidecar.wait_for_predictions(predictions)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_predictions_total", model_name="house-price", model_version="v7",
                       outcome="success") == predictions
    assert metrics.sum("outrider_exchanges_failed_total") == 0


def ask_with_triton(proxy, binary, output):
    client = tritonclient.http.InferenceServerClient(proxy.removeprefix("http://"))
    assert client.is_server_live() and client.is_model_ready("house-price")
    tensor = tritonclient.http.InferInput("x", [2, 2], "FP64")
    tensor.set_data_from_numpy(numpy.array(HOUSES), binary_data=binary)
    wanted = [tritonclient.http.InferRequestedOutput(output, binary_data=binary)]
    answer = client.infer("house-price", [tensor], outputs=wanted)
    client.close()
    return answer.as_numpy(output).ravel().round(5).tolist()


def test_the_triton_client_talks_to_mlserver(sidecar):
    assert ask_with_triton(sidecar.proxy, False, "predict") == PRICES
    assert_watched(sidecar, 2)


# A process of its own: tritonclient and kserve register the same protobuf messages.
TRITON_GRPC = """
import json, sys
import numpy, tritonclient.grpc, tritonclient.utils
ca = sys.argv[3] if len(sys.argv) > 3 else None
client = tritonclient.grpc.InferenceServerClient(sys.argv[1], ssl=ca is not None, root_certificates=ca)
assert client.is_server_live() and client.is_model_ready("house-price")
values = numpy.array(json.loads(sys.argv[2]))
tensor = tritonclient.grpc.InferInput("x", list(values.shape), "FP64")
tensor.set_data_from_numpy(values)
try:
    answer = client.infer("house-price", [tensor], request_id="order-7")
    print(json.dumps(answer.as_numpy("predict").ravel().round(5).tolist()))
except tritonclient.utils.InferenceServerException as error:
    print(json.dumps(error.status()))
"""


def ask_triton_by_grpc(proxy, rows, *ca):
    asked = subprocess.run([sys.executable, "-c", TRITON_GRPC, proxy.removeprefix("http://"), json.dumps(rows), *ca],
                           capture_output=True, text=True, check=False, timeout=60)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def test_the_triton_client_talks_grpc_to_mlserver_and_its_own_ids_find_their_labels(grpc_sidecar):
    assert ask_triton_by_grpc(grpc_sidecar.proxy, HOUSES) == PRICES
    assert_watched(grpc_sidecar, 2)
    assert grpc_sidecar.metrics().sum("outrider_grpc_requests_total", grpc_code="OK") == 3
    assert grpc_sidecar.label([{"id": "order-7_0", "label": 90.0}, {"id": "order-7_1", "label": 10.0}]) == ["joined", "joined"]


def test_the_triton_client_talks_grpc_over_tls_to_mlserver_behind_the_sidecar(programs, binaries, mlserver, tmp_path):
    ca = Authority(tmp_path)
    sidecar = Sidecar(programs, binaries, mlserver["grpc"], tmp_path / "data", options=["--tls.cert-dir", ca.sign(tmp_path / "own")])
    assert ask_triton_by_grpc(sidecar.proxy, HOUSES, ca.pem) == PRICES
    assert_watched(sidecar, 2)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_grpc_requests_total", grpc_method="ModelInfer", grpc_code="OK") == 1
    assert metrics.sum("outrider_tls_handshakes_total", port="proxy", side="server", result="success") == 1
    assert sidecar.label([{"id": "order-7_0", "label": 90.0}]) == ["joined"]


def test_the_status_of_a_grpc_call_decides_its_outcome_not_that_of_http(grpc_sidecar):
    status = ask_triton_by_grpc(grpc_sidecar.proxy, [[1.0, 2.0, 3.0]])
    assert status.startswith("StatusCode."), status
    code = status.removeprefix("StatusCode.")
    wait_for("the call", lambda: grpc_sidecar.metrics().sum("outrider_grpc_requests_total", grpc_code=code) == 1, 10)
    assert grpc_sidecar.metrics().sum("outrider_predictions_total", outcome="success") == 0


def test_the_kserve_client_talks_grpc_to_mlserver(grpc_sidecar):
    async def ask():
        client = InferenceGRPCClient(url=grpc_sidecar.proxy.removeprefix("http://"), retries=0)
        tensor = InferInput("x", [2, 2], "FP64", [value for house in HOUSES for value in house])
        return await client.infer(InferRequest("house-price", [tensor]), timeout=20)

    answer = asyncio.run(ask())
    assert [round(value, 5) for value in answer.outputs[0].data] == PRICES
    assert_watched(grpc_sidecar, 2)


def test_the_triton_clients_binary_tensors_are_watched_too(programs, binaries, tmp_path):
    """With our predictor: MLServer answers them with 422, sidecar or not."""
    (tmp_path / "seed.csv").write_text("size,bedrooms,price\n1000,2,50\n1500,3,75\n2000,4,100\n2500,5,125\n")
    subprocess.run([binaries / "outrider-predictor", "train", "--data", tmp_path / "seed.csv", "--target", "price",
                    "--algorithm", "ols", "--name", "house-price", "--registry", tmp_path / "registry", "--promote"],
                   check=True, timeout=60)
    port = free_port()
    programs.start("predictor", [binaries / "outrider-predictor", "serve", "--registry", tmp_path / "registry", "--name",
                                 "house-price", "--web.listen-address", f"127.0.0.1:{port}"])
    programs.wait_until_ready("predictor", f"http://127.0.0.1:{port}/-/ready")
    sidecar = Sidecar(programs, binaries, f"http://127.0.0.1:{port}", tmp_path / "data")
    assert ask_with_triton(sidecar.proxy, True, "price") == PRICES
    sidecar.wait_for_predictions(2)
    assert sidecar.metrics().sum("outrider_predictions_total", outcome="success") == 2


def test_the_kserve_client_talks_v2(sidecar):
    async def ask():
        client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=20))
        tensor = InferInput("x", [2, 2], "FP64", [value for house in HOUSES for value in house])
        return await client.infer(sidecar.proxy, InferRequest("house-price", [tensor]), model_name="house-price")

    answer = asyncio.run(ask())
    assert [round(value, 5) for value in answer.outputs[0].data] == PRICES
    assert_watched(sidecar, 2)


BODY = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": HOUSES}]}


def test_httpx_requests_and_curl_get_the_same_bytes_as_without_the_sidecar(sidecar, mlserver):
    path = "/v2/models/house-price/infer"

    def outputs(body):
        return json.dumps(json.loads(body)["outputs"])

    with requests.Session() as session:
        session.trust_env = False
        direct = session.post(mlserver["http"] + path, json=BODY, timeout=20)
        through = session.post(sidecar.proxy + path, json=BODY, timeout=20)
    assert outputs(direct.text) == outputs(through.text)
    own = {"x-prediction-id", "date", "content-length", "ce-id", "ce-requestid"}  # New with each answer.
    plain = {k.lower(): v for k, v in direct.headers.items() if k.lower() not in own}
    watched = {k.lower(): v for k, v in through.headers.items() if k.lower() not in own}
    assert watched == plain

    with httpx.Client(trust_env=False) as client:
        assert outputs(client.post(sidecar.proxy + path, json=BODY, timeout=20).text) == outputs(direct.text)

        async def many():
            async with httpx.AsyncClient(trust_env=False) as asynchronous:
                return await asyncio.gather(*(asynchronous.post(sidecar.proxy + path, json=BODY, timeout=30)
                                              for _ in range(40)))

        assert {outputs(answer.text) for answer in asyncio.run(many())} == {outputs(direct.text)}

    # A body sent chunked, and one behind Expect: 100-continue.
    for extra in (["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["--http1.0"]):
        curl = subprocess.run(["curl", "-sS", "--noproxy", "*", "-H", "Content-Type: application/json", *extra, "-d",
                               json.dumps(BODY), sidecar.proxy + path], capture_output=True, text=True, timeout=20,
                              check=False)
        assert curl.returncode == 0, curl.stderr
        assert outputs(curl.stdout) == outputs(direct.text), extra
    assert_watched(sidecar, 2 * (1 + 1 + 40 + 3))


def test_the_servers_own_metadata_passes_through(sidecar, mlserver):
    with httpx.Client(trust_env=False) as client:
        for path in ("/v2", "/v2/models/house-price", "/v2/health/ready", "/nowhere"):
            direct, through = client.get(mlserver["http"] + path), client.get(sidecar.proxy + path)
            assert (through.status_code, through.content) == (direct.status_code, direct.content)
