# SPDX-License-Identifier: Apache-2.0
"""The policy for a bad version (examples/policies/bad-version.yaml) against a real MLflow: its server, its registry."""

import pytest
from conftest import ROOT
from policies_test import Agent, end_of, fire, fired, hurried, world  # noqa: F401  A fixture among them.
from processes import Programs, free_port, http_json

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

VENV = ROOT / "build" / "registry" / "bin"


class Registry:
    def __init__(self, url):
        self.url = url
        self.post("registered-models/create", {"name": "rent"})
        for version in "123":
            run = self.post("runs/create", {"experiment_id": "0"})["run"]["info"]
            self.post("model-versions/create", {"name": "rent", "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]})
            self.post("model-versions/transition-stage", {"name": "rent", "version": version, "stage": "Production",
                                                          "archive_existing_versions": False})

    def post(self, path, body):
        return http_json("POST", f"{self.url}/api/2.0/mlflow/{path}", body)

    def production(self):
        """What `models:/rent/Production` is: the latest version of that stage."""
        found = self.post("registered-models/get-latest-versions", {"name": "rent", "stages": ["Production"]})
        return found["model_versions"][0]["version"]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    if not VENV.exists():
        pytest.fail(f"{VENV.parent} is absent: scripts/test --all installs test/registry-requirements.txt into it")
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    with Programs(folder) as programs:
        programs.start("mlflow", [VENV / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
                                  "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
                                  "--default-artifact-root", str(folder / "artifacts")], folder=folder)
        programs.wait_until_ready("mlflow", f"http://127.0.0.1:{port}/health", 180)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def registry(mlflow):
    made = Registry(mlflow)
    yield made
    http_json("DELETE", f"{mlflow}/api/2.0/mlflow/registered-models/delete", {"name": "rent"})


@pytest.mark.parametrize(("loaded", "outcome", "after"), [(True, "succeeded", "2"), (False, "undone", "3")])
def test_a_bad_version_leaves_the_stage_and_returns_where_it_is_still_served(programs, agent_binary, tmp_path, registry, world,  # noqa: F811
                                                                             loaded, outcome, after):
    assert registry.production() == "3"
    here = world()
    # A server that loads what is in production, or one that does not.
    here.values = {"outrider_predictions_total": lambda: 0.0 if loaded and registry.production() != "3" else 12.0}
    agent = Agent(programs, agent_binary, tmp_path, hurried("bad-version", registry.url, tmp_path),
                  ["--prometheus.url", here.url, "--decide.every", "300ms"])
    fire(agent, fired("ModelAccuracyDropped"))
    action = end_of(agent, 60)
    assert action["outcome"] == outcome, action
    assert registry.production() == after
