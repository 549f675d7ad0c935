# SPDX-License-Identifier: Apache-2.0
"""From the past in a Prometheus to a request to scale out, before the load comes: the agent's forecast, the shipped alert, a
policy that first only recommends. Prometheus, Alertmanager and the agent are the real ones."""

import re
import subprocess
import sys

from agent_program import Agent, Alertmanager
from ahead_test import RULES, make_blocks, report, wait_for_capacities
from conftest import ROOT
from processes import free_port, http, wait_for
from stack import Program

PROMETHEUS = """
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: ["{rules}/outrider.rules.yml"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: outrider-agent
    honor_labels: true
    static_configs: [{{targets: ["{agent}"]}}]
"""


def policy_of_the_docs(receiver, dry_run):
    """The example of docs/forecast.md, sent to the recorder."""
    text = (ROOT / "docs" / "forecast.md").read_text()
    example = re.search(r"### Scale ahead of the load\n.*?```yaml\n(.*?)```", text, re.DOTALL)[1]
    example = example.replace("http://scaler.platform:8080", receiver.url)
    return f"dry_run: {str(dry_run).lower()}\nrules:\n" + "".join(
        ("  - " if number == 0 else "    ") + line + "\n" for number, line in enumerate(example.splitlines()))


def shipped_alerts(folder):
    """As rendered, but that fire at once."""
    parameters = (ROOT / "alerts" / "parameters.yaml").read_text()
    (folder / "parameters.yaml").write_text(parameters.replace("capacity: {for: 5m}", "capacity: {for: 0s}"))
    subprocess.run([sys.executable, ROOT / "alerts" / "render.py", "--parameters", folder / "parameters.yaml", "--out", folder / "alerts"],
                   check=True, capture_output=True)
    return folder / "alerts"


def test_scale_out_is_recommended_at_first_and_asked_for_once_the_policy_may(programs, agent_binary, tmp_path, receiver):
    blocks, port = make_blocks(tmp_path), free_port()
    (tmp_path / "ahead.yaml").write_text(RULES)
    agent = Agent(programs, agent_binary, tmp_path, policy_of_the_docs(receiver, dry_run=True), options=[
        "--prometheus.url", f"http://127.0.0.1:{port}", "--forecast.rules", tmp_path / "ahead.yaml",
        "--forecast.learn-from", "10d", "--forecast.every", "2s"])
    alertmanager = Alertmanager(programs, tmp_path, agent)
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(PROMETHEUS.format(rules=shipped_alerts(tmp_path), alertmanager=alertmanager.admin[7:],
                                               agent=agent.admin[7:]))
    Program(programs, "prometheus", ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={blocks}",
                                     f"--web.listen-address=127.0.0.1:{port}"], f"http://127.0.0.1:{port}")
    wait_for_capacities(agent)
    shop = next(one for one in report(agent)["capacity"] if one["labels"]["service"] == "shop")
    assert shop["says"].startswith("scale from 3 to 4 by "), shop["says"]

    recommended = agent.action_when("recommended", seconds=90)
    assert recommended["kind"] == "scale"
    assert receiver.requests == []

    agent.policy_file.write_text(policy_of_the_docs(receiver, dry_run=False))
    assert http("POST", f"{agent.admin}/-/reload")[0] == 200
    wait_for("the request to scale", lambda: receiver.requests, 60)
    body = receiver.requests[0][2]
    assert body["service"] == "shop"
    assert (body["from"], body["replicas"]) == (3, 4)
    assert "needs 4 replicas" in body["because"]
    # Of `calm` nothing is known, though it has 50 replicas for the same load: nothing is asked for it, least of all fewer.
    assert {request[2]["service"] for request in receiver.requests} == {"shop"}
