# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the oracles: the small programs of this folder, and the development data."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def oracle():
    """oracle(name): the newest build of a program of this folder, in any preset's build folder."""

    def find(name):
        built = sorted(ROOT.glob(f"build/*/test/oracle/{name}"), key=lambda path: path.stat().st_mtime)
        if not built:
            pytest.fail(f"no build/*/test/oracle/{name}: cmake --build --preset dev --target {name}")
        return built[-1]

    return find


@pytest.fixture(scope="session")
def shared_data():
    """The development data, or a skip that says where it was looked for."""
    for folder in (os.environ.get("OUTRIDER_SHARED_DATA"), ROOT.parent / "shared" / "data"):
        if folder and pathlib.Path(folder).is_dir():
            return pathlib.Path(folder)
    pytest.skip(f"no development data: neither OUTRIDER_SHARED_DATA nor {ROOT.parent / 'shared' / 'data'}")
