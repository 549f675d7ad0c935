# SPDX-License-Identifier: Apache-2.0
"""The agent says why: real Prometheus, node exporter and Alertmanager, a real bad release, one incident, one ticket."""

import random
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agent_program import Agent
from conftest import ROOT
from processes import free_port, http, http_json, wait_for
from stack import Program

POLICY = """
dry_run: false
limits: {diagnosis_wait: 90s}
rules:
  - name: ticket
    match: {alert: "*"}
    action: ticket
    webhook:
      url: RECEIVER/ticket
      body: |
        {"title": {{ diagnosis }}, "text": {{ brief }}, "cause": {{ cause }}, "incident": {{ incident }}}
"""
RULES = """
groups:
  - name: scene
    interval: 1s
    rules:
      - {alert: ServiceErrors, for: 3s, labels: {severity: critical}, annotations: {summary: "checkout fails"},
         expr: 'sum by (job) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[10s]))
                / sum by (job) (rate(http_server_request_duration_seconds_count[10s])) > 0.1'}
      - {alert: CpuSpike, for: 3s, labels: {severity: warning}, annotations: {summary: "cpu"},
         expr: 'rate(process_cpu_seconds_total{job=~"checkout|cart"}[10s]) > 0.25'}
      - {alert: MemorySpike, for: 3s, labels: {severity: warning}, annotations: {summary: "memory"},
         expr: 'process_resident_memory_bytes{job=~"checkout|cart"} > 2.5e8'}
"""
HISTORY_MINUTES, HISTORY_STEP = 40, 5
OPTIONS = ["--diagnose.step", "5s", "--diagnose.rate-window", "15s", "--diagnose.baseline", "30m", "--diagnose.lead", "20s"]


class Traffic:
    """Twenty requests a second to each service, until told to stop."""

    def __init__(self, urls):
        self.urls, self.stopping = urls, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.05):
            for url in self.urls:
                http("GET", url)

    def stop(self):
        self.stopping.set()
        self.thread.join()


