# SPDX-License-Identifier: Apache-2.0
"""A real Triton server over gRPC behind the sidecar, unconfigured, asked by its own client: what comes back, what is recorded.

triton_test.py has what is alike over HTTP: the models, and what classes, numbers and failures mean."""

import json
import subprocess
import sys

import pytest
from processes import Programs, free_port, wait_for
from stack import Sidecar
from triton_server import start_triton

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

PROBABILITIES = [[0.25, 0.5, 0.25], [0.75, 0.125, 0.125]]
# In a process of its own: kserve's package of the other tests has the same messages under other names.
CLIENT = """
import json, queue, sys
import numpy, tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype
client = triton.InferenceServerClient(sys.argv[1])
asked = json.loads(sys.argv[2])
def tensor(name, datatype, values):
    if datatype == "BYTES":
        array = numpy.array([[value.encode() for value in row] for row in values], dtype=object)
    else:
        array = numpy.array(values, dtype=triton_to_np_dtype(datatype))
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made
def values_of(answer):
    found = {output.name: answer.as_numpy(output.name) for output in answer.get_response().outputs}
    return {name: [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()] for name, array in found.items()}
def arguments(one):
    outputs = [triton.InferRequestedOutput(name, class_count=count) for name, count in one.get("classes", {}).items()]
    return dict(model_name=one["model"], inputs=[tensor(*values) for values in one["inputs"]], outputs=outputs or None,
                model_version=one.get("version", ""), request_id=one.get("id", ""))
def infer(one):
    try:
        return values_of(client.infer(**arguments(one), compression_algorithm=one.get("compression")))
    except InferenceServerException as error:
        return error.status()
def stream(all):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result.get_response().id, values_of(result)) if not error else ("", str(error))))
    for one in all:
        client.async_stream_infer(**arguments(one))
    found = dict(answers.get(timeout=20) for _ in all)
    client.stop_stream()
    return found
print(json.dumps(stream(asked["stream"]) if "stream" in asked else [infer(one) for one in asked["calls"]]))
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("triton"), free_port()
    with Programs(folder / "logs") as programs:
        start_triton(programs, folder, grpc_port=port)
        yield f"h2c://127.0.0.1:{port}"


@pytest.fixture
def sidecar(programs, binaries, triton, tmp_path):
    (tmp_path / "model.yaml").write_text("log: {keep_features: true}\n")
    return Sidecar(programs, binaries, triton, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"])


def ask(sidecar, *calls, stream=False):
    asked = subprocess.run([sys.executable, "-c", CLIENT, sidecar.proxy.removeprefix("http://"),
                            json.dumps({"stream" if stream else "calls": calls})], capture_output=True, text=True, timeout=90)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def house(sizes, **more):
    return {"model": "house", "inputs": [["size", "FP32", [[size] for size in sizes]], ["rooms", "INT32", [[3]] * len(sizes)]], **more}


def outcomes(sidecar, count, **labels):
    """{success, failure} once so many rows are counted."""
    def counted():
        metrics = sidecar.metrics()
        return metrics.sum("outrider_predictions_total") >= count and metrics
    metrics = wait_for(f"{count} predictions", counted, 20)
    return {word: metrics.sum("outrider_predictions_total", outcome=word, **labels) for word in ("success", "failure")}


def rows(sidecar, ids):
    """The rows of those ids, as a trainer gets them."""
    assert sidecar.label([{"id": one, "label": 0} for one in ids]) == ["joined"] * len(ids)
    return sidecar.training_data()


def test_rows_of_its_client_are_predictions_with_the_tensors_as_features(sidecar):
    assert ask(sidecar, house([1800, 1000], id="mine")) == [{"price": [108.0, 60.0]}]
    assert outcomes(sidecar, 2, model_name="house", model_version="2") == {"success": 2, "failure": 0}
    found = [(float(row["size"]), float(row["rooms"]), float(row["prediction"])) for row in rows(sidecar, ["mine_0", "mine_1"])]
    assert found == [(1800, 3, 108), (1000, 3, 60)]


def test_compressed_messages_are_understood(sidecar):
    calls = [house([1800, 1000], compression=compression) for compression in ("gzip", "deflate")]
    assert ask(sidecar, *calls) == [{"price": [108.0, 60.0]}] * 2
    assert outcomes(sidecar, 4) == {"success": 4, "failure": 0}


def test_several_models_and_versions_of_one_server_are_told_apart(sidecar):
    matrix = {"model": "matrix", "inputs": [["x", "FP64", [[1.0, 2.0, 3.0]]]]}
    assert ask(sidecar, house([1800]), house([1800], version="1"), matrix) == [{"price": [108.0]}, {"price": [90.0]}, {"y": [9.0]}]
    outcomes(sidecar, 3)
    for name, version in (("house", "2"), ("house", "1"), ("matrix", "1")):
        assert outcomes(sidecar, 3, model_name=name, model_version=version) == {"success": 1, "failure": 0}


def test_texts_come_and_go_as_bytes(sidecar):
    comments = [["a good one"], ["nicht schön"]]
    assert ask(sidecar, {"model": "review", "inputs": [["comment", "BYTES", comments]], "id": "mine"}) == [{"label": ["good", "bad"]}]
    outcomes(sidecar, 2)
    found = [(row["comment"], row["prediction"]) for row in rows(sidecar, ["mine_0", "mine_1"])]
    assert found == [("a good one", "good"), ("nicht schön", "bad")]


@pytest.mark.parametrize("top", [1, 3])
def test_the_clients_class_count_gives_one_prediction_a_row(sidecar, top):
    ask(sidecar, {"model": "cat", "inputs": [["x", "FP32", PROBABILITIES]], "classes": {"prob": top}, "id": "mine"})
    assert outcomes(sidecar, 2) == {"success": 2, "failure": 0}
    assert [row["prediction"] for row in rows(sidecar, ["mine_0", "mine_1"])] == ["persian: long hair", "siamese"]


def test_errors_of_the_model_and_of_the_request_are_failures_and_never_predictions(sidecar):
    broken = {"model": "house", "inputs": [["sizes", "FP32", [[1.0]]]]}
    answers = ask(sidecar, house([-1e9]), broken)
    assert all(answer.startswith("StatusCode.") for answer in answers), answers
    assert outcomes(sidecar, 2, model_name="house") == {"success": 0, "failure": 2}
    assert sidecar.metrics().sum("outrider_grpc_requests_total", grpc_method="ModelInfer", grpc_code="OK") == 0


def test_each_message_of_a_stream_is_an_exchange(sidecar):
    calls = [house([1000 + 100 * i], id=f"m-{i}") for i in range(5)]
    answers = ask(sidecar, *calls, stream=True)  # In any order.
    assert answers == {f"m-{i}": {"price": [pytest.approx(60.0 + 6 * i)]} for i in range(5)}
    assert outcomes(sidecar, 5) == {"success": 5, "failure": 0}
    found = sorted((float(row["size"]), float(row["prediction"])) for row in rows(sidecar, [f"m-{i}" for i in range(5)]))
    assert found == [(1000 + 100 * i, pytest.approx(60.0 + 6 * i)) for i in range(5)]
