# SPDX-License-Identifier: Apache-2.0
"""A real Loki: what it counts of the logs is evidence of the diagnosis, and where it does not answer the incident says so."""

import json
import threading
import time

import pytest
from processes import free_port, http, http_json, wait_for
from why_test import bad_release, evidence_of

pytestmark = pytest.mark.long
TENANT = {"X-Scope-OrgID": "shop"}
CONFIG = """
auth_enabled: true
server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}, grpc_listen_address: 127.0.0.1, grpc_listen_port: {grpc}}}
common:
  path_prefix: {folder}
  instance_addr: 127.0.0.1
  ring: {{instance_addr: 127.0.0.1, kvstore: {{store: inmemory}}}}
  replication_factor: 1
  storage: {{filesystem: {{chunks_directory: {folder}/chunks, rules_directory: {folder}/rules}}}}
schema_config:
  configs: [{{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}]
analytics: {{reporting_enabled: false}}
"""


class Logs:
    """What checkout and cart log: two calm lines a second each, and ten `critical` ones of checkout once it is told to fail."""

    def __init__(self, loki):
        self.loki, self.failing, self.stopping = loki, False, threading.Event()
        now = time.time()
        self.push({name: [(now - ago, "level=info msg=served") for ago in [i / 2 for i in range(40 * 120, 0, -1)]]
                   for name in ("checkout", "cart")})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def push(self, lines):
        streams = [{"stream": {"service_name": name}, "values": [[str(int(at * 1e9)), line] for at, line in values]}
                   for name, values in lines.items()]
        status, _, body = http("POST", f"{self.loki}/loki/api/v1/push", json.dumps({"streams": streams}).encode(),
                               {"Content-Type": "application/json", **TENANT})
        assert status == 204, body

    def run(self):
        while not self.stopping.wait(1):
            now = time.time()
            calm = [(now - 0.5, "level=info msg=served"), (now, "level=info msg=served")]
            bad = [(now + i / 1000, "level=critical msg=\"no such column\"") for i in range(10)] if self.failing else []
            self.push({"checkout": calm + bad, "cart": calm})

    def fail(self):
        self.failing = True

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def loki(programs, tmp_path, tool):
    port = free_port()
    folder = tmp_path / "loki"
    folder.mkdir()
    (folder / "loki.yaml").write_text(CONFIG.format(port=port, grpc=free_port(), folder=folder))
    programs.start("loki", [tool("loki"), f"-config.file={folder / 'loki.yaml'}", "-target=all"])
    programs.wait_until_ready("loki", f"http://127.0.0.1:{port}/ready", 90)
    return f"http://127.0.0.1:{port}"


@pytest.mark.timeout(400)
def test_lines_that_loki_counts_are_evidence_by_level(programs, agent_binary, tmp_path, receiver, loki):
    logs = Logs(loki)
    try:
        options = ["--loki.url", loki, "--loki.tenant", "shop"]
        agent, _, shown, stop = bad_release(programs, agent_binary, tmp_path, receiver, logs.fail, options, counted=False)
        stop()
        assert shown["diagnosis"]["sentence"].startswith("root cause: deployment v2.1.3 of checkout at ")
        told = wait_for("the lines", lambda: [line for line in evidence_of(
            http_json("GET", f"{agent.admin}/api/v1/incidents/{shown['id']}"), "checkout") if " lines of " in line], 90)
        assert len(told) == 1 and told[0].startswith("more lines of checkout from critical: "), told
        assert not any("lines of" in line for line in evidence_of(shown, "cart"))
        assert not any("Loki" in line for line in shown["diagnosis"]["unknown"]), shown["diagnosis"]["unknown"]
    finally:
        logs.stop()


@pytest.mark.timeout(400)
def test_without_its_tenant_loki_refuses_and_the_incident_says_so(programs, agent_binary, tmp_path, receiver, loki):
    _, _, shown, stop = bad_release(programs, agent_binary, tmp_path, receiver, options=["--loki.url", loki], counted=False)
    stop()
    assert shown["diagnosis"]["verdict"] == "cause"
    assert any(line.startswith("log lines (Loki): status 401: no org id") for line in shown["diagnosis"]["unknown"]), shown["diagnosis"]
