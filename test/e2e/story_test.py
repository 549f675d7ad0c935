# SPDX-License-Identifier: Apache-2.0
"""The moment that sells it, as scripts/run shows it."""

import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.timeout(600)
def test_a_model_that_loses_accuracy_is_caught_and_mended_within_three_minutes(binaries, tmp_path):
    story = subprocess.run(
        [sys.executable, ROOT / "demo" / "story.py", "--check", "--data", tmp_path / "run"],
        capture_output=True, text=True, timeout=580, check=False)
    print(story.stdout)
    assert story.returncode == 0, story.stdout[-4000:] + story.stderr[-2000:]
    for line in ("the market turns", "ModelAccuracyDropped fires", "fell from 95% to", "is promoted",
                 "every step was observed"):
        assert line in story.stdout