def quiet_history(services, node, end, counted):
    """The same series of the forty minutes before, when nothing was wrong, as OpenMetrics for promtool."""
    rng = random.Random(3)
    times = [end - HISTORY_MINUTES * 60 + i * HISTORY_STEP for i in range(HISTORY_MINUTES * 60 // HISTORY_STEP)]
    families = {}

    def series(family, kind, name, labels, values):
        text = ",".join(f'{k}="{v}"' for k, v in labels.items())
        families.setdefault((family, kind), []).append([f"{name}{{{text}}} {value:.6f} {at}" for at, value in zip(times, values)])

    def counter(rate):
        total, values = 0.0, []
        for _ in times:
            total += rate * HISTORY_STEP * rng.uniform(0.8, 1.2)
            values.append(total)
        return values

    for job, address in services.items():
        of = {"job": job, "instance": address}
        histogram = "http_server_request_duration_seconds"
        for code, rate in (("200", 18.0), ("500", 0.02)):
            rates = counter(rate)
            for le in ("0.005", "0.05", "0.5", "+Inf"):
                series(histogram, "histogram", f"{histogram}_bucket", {**of, "http_response_status_code": code, "le": le}, rates)
            series(histogram, "histogram", f"{histogram}_count", {**of, "http_response_status_code": code}, rates)
            series(histogram, "histogram", f"{histogram}_sum", {**of, "http_response_status_code": code}, [v * 0.001 for v in rates])
        for level, rate in (("info", 18.0), ("error", 0.02)) if counted else ():
            series("log_messages", "counter", "log_messages_total", {**of, "level": level}, counter(rate))
        series("process_cpu_seconds", "counter", "process_cpu_seconds_total", of, counter(0.03))
        series("process_resident_memory_bytes", "gauge", "process_resident_memory_bytes", of, [3e7 * rng.uniform(0.98, 1.02) for _ in times])
    of = {"job": "node", "instance": node}
    for mode, rate in (("user", 0.9), ("system", 0.3), ("idle", 0.8)):
        series("node_cpu_seconds", "counter", "node_cpu_seconds_total", {**of, "cpu": "0", "mode": mode}, counter(rate))
    lines = []
    for (family, kind), rows in families.items():
        lines.append(f"# TYPE {family} {kind}")
        if kind == "histogram":  # A histogram's points stand together, moment by moment.
            lines += [line for moment in zip(*rows) for line in moment]
        else:
            lines += [line for one in rows for line in one]
    return "\n".join(lines) + "\n# EOF\n"


def start_prometheus(programs, folder, scrape, rules="groups: []", alertmanager=None):
    port = free_port()
    (folder / "rules.yml").write_text(rules)
    alerting = f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n" if alertmanager else ""
    jobs = "".join(f"  - {{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}\n" for job, address in scrape.items())
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
                                           f"rule_files: [{folder / 'rules.yml'}]\n{alerting}scrape_configs:\n{jobs}")
    return Program(programs, "prometheus", [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}"], f"http://127.0.0.1:{port}")


def start_alertmanager(programs, folder, agent):
    port = free_port()
    (folder / "alertmanager.yml").write_text(
        "route: {receiver: agent, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1m}\n"
        f"receivers: [{{name: agent, webhook_configs: [{{url: '{agent.admin}/api/v1/alerts', send_resolved: true}}]}}]\n")
    return Program(programs, "alertmanager", [
        "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], f"http://127.0.0.1:{port}")


def bad_release(programs, agent_binary, tmp_path, receiver, released=lambda: None, options=(), counted=True):
    """The scene until the ticket is opened: (agent, prometheus, the incident as it is shown, what stops the traffic).
    Lines of logs are `counted` by the services."""
    services = {job: f"127.0.0.1:{free_port()}" for job in ("checkout", "cart")}
    node = f"127.0.0.1:{free_port()}"
    (tmp_path / "history.txt").write_text(quiet_history(services, node, int(time.time()) - 3, counted))
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "history.txt", tmp_path / "tsdb"],
                   check=True, capture_output=True, timeout=60)
    for job, address in services.items():
        programs.start(job, [sys.executable, ROOT / "test" / "e2e" / "why_service.py", address.rpartition(":")[2],
                             *([] if counted else ["--uncounted"])])
        programs.wait_until_ready(job, f"http://{address}/metrics", 20)
    programs.start("node", ["prometheus-node-exporter", f"--web.listen-address={node}", "--collector.disable-defaults",
                            "--collector.cpu", "--collector.meminfo"])
    programs.wait_until_ready("node", f"http://{node}/metrics", 20)
    traffic = Traffic([f"http://{address}/" for address in services.values()])
    try:
        placeholder = free_port()
        agent = Agent(programs, agent_binary, tmp_path, POLICY.replace("RECEIVER", receiver.url),
                      options=["--prometheus.url", f"http://127.0.0.1:{placeholder}", *OPTIONS, *options])
        alertmanager = start_alertmanager(programs, tmp_path, agent)
        prometheus = start_prometheus(programs, tmp_path, {**services, "node": node}, RULES, alertmanager.admin[7:])
        agent.stop()  # Prometheus's address is known only now.
        agent.command[agent.command.index(f"http://127.0.0.1:{placeholder}")] = prometheus.admin
        agent.start()
        time.sleep(8)  # A few calm live rows.
        assert agent.incidents() == []

        http_json("POST", f"{agent.admin}/api/v1/changes",
                  {"kind": "deployment", "workload": "checkout", "version": "v2.1.3", "summary": "rollout of checkout v2.1.3"})
        assert http("POST", f"http://{services['checkout']}/release?version=v2.1.3")[0] == 200
        released()
        wait_for("the three alerts in the agent", lambda: sum(len(i["alerts"]) for i in agent.incidents()) >= 3, 120)
        wait_for("a ticket", receiver.keys, 120)
        incidents = agent.incidents()
        assert len(incidents) == 1
        return agent, prometheus, http_json("GET", f"{agent.admin}/api/v1/incidents/{incidents[0]['id']}"), traffic.stop
    except BaseException:
        traffic.stop()
        raise


def evidence_of(shown, component):
    return [line for cause in shown["diagnosis"]["causes"] if cause["component"] == component for line in cause["evidence"]]


@pytest.mark.timeout(400)
def test_a_bad_release_is_one_incident_with_its_cause_and_one_ticket(programs, agent_binary, tmp_path, receiver):
    agent, prometheus, shown, stop = bad_release(programs, agent_binary, tmp_path, receiver)
    try:
        diagnosis = shown["diagnosis"]
        assert diagnosis["verdict"] == "cause"
        assert diagnosis["sentence"].startswith("root cause: deployment v2.1.3 of checkout at ")
        assert diagnosis["causes"][0]["component"] == "checkout" and diagnosis["change"]["version"] == "v2.1.3"
        assert {"checkout", "cart", "machine 127.0.0.1"} <= {cause["component"] for cause in diagnosis["causes"]}
        assert any("metrics of " in line and "Istio" in line for line in diagnosis["unknown"])
        assert {event["kind"] for event in shown["timeline"]} >= {"change", "alert", "suspect"}
        assert any(line.startswith("more lines of checkout from error: ") for line in evidence_of(shown, "checkout"))
        assert not any("lines of cart" in line for line in evidence_of(shown, "cart"))

        time.sleep(5)
        assert len(receiver.requests) == 1, "one action is asked for"
        ticket = receiver.requests[0][2]
        assert ticket["title"].startswith("root cause: deployment v2.1.3 of checkout at ") and ticket["cause"] == "checkout"
        assert 2 <= len(ticket["text"].split("\n")) <= 5
        assert agent.metrics().by("outrider_agent_diagnoses_total", "verdict")["cause"] >= 1
        assert "root cause: deployment v2.1.3" in http("GET", f"{agent.admin}/")[2]

        told = subprocess.run([agent_binary.parent / "outrider", "diagnose", "--agent", agent.admin, "--incident", shown["id"]],
                              check=True, capture_output=True, text=True, timeout=60).stdout
        assert "change: deployment of checkout" in told
        anew = subprocess.run([agent_binary.parent / "outrider", "diagnose", "--agent", agent.admin, "--prometheus", prometheus.admin,
                               "--incident", shown["id"], "--step", "5s", "--rate-window", "15s", "--baseline-length", "30m",
                               "--lead", "20s"], check=True, capture_output=True, text=True, timeout=60).stdout
        assert "cause: checkout" in anew
        queries = tmp_path / "queries.yaml"
        queries.write_text("logs: [{from: loki, query: 'sum by (app, level) (count_over_time({app=~\".+\", $scope}[$rate]))'}]\n")
        refused = subprocess.run([agent_binary.parent / "outrider", "diagnose", "--agent", agent.admin, "--prometheus", prometheus.admin,
                                  "--incident", shown["id"], "--queries", queries], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0 and "give --loki too" in refused.stderr
    finally:
        stop()


# What each exporter has, as far as the default queries read it.
EXPORTED = """
outrider_requests_total{model_name="m",outcome="success",code="200"} 9
outrider_request_duration_seconds_bucket{model_name="m",le="+Inf"} 9
outrider_request_duration_seconds_sum{model_name="m"} 9
outrider_request_duration_seconds_count{model_name="m"} 9
outrider_drift_ratio{model_name="m",model_version="1",subject="x"} 0.1
outrider_feature_quality_total{model_name="m",check="missing",feature="x"} 1
outrider_predictions_total{model_name="m",model_version="1",outcome="success"} 9
outrider_outcomes_total{model_name="m",model_version="1",correct="false"} 1
outrider_upstream_failures_total{reason="timeout"} 1
http_server_request_duration_seconds_count{http_response_status_code="200"} 4
http_server_request_duration_seconds_sum{http_response_status_code="200"} 4
http_server_request_duration_seconds_bucket{http_response_status_code="200",le="+Inf"} 4
traces_span_metrics_calls_total{service_name="cart",span_kind="SPAN_KIND_SERVER"} 4
traces_spanmetrics_calls_total{service="cart",span_kind="SPAN_KIND_SERVER"} 4
traces_service_graph_request_total{client="web",server="cart"} 4
istio_requests_total{reporter="destination",source_workload="web",destination_workload="cart",destination_workload_namespace="shop"} 4
container_cpu_usage_seconds_total{namespace="shop",pod="cart-7d9f8b6c5-x2x1z",container="cart"} 4
container_memory_working_set_bytes{namespace="shop",pod="cart-7d9f8b6c5-x2x1z",container="cart"} 4
process_cpu_seconds_total 4
process_resident_memory_bytes 4
kube_pod_container_status_restarts_total{namespace="shop",pod="cart-7d9f8b6c5-x2x1z"} 0
kube_pod_info{namespace="shop",pod="cart-7d9f8b6c5-x2x1z",node="node-7"} 1
kube_node_info{node="node-7",internal_ip="10.0.0.7"} 1
node_cpu_seconds_total{cpu="0",mode="user"} 4
node_memory_MemTotal_bytes 9
node_memory_MemAvailable_bytes 4
DCGM_FI_DEV_GPU_UTIL{Hostname="node-7",gpu="0"} 50
DCGM_FI_DEV_FB_USED{Hostname="node-7",gpu="0"} 50
DCGM_FI_DEV_XID_ERRORS{Hostname="node-7",gpu="0"} 0
"""


def test_every_default_query_is_one_that_prometheus_answers(programs, agent_binary, tmp_path):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = EXPORTED.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        prometheus = start_prometheus(programs, tmp_path, {"cart": f"127.0.0.1:{server.server_port}"})
        query = "count_over_time(up[1m])%20%3E%201%20and%20up%20%3D%3D%201"
        wait_for("two scrapes", lambda: http_json("GET", f"{prometheus.admin}/api/v1/query?query={query}")
                 ["data"]["result"], 30)
        agent = Agent(programs, agent_binary, tmp_path, options=["--prometheus.url", prometheus.admin, *OPTIONS])
        alert = {"status": "firing", "labels": {"alertname": "A", "cluster": "eu", "namespace": "shop", "job": "cart"}, "annotations": {},
                 "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "endsAt": "0001-01-01T00:00:00Z"}
        http_json("POST", f"{agent.admin}/api/v1/alerts", {"version": "4", "groupKey": "g", "status": "firing", "alerts": [alert]})
        incident = wait_for("a diagnosis", lambda: next((i for i in agent.incidents() if i["diagnosis"]), None), 60)
        diagnosis = incident["diagnosis"]
        assert diagnosis["verdict"] == "insufficient_evidence"
        told = " ".join(diagnosis["unknown"])
        assert "parse error" not in told and "invalid" not in told and "metrics of" not in told, told
        assert {"shop/cart", "machine 127.0.0.1", "GPU 0 of machine node-7", "model m of cart"} <= {
            cause["component"] for cause in diagnosis["causes"]}, diagnosis
    finally:
        server.shutdown()
        server.server_close()


def test_without_prometheus_the_incident_says_so(programs, agent_binary, tmp_path):
    agent = Agent(programs, agent_binary, tmp_path, options=["--prometheus.url", f"http://127.0.0.1:{free_port()}"])
    alert = {"status": "firing", "labels": {"alertname": "A", "job": "cart"}, "annotations": {},
             "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "endsAt": "0001-01-01T00:00:00Z"}
    http_json("POST", f"{agent.admin}/api/v1/alerts", {"version": "4", "groupKey": "g", "status": "firing", "alerts": [alert]})
    incident = wait_for("a diagnosis", lambda: next((i for i in agent.incidents() if i["diagnosis"]), None), 30)
    assert incident["diagnosis"]["verdict"] == "insufficient_evidence" and incident["diagnosis"]["causes"] == []
    assert any("Prometheus did not answer" in line for line in incident["diagnosis"]["unknown"])


@pytest.mark.parametrize("webhooks", [1, 50])
def test_a_storm_of_five_hundred_pods_is_one_incident_in_two_seconds(programs, agent_binary, tmp_path, webhooks):
    agent = Agent(programs, agent_binary, tmp_path)
    starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alerts = [{"status": "firing", "labels": {"alertname": name, "namespace": "shop", "job": "cart", "pod": f"cart-7d9f8b6c5-{pod:05}"},
               "annotations": {"summary": "slow"}, "startsAt": starts, "endsAt": "0001-01-01T00:00:00Z"}
              for pod in range(500) for name in ("PodSlow", "PodErrors")]
    began = time.monotonic()
    for i in range(webhooks):
        http_json("POST", f"{agent.admin}/api/v1/alerts",
                  {"version": "4", "groupKey": "g", "status": "firing", "alerts": alerts[i::webhooks]})
    took = time.monotonic() - began
    incidents = agent.incidents()
    assert len(incidents) == 1 and len(incidents[0]["alerts"]) == 1000
    resident = agent.metrics().sum("process_resident_memory_bytes") / 2**20
    print(f"{webhooks} webhooks: {took:.2f} s, {resident:.0f} MiB")
    assert took < 2 and resident < 300
