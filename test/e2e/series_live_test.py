# SPDX-License-Identifier: Apache-2.0
"""Live series: what comes in by remote write is scored; an anomaly becomes an incident, its score goes back by remote
write; a restart forgets nothing; the alert budget holds. First by requests of our own, whose times lie in the past so
that a day takes a second; then with a real Prometheus on both sides."""

import json
import random
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import remote_write_wire as wire
from processes import free_port, http, http_json

MINUTE_MS = 60_000


class Agent:
    def __init__(self, programs, binary, folder, *options):
        self.programs, self.binary, self.folder, self.options = programs, binary, folder, options
        self.starts = 0
        self.start()

    def start(self):
        port = free_port()
        self.starts += 1
        self.name, self.url = f"agent-{self.starts}", f"http://127.0.0.1:{port}"
        self.process = self.programs.start(self.name, [
            str(self.binary), "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", str(self.folder),
            *self.options])
        self.programs.wait_until_ready(self.name, f"{self.url}/-/ready")

    def send(self, labels, samples):
        """Samples of (value, ms), in requests of a thousand."""
        for at in range(0, len(samples), 1000):
            status, _, text = wire.post(self.url, wire.v1([{"labels": labels, "samples": samples[at:at + 1000]}]))
            assert status == 204, text

    def incidents(self):
        return http_json("GET", f"{self.url}/api/v1/incidents")["incidents"]

    def anomalies(self):
        return http_json("GET", f"{self.url}/api/v1/anomalies")

    def metric(self, line):
        for text in http("GET", f"{self.url}/metrics")[2].splitlines():
            if text.startswith(line + " "):
                return float(text.rsplit(" ", 1)[1])
        return None


