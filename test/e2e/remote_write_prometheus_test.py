# SPDX-License-Identifier: Apache-2.0
"""Real Prometheus servers write to real agents: Debian's in 1.0, the current one in 2.0. What the agent stored
is compared with what Prometheus itself has, sample by sample."""

import pathlib
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from remote_write_receiver_test import start_agent

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Target:
    """Something to scrape. `vanishing` goes when told to; the counter has an exemplar."""

    def __init__(self, series=3):
        self.scrapes, self.series, self.shows_vanishing = 0, series, True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                text = outer.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", OPENMETRICS)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self):
        self.scrapes += 1
        lines = ["# TYPE demo_requests counter", "# HELP demo_requests Requests served."]
        lines += [f'demo_requests_total{{pod="p{i}",path="/a\\"b\\n"}} {self.scrapes * (i + 1)}'
                  f' # {{trace_id="trace-{self.scrapes}"}} 0.5 {time.time():.3f}' for i in range(self.series)]
        lines += ["# TYPE demo_seconds histogram", 'demo_seconds_bucket{le="0.1"} 1', 'demo_seconds_bucket{le="+Inf"} 2',
                  "demo_seconds_sum 0.7", "demo_seconds_count 2",
                  "# TYPE demo_odd gauge", 'demo_odd{kind="nan"} NaN', 'demo_odd{kind="inf"} +Inf',
                  f'demo_odd{{kind="tiny"}} {self.scrapes * 5e-324!r}']
        if self.shows_vanishing:
            lines += ["# TYPE demo_vanishing gauge", "demo_vanishing 1"]
        return "\n".join(lines) + "\n# EOF\n"


@pytest.fixture
def target():
    made = Target()
    yield made
    made.server.shutdown()


