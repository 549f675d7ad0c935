# SPDX-License-Identifier: Apache-2.0
"""Triton's own server over a model repository that this file writes: test/triton-requirements.txt has its program.

The models are Triton's Python backend's, as people write them; the package's Python interface (pytriton) is not used."""

import os
import shutil

import pytest
from conftest import ROOT
from processes import free_port

VENV = ROOT / "build" / "triton"

# {name: (config.pbtxt, {version: how one request's outputs are made of its inputs})}
MODELS = {
    "house": ("""
max_batch_size: 8
version_policy { all { } }
input [ { name: "size" data_type: TYPE_FP32 dims: [ 1 ] }, { name: "rooms" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "price" data_type: TYPE_FP32 dims: [ 1 ] } ]
""", {1: "price=(0.05 * size).astype('float32')", 2: "price=(0.06 * size).astype('float32')"}),
    "matrix": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP64 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP64 dims: [ 1 ] } ]
""", {1: "y=1.5 * x.sum(axis=1, keepdims=True)"}),
    "cat": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "prob" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
""", {1: "prob=x"}),
    "pet": ("""
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "prob" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
""", {1: "prob=x"}),
    "unlabelled": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "prob" data_type: TYPE_FP32 dims: [ 3 ] } ]
""", {1: "prob=x"}),
    "review": ("""
max_batch_size: 8
input [ { name: "comment" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "label" data_type: TYPE_STRING dims: [ 1 ] } ]
""", {1: "label=numpy.array([[b'good' if b'good' in row[0] else b'bad'] for row in comment], dtype=object)"}),
    "counter": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_INT64 dims: [ 1 ] } ]
""", {1: "y=x.astype('int64') + (1 << 60)"}),
    "sqrt": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]
""", {1: "y=numpy.sqrt(x)"}),
    "approval": ("""
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "y" data_type: TYPE_BOOL dims: [ 1 ] } ]
""", {1: "y=x > 0"}),
}

LABELS = "siamese\npersian: long hair\ntabby\n"

MODEL = """
import numpy
import triton_python_backend_utils as triton


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(**{{tensor.name(): tensor.as_numpy() for tensor in request.inputs()}}) for request in requests]

    def answer(self, {inputs}):
        if {first}.dtype.kind == "f" and ({first} < -1e6).any():
            return triton.InferenceResponse(error=triton.TritonError("the model broke"))
        return triton.InferenceResponse([triton.Tensor(name, value) for name, value in dict({outputs}).items()])
"""


def write_repository(folder):
    for name, (configuration, versions) in MODELS.items():
        inputs = [line.split('"')[1] for line in configuration.partition("output [")[0].split("{ name:")[1:]]
        for version, outputs in versions.items():
            source = folder / name / str(version) / "model.py"
            source.parent.mkdir(parents=True)
            source.write_text(MODEL.format(inputs=", ".join(inputs), first=inputs[0], outputs=outputs))
        (folder / name / "config.pbtxt").write_text('backend: "python"\n' + configuration)
        if "label_filename" in configuration:
            (folder / name / "labels.txt").write_text(LABELS)


def start_triton(programs, folder, grpc_port=None):
    """The server's URL, once all models are ready; it speaks gRPC where a port for it is given."""
    packages = next(VENV.glob("lib/python3*/site-packages"), None)
    if packages is None or not (packages / "pytriton").exists():
        pytest.fail(f"{VENV} has no Triton: scripts/test --all installs test/triton-requirements.txt into it")
    server = packages / "pytriton" / "tritonserver"
    backends = folder / "backends"
    shutil.copytree(server / "backends" / "python", backends / "python")
    stub = server / "python_backend_stubs" / packages.parent.name.removeprefix("python") / "triton_python_backend_stub"
    shutil.copy(stub, backends / "python")
    write_repository(folder / "models")
    port = free_port()
    by_grpc = ["--allow-grpc", "false"] if grpc_port is None else ["--grpc-address", "127.0.0.1", "--grpc-port", grpc_port]
    programs.start("triton", [
        server / "bin" / "tritonserver", "--model-repository", folder / "models", "--backend-directory", backends,
        "--http-address", "127.0.0.1", "--http-port", port, *by_grpc, "--allow-metrics", "false",
        "--backend-config", "python,shm-default-byte-size=1048576"],
        # Triton's Python finds its packages by the python3 of the path.
        environment={"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs")})
    url = f"http://127.0.0.1:{port}"
    programs.wait_until_ready("triton", f"{url}/v2/health/ready", 120)
    return url
