# SPDX-License-Identifier: Apache-2.0
"""examples/ci: a pipeline trains, validates, registers and deploys; a worse model and moved data are stopped on the way."""

import csv
import os
import random
import subprocess

import pytest
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import Program


def write_sales(path, seed, noise, factor=1.0, sizes=(500, 3000)):
    chance = random.Random(seed)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["size", "bedrooms", "price"])
        for _ in range(1500):
            size, bedrooms = chance.uniform(*sizes), chance.randint(1, 5)
            rows.writerow([round(size, 1), bedrooms, round(factor * (20 + size * 0.05 + bedrooms * 2) * (1 + chance.gauss(0, noise)), 2)])


class Pipeline:
    def __init__(self, binaries, folder):
        self.binaries, self.folder, self.more = binaries, folder, {}

    def run(self, data, **environment):
        done = subprocess.run([ROOT / "examples" / "ci" / "train-and-deploy.sh", data], capture_output=True, text=True, timeout=60, env={
            **os.environ, "BIN": str(self.binaries), "REGISTRY": str(self.folder / "registry"), "MODEL": "house-price", "TARGET": "price",
            **self.more, **environment})
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def pipeline(binaries, tmp_path):
    return Pipeline(binaries, tmp_path)


def test_a_better_model_goes_all_the_way_and_a_worse_one_is_stopped_by_a_gate(programs, binaries, pipeline, tmp_path):
    write_sales(tmp_path / "first.csv", 1, noise=0.03)
    status, said = pipeline.run(tmp_path / "first.csv")
    assert status == 0 and "v1 passes and is production" in said, said

    address, agent_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    served = Program(programs, "predictor", [binaries / "outrider-predictor", "serve", "--registry", tmp_path / "registry", "--name", "house-price",
                                             "--web.listen-address", address], f"http://{address}")
    agent = Program(programs, "agent", [binaries / "outrider-agent", "--web.listen-address", agent_address, "--data.dir", tmp_path / "agent"],
                    f"http://{agent_address}")
    pipeline.more = {"SERVED": served.admin, "AGENT": agent.admin}

    # Prices rose by a fifth: production is wrong by that, and the pipeline's model is not.
    write_sales(tmp_path / "risen.csv", 2, noise=0.03, factor=1.2)
    status, said = pipeline.run(tmp_path / "risen.csv")
    assert status == 0 and "nothing moved" in said and f"{served.admin} serves v2" in said, said
    assert http("GET", f"{served.admin}/predict?size=1800&bedrooms=3")[1]["X-Model-Version"] == "v2"
    changes = wait_for("the change at the agent", lambda: http_json("GET", f"{agent.admin}/api/v1/changes")["changes"], 10)
    assert [(c["kind"], c["version"]) for c in changes] == [("promotion", "v2")]

    # The same market again: nothing is gained, so nothing changes.
    write_sales(tmp_path / "same.csv", 3, noise=0.03, factor=1.2)
    status, said = pipeline.run(tmp_path / "same.csv")
    assert status == 4 and "gate 'better' refuses" in said, said
    assert http("GET", f"{served.admin}/predict?size=1800&bedrooms=3")[1]["X-Model-Version"] == "v2"


def test_data_that_moved_is_named_and_refused_where_that_is_asked_for(pipeline, tmp_path):
    write_sales(tmp_path / "first.csv", 1, noise=0.03)
    assert pipeline.run(tmp_path / "first.csv")[0] == 0
    write_sales(tmp_path / "larger.csv", 2, noise=0.03, sizes=(2000, 6000))
    status, said = pipeline.run(tmp_path / "larger.csv", MAX_DRIFT="0")
    assert status == 3 and "moved: size" in said and "refused" in said, said