def start_prometheus(programs, folder, binary, target, remote_write, self_scrape=None):
    port = free_port()
    name = f"prometheus-{port}"
    scrapes = [{"job_name": "demo", "static_configs": [{"targets": [target.address]}]}]
    if self_scrape is not None:
        scrapes.append({"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}], **self_scrape})
    config = folder / f"{name}.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                                      "scrape_configs": scrapes, "remote_write": remote_write}))
    programs.start(name, [str(binary), f"--config.file={config}", f"--storage.tsdb.path={folder / name}",
                          f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"])
    wait_for("Prometheus is ready", lambda: http("GET", f"http://127.0.0.1:{port}/-/ready")[0] == 200, 30)
    return f"http://127.0.0.1:{port}"


def samples_of_prometheus(url, selector):
    """{labels: [(seconds, text)]} of all that Prometheus has; staleness markers are not among them."""
    query = urllib.parse.urlencode({"query": f"{selector}[10m]"})
    rows = http_json("GET", f"{url}/api/v1/query?{query}")["data"]["result"]
    return {frozenset(row["metric"].items()): [(at, text) for at, text in row.get("values", [])] for row in rows}


def samples_of_agent(agent, job):
    listed = http_json("GET", f"{agent.url}/api/v1/series?limit=10000&label=job={job}")
    assert not listed["truncated"]
    return {frozenset(one["labels"].items()): one for one in listed["series"]}


def equal_text(ours, theirs):
    return ours == theirs or float(ours) == float(theirs)


def compare(stored, known):
    """Every series that Prometheus has, and of each one run of samples without a gap, but for what was scraped before
    the sending began and what is still under way."""
    assert stored.keys() == known.keys()
    compared = 0
    for labels, one in stored.items():
        ours = [(at, text) for at, text in one["samples"] if text != "stale"]
        theirs = known[labels]
        assert ours, labels
        first = [round(at * 1000) for at, _ in theirs].index(round(ours[0][0] * 1000))
        assert first <= 2
        for (at, text), (their_at, their_text) in zip(ours, theirs[first:], strict=False):
            assert round(at * 1000) == round(their_at * 1000) and equal_text(text, their_text), labels
            compared += 1
        assert len(theirs) - first - len(ours) <= 3, "all but the newest have come"
    return compared


def sending(url, version, **more):
    named = {"protobuf_message": "io.prometheus.write.v2.Request"} if version == 2 else {}
    return {"url": f"{url}/api/v1/write", "send_exemplars": True, "metadata_config": {"send_interval": "1s"},
            "queue_config": {"batch_send_deadline": "200ms"}, **named, **more}


@pytest.mark.parametrize("version", [1, pytest.param(2, marks=pytest.mark.long)])  # Building Prometheus 3 takes minutes of CPU.
def test_the_agent_has_what_prometheus_has(programs, agent_binary, tmp_path, target, tool, version):
    agent = start_agent(programs, agent_binary, tmp_path, "--ingest.keep-samples", "100")
    binary = "/usr/bin/prometheus" if version == 1 else tool("prometheus")
    # Prometheus 3 has native histograms of its own; 2.42 has none, so its own metrics are left alone.
    itself = {"scrape_native_histograms": True} if version == 2 else None
    prometheus = start_prometheus(programs, tmp_path, binary, target,
                                  [sending(agent.url, version, send_native_histograms=True)], itself)
    wait_for("five scrapes", lambda: target.scrapes >= 5, 30)
    target.shows_vanishing = False

    def vanished():
        one = agent.series("demo_vanishing", instance=target.address, job="demo")
        return one and one["last"][1] == "stale"

    wait_for("the staleness marker of the series that vanished", vanished, 30)
    stored = samples_of_agent(agent, "demo")
    assert compare(stored, samples_of_prometheus(prometheus, '{job="demo"}')) > 40

    counter = agent.series("demo_requests_total", instance=target.address, job="demo", pod="p1", path='/a"b\n')
    assert counter["exemplars"] and counter["exemplars"][-1]["labels"]["trace_id"].startswith("trace-")
    if version == 1:  # Prometheus 3.15 leaves the metadata of its 2.0 messages empty.
        assert counter["type"] == "counter" and counter["help"] == "Requests served."
        assert agent.series("demo_seconds_sum", instance=target.address, job="demo")["type"] == "histogram"
    assert agent.metric("outrider_agent_remote_write_requests_total", outcome="stored", version=f"{version}.0") > 0
    for outcome in ("partial", "malformed", "too_large", "unsupported"):
        for either in ("1.0", "2.0"):
            assert agent.metric("outrider_agent_remote_write_requests_total", outcome=outcome, version=either) == 0
    if version == 2:
        check_native_histograms(agent)
    failed = http_json("GET", f"{prometheus}/api/v1/query?query=prometheus_remote_storage_samples_failed_total")
    assert all(float(row["value"][1]) == 0 for row in failed["data"]["result"])


def check_native_histograms(agent):
    def native():
        listed = http_json("GET", f"{agent.url}/api/v1/series?limit=10000&label=job=self")["series"]
        return [one for one in listed if int(one.get("histogram", {}).get("count", 0)) > 0]

    for one in wait_for("a native histogram with observations", native, 30):
        found = one["histogram"]
        assert sum(length for _, length in found["positive_spans"]) == len(found["positive_deltas"])
    assert agent.metric("outrider_agent_remote_write_histograms_total") > 0
    assert agent.refused("invalid_histogram") == 0


def test_a_receiver_that_is_down_costs_no_sample(programs, agent_binary, tmp_path, target):
    """Prometheus keeps what was not acknowledged; the agent that comes back at the same address gets all of it."""
    agent = start_agent(programs, agent_binary, tmp_path, "--ingest.keep-samples", "100")
    prometheus = start_prometheus(programs, tmp_path, "/usr/bin/prometheus", target, [sending(agent.url, 1)])
    wait_for("two scrapes", lambda: target.scrapes >= 2, 30)
    port = agent.url.rpartition(":")[2]
    name = f"agent-{port}"
    programs.stop(name)
    down_at = time.time()
    wait_for("three more scrapes", lambda: target.scrapes >= 5, 30)
    programs.start("again", [str(agent_binary), "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                             str(tmp_path / name), "--ingest.keep-samples", "100"])
    programs.wait_until_ready("again", f"{agent.url}/-/ready")

    def caught_up():
        one = agent.series("demo_requests_total", instance=target.address, job="demo", pod="p0", path='/a"b\n')
        return one and one["last"][0] > time.time() - 2.5 and one

    stored = wait_for("the newest sample", caught_up, 40)
    known = samples_of_prometheus(prometheus, 'demo_requests_total{pod="p0"}').popitem()[1]
    since = [at for at, _ in known if at >= down_at]
    got = {round(at * 1000) for at, _ in stored["samples"]}
    missing = [at for at in since if round(at * 1000) not in got and at <= stored["last"][0]]
    assert since and missing == []
    # Before the agent, or it would wait for an answer to its last samples.
    programs.stop(f"prometheus-{prometheus.rpartition(':')[2]}")


def documented_sharding():
    """The configuration of docs/remote-write.md, so that what is documented is what is tested."""
    text = (ROOT / "docs" / "remote-write.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    return next(block["remote_write"] for block in blocks if len(block.get("remote_write", ())) == 2)


def test_two_agents_share_the_series_of_one_prometheus(programs, agent_binary, tmp_path):
    target = Target(series=200)
    agents = [start_agent(programs, agent_binary, tmp_path / str(i), "--ingest.keep-samples", "100") for i in (0, 1)]
    remote_write = documented_sharding()
    for agent, one in zip(agents, remote_write, strict=True):
        assert urllib.parse.urlsplit(one["url"]).path == "/api/v1/write"
        one["url"] = f"{agent.url}/api/v1/write"
        one["queue_config"] = {"batch_send_deadline": "200ms"}
    prometheus = start_prometheus(programs, tmp_path, pathlib.Path("/usr/bin/prometheus"), target, remote_write)
    wait_for("three scrapes", lambda: target.scrapes >= 3, 30)
    target.server.shutdown()

    def all_stale():
        shares = [samples_of_agent(agent, "demo") for agent in agents]
        everything = [one for share in shares for one in share.values() if "demo_" in one["labels"]["__name__"]]
        return len(everything) >= 200 and all(one["last"][1] == "stale" for one in everything) and shares

    shares = wait_for("the end of every series", all_stale, 30)
    known = samples_of_prometheus(prometheus, '{job="demo"}')
    assert not shares[0].keys() & shares[1].keys(), "no series is at both"
    assert shares[0].keys() | shares[1].keys() == known.keys(), "none is at neither"
    assert min(len(share) for share in shares) > len(known) / 4
    assert not any(name.startswith("__tmp") for share in shares for labels in share for name, _ in labels)
    stored = {labels: one for share in shares for labels, one in share.items()}
    assert compare(stored, known) >= 2 * 200
