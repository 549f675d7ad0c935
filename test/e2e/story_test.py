# SPDX-License-Identifier: Apache-2.0
"""The moment that sells it, as scripts/run shows it."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT


def play(tmp_path, *options):
    story = subprocess.run(
        [sys.executable, ROOT / "demo" / "story.py", "--check", "--data", tmp_path / "run", *options],
        capture_output=True, text=True, timeout=580, check=False)
    print(story.stdout)
    assert story.returncode == 0, story.stdout[-4000:] + story.stderr[-2000:]
    return story.stdout


@pytest.mark.timeout(600)
def test_a_model_that_loses_accuracy_is_caught_and_mended_within_three_minutes(binaries, tmp_path):
    told = play(tmp_path)
    waiting = re.search(r"1 replica was replaced \(house-price-2 -> house-price-4\) while (\d+) labels", told)[1]
    assert int(waiting) > 0 and f"1 replica was replaced; {waiting} of {waiting} labels joined" in told
    for line in ("the market turns", "ModelAccuracyDropped fires", "fell from 95% to",
                 "Inputs unchanged: a shift of PSI 0.2 in any of 2 inputs would have been seen (power 0.9",
                 "concept drift", "is promoted", "every step was observed"):
        assert line in told


@pytest.mark.timeout(600)
def test_where_other_houses_come_the_incident_names_the_inputs_that_moved(binaries, tmp_path):
    told = play(tmp_path, "--cause", "buyers")
    for line in ("the buyers turn", "fell from 95% to", "inputs changed (size", "moved with the change", "data drift",
                 "is promoted", "every step was observed"):
        assert line in told
