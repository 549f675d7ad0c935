# SPDX-License-Identifier: Apache-2.0
"""The demo's deployer: replicas come and go behind the balancer, and a client notices none of it."""

import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from conftest import ROOT
from fleet import Fleet, tool
from processes import HttpError, http, http_json, wait_for


class Caller:
    """Asks for a price all the time, and keeps what was no price."""

    def __init__(self, url):
        self.url, self.stopping, self.failed, self.pods, self.answered = url, threading.Event(), [], set(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.01):
            try:
                status, headers, body = http("GET", f"{self.url}/predict?size=1800&bedrooms=3")
            except OSError as error:
                self.failed.append(str(error))
                continue
            self.answered += 1
            self.pods.add(headers.get("X-Pod"))
            if status != 200:
                self.failed.append(body)

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def fleet(programs, binaries, tmp_path):
    if not tool("haproxy"):
        pytest.skip("haproxy is not installed: scripts/install run")
    fleet = Fleet(tmp_path / "run", programs, favour_ports=False, rate=20)
    fleet.folder.mkdir()
    fleet.train_first_version()
    fleet.start_truth()
    fleet.start_registry()
    fleet.start_balancer()
    fleet.start_deployer()
    return fleet


@pytest.mark.timeout(180)
def test_replicas_come_and_go_and_no_request_fails(fleet):
    caller = Caller(fleet.url("proxy"))
    try:
        wait_for("answers of three replicas", lambda: len(caller.pods) == 3, 20)
        assert fleet.order("scale", {"replicas": 5, "from": 3})["message"] == "3 -> 5 replicas, all of them ready"
        wait_for("answers of five replicas", lambda: len(caller.pods) == 5, 20)
        assert fleet.order("replace", {"pod": "house-price-2"})["message"] == "house-price-2 -> house-price-6"
        fleet.order("scale", {"replicas": 2})
        names = [pod["pod"] for pod in fleet.deployed()["pods"]]
        assert names == ["house-price-1", "house-price-3"]
        answered = caller.answered
        wait_for("answers of those that stayed", lambda: caller.answered > answered + 50, 20)
    finally:
        caller.stop()
    assert not caller.failed
    # What went is gone: its processes have ended and its folder with them.
    assert sorted(path.name for path in (fleet.folder / "pods").iterdir()) == names


@pytest.mark.timeout(120)
def test_an_order_is_carried_out_once_and_only_where_things_are_as_it_says(fleet):
    url, key = fleet.url("deployer", "/api/v1/scale"), {"Idempotency-Key": "incident-1/scale"}
    first = http_json("POST", url, {"replicas": 4, "from": 3}, headers=key)
    again = http_json("POST", url, {"replicas": 4, "from": 3}, headers=key)
    assert not first["duplicate"] and again["duplicate"] and again["id"] == first["id"]
    wait_for("the job", lambda: http_json("GET", fleet.url("deployer", f"/api/v1/jobs/{first['id']}"))["state"] == "succeeded", 30)
    assert fleet.deployed()["replicas"] == 4
    assert [job["id"] for job in http_json("GET", fleet.url("deployer", "/api/v1/jobs"))["jobs"]] == [first["id"]]
    for path, asked, status, words in (("scale", {"replicas": 8, "from": 3}, 409, "there are 4 replicas, not 3"),
                                       ("scale", {"replicas": 99}, 400, "expected 1 to 16"), ("scale", {"replicas": "8"}, 400, "got '8'"),
                                       ("replace", {"pod": "fraud-1"}, 404, "no replica 'fraud-1'"), ("destroy", {}, 404, "expected /api/v1/scale")):
        with pytest.raises(HttpError) as refused:
            http_json("POST", fleet.url("deployer", f"/api/v1/{path}"), asked)
        assert refused.value.status == status and words in refused.value.body, (path, asked, refused.value.body)
    assert fleet.deployed()["replicas"] == 4


def processes_of(folder):
    """Command lines that name the folder: every program of the demo is told where its files are."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # It ended meanwhile.
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.timeout(120)
def test_whoever_is_impatient_with_ctrl_c_leaves_no_process_behind(binaries, tmp_path):
    data = tmp_path / "run"
    story = subprocess.Popen([sys.executable, ROOT / "demo" / "story.py", "--check", "--data", data], stdout=subprocess.PIPE, text=True)
    try:
        told = next(line for line in story.stdout if "logs:" in line)
        assert told and len(processes_of(data)) > 10
        for _ in range(3):
            story.send_signal(signal.SIGINT)
        rest = story.communicate(timeout=60)[0]
    finally:
        story.kill()
        story.wait()
    assert story.returncode == 130 and "nothing is left running" in rest
    wait_for("the end of every program", lambda: not processes_of(data), 10)
