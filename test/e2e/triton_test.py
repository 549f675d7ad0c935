# SPDX-License-Identifier: Apache-2.0
"""A real Triton server over HTTP behind the sidecar, unconfigured: what its clients send, what its models answer."""

import gzip
import json
import math
import subprocess

import numpy
import pytest
import requests
import tritonclient.http
import tritonclient.utils.shared_memory as shared_memory
from processes import Programs, wait_for
from stack import Sidecar
from triton_server import start_triton

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

KEEP_FEATURES = "log: {keep_features: true}\n"
JSON = {"Content-Type": "application/json"}
PROBABILITIES = [[0.25, 0.5, 0.25], [0.75, 0.125, 0.125]]


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    with Programs(folder / "logs") as programs:
        yield start_triton(programs, folder)


@pytest.fixture
def watched(programs, binaries, triton, tmp_path):
    (tmp_path / "model.yaml").write_text(KEEP_FEATURES)
    return Watched(Sidecar(programs, binaries, triton, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"]))


class Watched:
    """The sidecar before Triton, asked with a request id that labels then go by."""

    def __init__(self, sidecar):
        self.sidecar = sidecar
        self.session = requests.Session()
        self.session.trust_env = False
        self.client = tritonclient.http.InferenceServerClient(sidecar.proxy.removeprefix("http://"))

    def post(self, path, body, **headers):
        """A POST by hand; a body that is no bytes goes as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        answer = self.session.post(self.sidecar.proxy + path, data=body, headers=headers, timeout=20)
        self.id = answer.headers["X-Prediction-Id"]
        return answer

    def infer(self, model, *tensors, outputs=None, path=None, **rest):
        """An inference of tensors (name, shape, datatype, data) as JSON."""
        body = {"inputs": [dict(zip(("name", "shape", "datatype", "data"), tensor)) for tensor in tensors], **rest}
        if outputs:
            body["outputs"] = outputs
        return self.post(path or f"/v2/models/{model}/infer", body)

    def settle(self, exchanges):
        """Waits until so many exchanges have their class, and gives the metrics."""
        def all_counted():
            metrics = self.sidecar.metrics()
            counted = sum(metrics.sum(f"outrider_exchanges_{name}_total") for name in ("analysed", "skipped", "dropped", "failed"))
            return metrics if counted >= exchanges else None

        return wait_for(f"{exchanges} exchanges", all_counted, 20)

    def rows(self, count, exchanges=1, alias=None):
        """The first rows of the last request, as a trainer gets them: [{column: text}]. A row that is no prediction is absent."""
        self.settle(exchanges)
        key = alias or self.id
        ids = [key] if count == 1 else [f"{key}_{row}" for row in range(count)]
        self.results = self.sidecar.label([{"id": name, "label": 0} for name in ids])
        return self.sidecar.training_data()


def outcomes(metrics, **labels):
    return {word: metrics.sum("outrider_predictions_total", outcome=word, **labels) for word in ("success", "failure")}


def tensor(name, values, datatype, binary=True):
    array = numpy.asarray(values)
    made = tritonclient.http.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def house(sizes, binary=True):
    return [tensor("size", numpy.array(sizes, numpy.float32).reshape(-1, 1), "FP32", binary),
            tensor("rooms", numpy.full((len(sizes), 1), 3, numpy.int32), "INT32", binary)]


# ---- requests and answers ----

def test_json_by_curl_is_two_predictions_with_the_tensors_as_features(watched):
    body = {"id": "mine", "inputs": [{"name": "size", "shape": [2, 1], "datatype": "FP32", "data": [1800, 1000]},
                                     {"name": "rooms", "shape": [2, 1], "datatype": "INT32", "data": [[3], [2]]}]}
    run = subprocess.run(["curl", "-sS", "--noproxy", "*", "-d", json.dumps(body),
                          watched.sidecar.proxy + "/v2/models/house/infer"], capture_output=True, text=True, timeout=20, check=True)
    assert json.loads(run.stdout)["outputs"][0]["data"] == [108.0, 60.0]
    rows = watched.rows(2, alias="mine")
    assert [(float(row["size"]), float(row["rooms"]), float(row["prediction"])) for row in rows] == [(1800, 3, 108), (1000, 2, 60)]
    assert outcomes(watched.settle(1), model_name="house", model_version="2") == {"success": 2, "failure": 0}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_its_client_is_understood_with_binary_and_json_tensors_compressed_or_not(watched, binary_in, binary_out, compression):
    wanted = [tritonclient.http.InferRequestedOutput("price", binary_data=binary_out)]
    answer = watched.client.infer("house", house([1800, 1000], binary_in), outputs=wanted, request_id="mine",
                                  request_compression_algorithm=compression, response_compression_algorithm=compression)
    assert answer.as_numpy("price").ravel().tolist() == [108.0, 60.0]
    rows = watched.rows(2, alias="mine")
    assert [(float(row["size"]), float(row["rooms"]), float(row["prediction"])) for row in rows] == [(1800, 3, 108), (1000, 3, 60)]


def test_several_models_and_versions_of_one_server_are_told_apart(watched):
    watched.client.infer("house", house([1800, 1000]))
    watched.client.infer("house", house([1800]), model_version="1")
    watched.client.infer("matrix", [tensor("x", [[1.0, 2.0, 3.0]], "FP64")])
    watched.client.infer("cat", [tensor("x", numpy.array(PROBABILITIES, numpy.float32), "FP32")])
    metrics = watched.settle(4)
    assert outcomes(metrics, model_name="house", model_version="2") == {"success": 2, "failure": 0}
    assert outcomes(metrics, model_name="house", model_version="1") == {"success": 1, "failure": 0}
    assert outcomes(metrics, model_name="matrix", model_version="1") == {"success": 1, "failure": 0}
    assert outcomes(metrics, model_name="cat", model_version="1") == {"success": 2, "failure": 0}
    assert outcomes(metrics) == {"success": 6, "failure": 0}


def test_texts_come_and_go_as_bytes(watched):
    comments = numpy.array([[b"a good one"], ["nicht sch\u00f6n".encode()]], dtype=object)
    watched.client.infer("review", [tensor("comment", comments, "BYTES")], request_id="mine")
    rows = watched.rows(2, alias="mine")
    assert [(row["comment"], row["prediction"]) for row in rows] == [("a good one", "good"), ("nicht sch\u00f6n", "bad")]


def test_bytes_that_are_no_text_are_an_unseen_feature_of_a_prediction_that_counts(watched):
    picture = numpy.array([[b"\xff\xd8\xff\xe0good"]], dtype=object)
    watched.client.infer("review", [tensor("comment", picture, "BYTES")], request_id="mine")
    rows = watched.rows(1, alias="mine")
    assert [row["prediction"] for row in rows] == ["good"]
    assert rows[0].get("comment", "") == ""


def test_a_raw_binary_request_has_a_prediction_and_no_features_that_we_know(watched):
    raw = numpy.array([1.0, 2.0, 3.0]).tobytes()
    answer = watched.post("/v2/models/matrix/infer", raw,
                          **{"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "0"})
    assert answer.status_code == 200
    assert outcomes(watched.settle(1), model_name="matrix") == {"success": 1, "failure": 0}
    assert watched.sidecar.label({"id": watched.id, "label": 9.0}) == ["joined"]
    assert watched.sidecar.metrics().by("outrider_outcomes_total", "correct") == {"true": 1, "false": 0}


def test_the_generate_extension_takes_and_gives_flat_json(watched):
    assert watched.post("/v2/models/house/generate", {"size": 1800, "rooms": 3}).json()["price"] == 108.0
    rows = watched.rows(1)
    assert [(float(row["size"]), float(row["rooms"]), float(row["prediction"])) for row in rows] == [(1800, 3, 108)]


def test_a_gzip_request_by_hand_and_a_json_answer(watched):
    body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]}
    watched.post("/v2/models/matrix/infer", gzip.compress(json.dumps(body).encode()), **JSON, **{"Content-Encoding": "gzip"})
    assert [float(row["prediction"]) for row in watched.rows(1)] == [9.0]


# ---- classes ----

def best(count):
    return [{"name": "prob", "parameters": {"classification": count}}]


def test_of_score_index_label_the_label_is_the_prediction(watched):
    """The label may hold colons itself; the best class comes first."""
    answer = watched.infer("cat", ("x", [2, 3], "FP32", sum(PROBABILITIES, [])), outputs=best(2))
    assert answer.json()["outputs"][0]["data"][0] == "0.500000:1:persian: long hair"
    assert [row["prediction"] for row in watched.rows(2)] == ["persian: long hair", "siamese"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("top", [1, 3])
def test_the_clients_class_count_gives_one_prediction_a_row(watched, binary, top):
    wanted = [tritonclient.http.InferRequestedOutput("prob", binary_data=binary, class_count=top)]
    watched.client.infer("cat", [tensor("x", numpy.array(PROBABILITIES, numpy.float32), "FP32")], outputs=wanted, request_id="mine")
    assert [row["prediction"] for row in watched.rows(2, alias="mine")] == ["persian: long hair", "siamese"]
    assert outcomes(watched.settle(1)) == {"success": 2, "failure": 0}


def test_without_a_label_file_the_index_is_the_class(watched):
    answer = watched.infer("unlabelled", ("x", [2, 3], "FP32", sum(PROBABILITIES, [])), outputs=best(1))
    assert answer.json()["outputs"][0]["data"] == ["0.500000:1", "0.750000:0"]
    assert [row["prediction"] for row in watched.rows(2)] == ["1", "0"]


def test_classes_of_a_model_that_does_not_batch_are_of_one_row(watched):
    """As many classes as inputs: by their number alone they could be three rows."""
    answer = watched.infer("pet", ("x", [3], "FP32", PROBABILITIES[0]), outputs=best(3))
    assert answer.json()["outputs"][0]["shape"] == [3]
    watched.rows(1)
    assert outcomes(watched.settle(1)) == {"success": 1, "failure": 0}
    assert [row["prediction"] for row in watched.sidecar.training_data()] == ["persian: long hair"]


def test_probabilities_are_a_class_by_their_position(watched):
    watched.infer("unlabelled", ("x", [2, 3], "FP32", sum(PROBABILITIES, [])))
    assert [row["prediction"] for row in watched.rows(2)] == ["1", "0"]


def test_several_numbers_a_row_that_are_no_probabilities_are_no_prediction(watched):
    """One of the rows sums to 1 by chance."""
    watched.infer("unlabelled", ("x", [2, 3], "FP32", [0.25, 0.5, 0.125, 0.7, 0.2, 0.1]))
    metrics = watched.settle(1)
    assert outcomes(metrics)["success"] == 0
    assert metrics.sum("outrider_exchanges_failed_total") == 1


def test_booleans_are_classes(watched):
    watched.infer("approval", ("x", [2, 1], "FP32", [1.5, -2.0]))
    assert [row["prediction"] for row in watched.rows(2)] == ["true", "false"]


# ---- numbers ----

@pytest.mark.parametrize("binary", [True, False])
def test_a_nan_among_the_predictions_is_one_failure(watched, binary):
    wanted = [tritonclient.http.InferRequestedOutput("y", binary_data=binary)]
    answer = watched.client.infer("sqrt", [tensor("x", numpy.array([[4], [-1], [9]], numpy.float32), "FP32")], outputs=wanted, request_id="mine")
    assert math.isnan(answer.as_numpy("y")[1][0])
    assert outcomes(watched.settle(1), model_name="sqrt") == {"success": 2, "failure": 1}
    assert [float(row["prediction"]) for row in watched.rows(3, alias="mine")] == [2.0, 3.0]


def test_a_nan_among_the_inputs_is_a_missing_value(watched):
    body = b'{"inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[NaN,4]}]}'
    answer = watched.post("/v2/models/sqrt/infer", body, **JSON)
    assert answer.status_code == 200, answer.text
    assert outcomes(watched.settle(1)) == {"success": 1, "failure": 1}  # The root of NaN is NaN.
    assert [float(row["prediction"]) for row in watched.rows(2)] == [2.0]


@pytest.mark.parametrize("binary", [True, False])
def test_integers_beyond_2_to_53_are_exact_or_refused(watched, binary):
    wanted = [tritonclient.http.InferRequestedOutput("y", binary_data=binary)]
    watched.client.infer("counter", [tensor("x", numpy.array([[1], [2]], numpy.int32), "INT32")], outputs=wanted, request_id="mine")
    rows = [row["prediction"] for row in watched.rows(2, alias="mine")]
    assert rows in ([str((1 << 60) + 1), str((1 << 60) + 2)], [])
    assert rows or watched.settle(1).sum("outrider_exchanges_failed_total") == 1


# ---- errors and what is no prediction ----

def test_errors_of_the_model_and_of_the_request_are_failures_and_never_predictions(watched):
    assert watched.infer("house", ("size", [1, 1], "FP32", [-1e9]), ("rooms", [1, 1], "INT32", [3])).status_code == 500
    assert watched.infer("house", ("sizes", [1, 1], "FP32", [1.0])).status_code == 400
    assert watched.infer("house", ("size", [1, 2], "FP32", [1.0, 2.0]), ("rooms", [1, 1], "INT32", [3])).status_code == 400
    assert watched.post("/v2/models/house/infer", b'{"inputs": [', **JSON).status_code == 500
    metrics = watched.settle(4)
    assert outcomes(metrics, model_name="house") == {"success": 0, "failure": 4}
    assert metrics.sum("outrider_exchanges_failed_total") == 0


def test_names_of_models_that_do_not_exist_take_no_slot(watched):
    for number in range(40):
        assert watched.infer(f"nosuch{number}", ("x", [1, 1], "FP32", [1.0])).status_code == 404
    watched.client.infer("house", house([1800]))
    metrics = watched.settle(41)
    assert outcomes(metrics, model_name="house", model_version="2") == {"success": 1, "failure": 0}
    assert not [name for name in metrics.by("outrider_predictions_total", "model_name") if name.startswith("nosuch")]


def test_tensors_in_shared_memory_are_not_seen(watched):
    """An input there is an unseen feature; an output there is an exchange that is not understood."""
    keys = {name: f"/outrider_{watched.sidecar.proxy[-5:]}_{name}" for name in ("in", "out")}
    regions = [shared_memory.create_shared_memory_region(name, key, 8) for name, key in keys.items()]
    try:
        shared_memory.set_shared_memory_region(regions[0], [numpy.array([[1800], [1000]], numpy.float32)])
        for name, key in keys.items():
            watched.client.register_system_shared_memory(name, key, 8)
        size, rooms = house([0, 0])
        size.set_shared_memory("in", 8)
        watched.client.infer("house", [size, rooms], request_id="mine")
        rows = watched.rows(2, exchanges=3, alias="mine")
        assert [float(row["prediction"]) for row in rows] == [108.0, 60.0]
        assert [row.get("size", "") for row in rows] == ["", ""]
        wanted = tritonclient.http.InferRequestedOutput("price")
        wanted.set_shared_memory("out", 8)
        watched.client.infer("house", house([1800, 1000]), outputs=[wanted])
        metrics = watched.settle(4)
        assert outcomes(metrics) == {"success": 2, "failure": 0}
        assert metrics.sum("outrider_exchanges_analysed_total") == 1
    finally:
        watched.client.unregister_system_shared_memory()
        for region in regions:
            shared_memory.destroy_shared_memory_region(region)


def test_metadata_statistics_and_the_repository_are_no_predictions(watched):
    client = watched.client
    assert client.is_server_ready() and client.is_model_ready("house")
    assert client.get_server_metadata()["name"] == "triton"
    assert client.get_model_metadata("house")["name"] == "house"
    assert client.get_model_config("house")["name"] == "house"
    assert client.get_inference_statistics("house")["model_stats"]
    assert len(client.get_model_repository_index()) >= 9
    metrics = watched.settle(7)
    assert outcomes(metrics) == {"success": 0, "failure": 0}
    assert metrics.by("outrider_exchanges_skipped_total", "reason")["not_matched"] == 7
