# SPDX-License-Identifier: Apache-2.0
"""Several outrider-predictor of one registry, and one that plays a heavier model."""

import json
import threading
import time

import pytest
from predictor_test import predictor, seed_registry, training_data  # noqa: F401 (fixtures)
from processes import free_port, http, http_json, wait_for
from stack import Program


def serve(programs, predictor, registry, name, *options):  # noqa: F811
    port = free_port()
    return Program(programs, name, [predictor, "serve", "--registry", registry, "--name", "house-price", "--web.listen-address",
                                    f"127.0.0.1:{port}", *options], f"http://127.0.0.1:{port}")


@pytest.mark.timeout(60)
def test_a_server_with_jobs_of_its_own_does_not_take_up_those_of_another(programs, predictor, seed_registry, training_data,  # noqa: F811
                                                                         tmp_path):
    """Both start from one registry, as replicas on a shared volume do."""
    wants = ["--retrain.url", training_data.url, "--retrain.wait", "60s"]
    first = serve(programs, predictor, seed_registry, "first", *wants)
    asked = http_json("POST", f"{first.admin}/api/v1/retrain", {"since": "2026-01-03T00:00:00Z", "version": "v1"})
    wait_for("a job that waits for rows", lambda: "waiting for rows" in http_json("GET", first.admin + asked["url"])["message"], 20)
    second = serve(programs, predictor, seed_registry, "second", *wants, "--retrain.jobs", tmp_path / "second.json")
    assert http_json("GET", f"{second.admin}/api/v1/jobs")["jobs"] == []
    own = http_json("POST", f"{second.admin}/api/v1/retrain", {"since": "2026-01-03T00:00:00Z", "version": "v1"})
    assert [job["id"] for job in json.loads((tmp_path / "second.json").read_text())] == [own["id"]]
    assert [job["id"] for job in http_json("GET", f"{first.admin}/api/v1/jobs")["jobs"]] == [asked["id"]]


@pytest.mark.timeout(60)
def test_requests_wait_in_line_for_their_service_time(programs, predictor, seed_registry):  # noqa: F811
    server = serve(programs, predictor, seed_registry, "heavy", "--predict.service-time", "200ms")
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(http("GET", f"{server.admin}/predict?size=1800&bedrooms=3")))
               for _ in range(5)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert time.monotonic() - began >= 1.0, "five requests, one after the other"
    assert [status for status, _, _ in answers] == [200] * 5
