# SPDX-License-Identifier: Apache-2.0
"""Acts 2 and 3 of scripts/run: a surge is answered by more replicas, a version past its gates is rolled back."""

import re

import pytest
from story_test import play


@pytest.mark.timeout(300)
def test_a_surge_is_answered_by_eight_replicas_and_no_request_fails(binaries, tmp_path):
    told = play(tmp_path, "--act", "2")
    for line in ("latency and queue rise", "ModelSaturated fires", "the agent: scale from 3 pods to 8 pods, because house-price",
                 "8 replicas are ready", "verified: 95 % of", "none failed", "every step was observed"):
        assert line in told


@pytest.mark.timeout(300)
def test_a_version_that_was_forced_past_its_gates_is_named_as_the_cause_and_rolled_back(binaries, tmp_path):
    told = play(tmp_path, "--act", "3")
    for line in ("gate 'better' refuses", "past its gates", "of the predictions of v3 are wrong", "ModelAccuracyDropped fires",
                 "the agent: root cause: promotion v3 of model house-price", "is opened, and told: root cause: promotion v3",
                 "rolled back: v2 is production; v2 serves at all 3 replicas",
                 "of the predictions of the last ten seconds are right", "none failed", "every step was observed"):
        assert line in told
    assert len(re.findall(r"ticket http\S+ is opened", told)) == 1
    assert re.search(r"ticket http\S+ is closed: Its alerts ended at", told)
