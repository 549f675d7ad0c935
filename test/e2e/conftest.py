# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the real programs, started on free loopback ports and stopped by
the test that started them. demo/processes.py does the work; it is importable from every test."""

import functools
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "demo"))

from agent_program import Receiver  # noqa: E402
from processes import Programs  # noqa: E402

# Side by side (-n), each worker is given whole files in their order: the longest come first, so that none runs alone at the end.
LONGEST = ("cluster_test", "getting_started_test", "differential_test", "agent_test", "story_test", "story_acts_test", "predictor_test",
           "proxy_isolation_test", "remote_write_sender_test", "fleet_test", "crash_test")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture
def programs(tmp_path):
    """Starts programs; all are stopped when the test ends, however it ends."""
    with Programs(tmp_path / "logs") as running:
        yield running


@pytest.fixture
def receiver():
    """Whom the agent's actions are sent to: a trainer, a scaler, a desk of tickets."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="session")
def binaries():
    """The folder of the programs under test: build/bin, or OUTRIDER_BIN for a sanitizer's build."""
    folder = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin"))
    programs = ("outrider", *(f"outrider-{n}" for n in ("sidecar", "monitor", "predictor", "agent")))
    missing = [program for program in programs if not (folder / program).exists()]
    if missing:
        pytest.fail(f"{folder} lacks {missing}: run scripts/build first")
    return folder


@pytest.fixture(scope="session")
def agent_binary():
    folder = pathlib.Path(os.environ.get("OUTRIDER_BIN", ROOT / "build" / "bin"))
    binary = folder / "outrider-agent"
    if not binary.exists():
        pytest.fail(f"{binary} is missing: run scripts/build first")
    return binary


@pytest.fixture(scope="session")
def shared_data():
    """The development data, or a skip that says where it was looked for."""
    for folder in (os.environ.get("OUTRIDER_SHARED_DATA"), ROOT.parent / "shared" / "data"):
        if folder and pathlib.Path(folder).is_dir():
            return pathlib.Path(folder)
    pytest.skip(f"no development data: neither OUTRIDER_SHARED_DATA nor {ROOT.parent / 'shared' / 'data'}")


@pytest.fixture(scope="session")
def tool():
    """tool("helm"): the path of a tool that test/tools pins, built now if it is not there (scripts/tools).

    tool("schemas") is the folder of kubeconform's schemas. A tool that cannot be built fails the test; it is
    never skipped. What the default run needs, scripts/test has built before; a test that needs more is long.
    """
    return ecosystem_tool


@functools.cache
def ecosystem_tool(name):
    run = subprocess.run([ROOT / "scripts" / "tools", name], capture_output=True, text=True)
    if run.returncode != 0:
        pytest.fail(f"scripts/tools {name} failed; run it by hand:\n{(run.stdout + run.stderr)[-2000:]}")
    tools = ROOT / "build" / "tools"
    return tools / "schemas" if name == "schemas" else tools / "bin" / name