def until(what, seconds=20):
    """The first true value of what(), or a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what.__doc__ or what}")


def day(seed=1, minutes=1300, level=50.0, counter=False):
    """(value, ms) each minute up to a few minutes ago."""
    chance, total = random.Random(seed), 0.0
    start = int(time.time() * 1000) - (minutes + 20) * MINUTE_MS
    samples = []
    for i in range(minutes):
        value = chance.gauss(level, level / 10)
        total += max(value, 0)
        samples.append((total if counter else value, start + i * MINUTE_MS))
    return samples


def test_an_anomaly_becomes_an_incident_with_its_evidence_and_ends_with_it(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path / "data", "--series.quiet", "25m", "--ingest.max-ahead", "3h")
    queue = {"__name__": "queue_length", "job": "shop", "pod": "shop-0"}
    requests = {"__name__": "requests_total", "job": "shop", "pod": "shop-0"}
    gauge, counter = day(1), day(2, counter=True)
    agent.send(queue, gauge)
    agent.send(requests, counter)
    assert agent.incidents() == []
    at = gauge[-1][1] + MINUTE_MS
    agent.send(queue, [(900, at)])
    agent.send(requests, [(counter[-1][0] + 5000, at)])
    until(lambda: agent.metric('outrider_anomalies_total{outcome="joined"}') == 1)
    assert len(agent.incidents()) == 1
    incident = http_json("GET", f"{agent.url}/api/v1/incidents/{agent.incidents()[0]['id']}")
    assert incident["alert"] == "SeriesAnomaly" and incident["state"] == "open"
    assert incident["labels"]["job"] == "shop" and "pod" not in incident["labels"]
    series = {member["labels"]["anomaly_series"] for member in incident["alerts"]}
    assert series == {'queue_length{job="shop",pod="shop-0"}', 'rate of requests_total{job="shop",pod="shop-0"}'}
    texts = " ".join(one["text"] for one in incident["evidence"])
    assert "usually about" in texts and "Unusual now" in texts
    assert incident["id"] in http("GET", agent.url + "/incidents")[2]
    listed = agent.anomalies()["anomalies"]
    assert {one["series"] for one in listed} >= series
    assert all(one["direction"] == "up" for one in listed if one["anomaly"])
    assert agent.metric('outrider_anomalies_total{outcome="raised"}') == 1
    assert agent.metric('outrider_anomalies_total{outcome="joined"}') == 1
    assert agent.metric('outrider_anomaly_score{job="shop",metric="queue_length",pod="shop-0"}') > 0.4
    # Back to what is usual: quiet samples end both, and with them the incident.
    chance = random.Random(3)
    agent.send(queue, [(chance.gauss(50, 5), at + i * MINUTE_MS) for i in range(1, 90)])
    agent.send(requests, [(counter[-1][0] + 5000 + 50 * i, at + i * MINUTE_MS) for i in range(1, 90)])
    until(lambda: [one["state"] for one in agent.incidents()] == ["resolved"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_forgets_nothing(programs, agent_binary, tmp_path, how):
    agent = Agent(programs, agent_binary, tmp_path / "data", "--series.save-every", "1s")
    queue = {"__name__": "queue_length", "job": "shop"}
    history = day()
    agent.send(queue, history)
    until(lambda: (tmp_path / "data" / "series.state").exists())
    time.sleep(2.5)  # So that a save began after the last sample.
    agent.process.send_signal(how)
    agent.process.wait(timeout=20)
    agent.start()
    # Two samples only in this life: without the day before, nothing could be scored.
    at = history[-1][1]
    agent.send(queue, [(50, at + MINUTE_MS), (900, at + 2 * MINUTE_MS)])
    incident = until(lambda: agent.incidents())[0]
    assert incident["alert"] == "SeriesAnomaly"


def test_a_corrupt_state_is_refused_with_a_message_and_put_aside(programs, agent_binary, tmp_path):
    data = tmp_path / "data"
    agent = Agent(programs, agent_binary, data)
    agent.send({"__name__": "queue_length", "job": "shop"}, day())
    agent.process.terminate()
    agent.process.wait(timeout=20)
    state = data / "series.state"
    whole = state.read_bytes()
    for broken in (whole[:len(whole) // 2], whole[:300] + b"\x00\xff" + whole[302:], b""):
        state.write_bytes(broken)
        agent.start()
        assert agent.anomalies()["anomalies"] == []
        agent.process.terminate()
        agent.process.wait(timeout=20)
        log = (tmp_path / "logs" / f"{agent.name}.log").read_text()
        assert "start afresh" in log and "series.state" in log
        assert (data / "series.state.refused").read_bytes() == broken


def test_the_budget_is_kept_and_what_it_holds_back_is_told(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path / "data", "--series.alerts-per-week", "3")
    histories = {f"team-{i}": day(i) for i in range(12)}
    for job, history in histories.items():
        agent.send({"__name__": "queue_length", "job": job}, history)
    raised_before = len(agent.incidents())
    for job, history in histories.items():
        agent.send({"__name__": "queue_length", "job": job}, [(5e6, history[-1][1] + MINUTE_MS)])
    until(lambda: (agent.metric('outrider_anomalies_total{outcome="held_back"}') or 0) >= 9 - raised_before)
    assert len(agent.incidents()) <= 3
    listed = agent.anomalies()
    assert listed["allowance"] < 1
    assert sum(one["held_back"] for one in listed["anomalies"]) >= 9 - raised_before


def test_rules_choose_what_is_watched_and_a_bad_file_is_refused_with_every_mistake(programs, agent_binary, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("watch:\n  - {match: 'queue_length{job=\"shop\"}', as: gauge}\n")
    agent = Agent(programs, agent_binary, tmp_path / "data", "--series.rules", str(rules))
    for job in ("shop", "bank"):
        agent.send({"__name__": "queue_length", "job": job}, day(minutes=5))
    assert agent.metric('outrider_series_watched{state="watched"}') == 1
    assert agent.metric('outrider_series_watched{state="not_selected"}') == 1
    rules.write_text("watch:\n  - {match: 'queue{', as: gauge}\n  - {match: 'up', as: guage}\n")
    bad = programs.start("bad", [str(agent_binary), "--data.dir", str(tmp_path / "bad"), "--series.rules", str(rules)])
    assert bad.wait(timeout=20) == 1
    log = (tmp_path / "logs" / "bad.log").read_text()
    assert "rules.yaml:2" in log and "rules.yaml:3" in log and "guage" in log


class Exporter(BaseHTTPRequestHandler):
    value = 50.0

    def do_GET(self):
        text = f"# TYPE queue_length gauge\nqueue_length {type(self).value + random.uniform(-5, 5)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_with_a_real_prometheus_scores_come_back_and_a_surge_becomes_an_incident(programs, agent_binary, tmp_path):
    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    prometheus = f"http://127.0.0.1:{free_port()}"
    agent = Agent(programs, agent_binary, tmp_path / "data", "--remote-write.url", f"{prometheus}/api/v1/write",
                  "--remote-write.interval", "1s")
    config = {"global": {"scrape_interval": "1s"},
              "scrape_configs": [{"job_name": "shop",
                                  "static_configs": [{"targets": [f"127.0.0.1:{exporter.server_port}"]}]}],
              "remote_write": [{"url": f"{agent.url}/api/v1/write", "queue_config": {"batch_send_deadline": "1s"},
                                "write_relabel_configs": [{"source_labels": ["__name__"], "regex": "queue_length",
                                                           "action": "keep"}]}]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    try:
        # The day before, under the labels that Prometheus will send.
        target = f"127.0.0.1:{exporter.server_port}"
        agent.send({"__name__": "queue_length", "instance": target, "job": "shop"}, day())
        programs.start("prometheus", ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}",
                                      f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                      f"--web.listen-address={prometheus.removeprefix('http://')}",
                                      "--web.enable-remote-write-receiver"])
        programs.wait_until_ready("prometheus", f"{prometheus}/-/ready")
        before = agent.metric("outrider_series_samples_scored_total")
        until(lambda: agent.metric("outrider_series_samples_scored_total") >= before + 3, 60)
        Exporter.value = 50_000.0
        incident = until(agent.incidents, 30)[0]
        assert incident["alert"] == "SeriesAnomaly" and incident["labels"]["job"] == "shop"

        def score():
            answer = http_json("GET", f"{prometheus}/api/v1/query?query=outrider_anomaly_score")
            return answer["data"]["result"]

        back = until(score, 30)[0]
        assert back["metric"]["metric"] == "queue_length" and back["metric"]["job"] == "shop"
        assert float(back["value"][1]) >= 0.4
        # The scores that Prometheus now has are not scored in turn.
        assert agent.metric('outrider_series_watched{state="watched"}') == 1
    finally:
        exporter.shutdown()
        exporter.server_close()
