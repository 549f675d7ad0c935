# SPDX-License-Identifier: Apache-2.0
"""The model server's own metrics on the sidecar's page: what it says twice stands once, so that the page is one that Prometheus takes."""

import shutil
import subprocess

import pytest
from processes import http, wait_for
from stack import ModelServer, Sidecar

PAGE = """# HELP queue_depth Requests that wait.
# TYPE queue_depth gauge
queue_depth{model="a"} 1
queue_depth{model="b"} 2
queue_depth{model="a"} 3
# TYPE request_seconds histogram
request_seconds_bucket{le="1"} 1
request_seconds_bucket{le="1.0"} 9
request_seconds_bucket{le="+Inf"} 2
request_seconds_sum 0.5
request_seconds_count 2
jobs{job="mine"} 4
jobs{exported_job="mine"} 5
"""


@pytest.fixture
def start(programs, binaries, tmp_path):
    def answer(path, body):
        return (200, "text/plain; version=0.0.4", PAGE.encode()) if path.startswith("/metrics") else (200, "application/json", b"{}")

    with ModelServer(answer) as server:
        def begin(*paths):
            targets = [word for path in paths for word in ("--scrape.target", server.url + path)]
            return Sidecar(programs, binaries, server.url, tmp_path / "data", options=[*targets, "--scrape.job", "model", "--scrape.interval", "1s"])
        yield begin


def lines(sidecar, name, accept="text/plain"):
    text = http("GET", f"{sidecar.admin}/metrics", headers={"Accept": accept})[2]
    return [line for line in text.splitlines() if line.startswith(name)]


def scraped(sidecar, times=1):
    wait_for(f"{times} scrapes", lambda: sidecar.metrics().sum("outrider_scrapes_total") >= times, 20)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_a_series_that_a_page_says_twice_stands_once_the_first_of_them(start, accept):
    sidecar = start("/metrics")
    scraped(sidecar)
    assert [line.rsplit(" ", 1)[1] for line in lines(sidecar, "queue_depth{", accept)] == ["1", "2"]
    assert [line.rsplit(" ", 1)[1] for line in lines(sidecar, "request_seconds_bucket{", accept)] == ["1", "2"]
    # Two that became one by the labels of the target.
    assert [line.rsplit(" ", 1)[1] for line in lines(sidecar, "jobs{", accept)] == ["4"]
    metrics = sidecar.metrics()
    scrapes = metrics.sum("outrider_scrapes_total")
    assert metrics.sum("outrider_scrape_duplicate_samples_total") in (3 * scrapes, 3 * (scrapes + 1))
    if shutil.which("promtool") and accept == "text/plain":
        page = http("GET", f"{sidecar.admin}/metrics")[2]
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
        assert checked.returncode in (0, 3), checked.stdout + checked.stderr  # 3: it dislikes a name.


def test_two_targets_of_one_instance_do_not_say_everything_twice(start):
    sidecar = start("/metrics", "/metrics2")
    scraped(sidecar, 2)
    assert len(lines(sidecar, "queue_depth{")) == 2
    assert len(lines(sidecar, "up{")) == 1
