# SPDX-License-Identifier: Apache-2.0
"""The committed golden messages of remote write are what the independent encoder makes today."""

import importlib.util
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "base" / "remote_write" / "codec"


def test_the_golden_messages_are_the_independent_encoders():
    spec = importlib.util.spec_from_file_location("make_golden", FOLDER / "make_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, content in module.messages().items():
        assert (FOLDER / "golden" / name).read_bytes() == content, name
