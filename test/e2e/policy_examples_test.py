# SPDX-License-Identifier: Apache-2.0
"""Each policy that docs/policy.md shows for a known receiver is loaded by the real agent, sent, and compared
with that receiver's documented request. The receivers themselves are not run."""

import json
import re
import subprocess

import pytest
from agent_program import Agent, alert, webhook
from conftest import ROOT
from processes import http_json, wait_for
from stack import LocalServer

TEXT = (ROOT / "docs" / "policy.md").read_text()
EXAMPLES = {section.partition("\n")[0]: section.partition("```yaml\n")[2].partition("```")[0]
            for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]}


class Anything(LocalServer):
    """Answers every request with `status` and keeps the last one."""

    def __init__(self, status):
        self.status, self.seen = status, []
        super().__init__(self.handle)

    def handle(self, request):
        self.seen.append((request.command, request.path, dict(request.headers), json.loads(request.body)))
        request.answer(self.status)


def send(programs, binary, folder, example, status=200):
    """(method, path, headers, body) that the example's receiver gets for an incident, and the action."""
    receiver = Anything(status)
    try:
        secret = folder / "secret"
        secret.write_text("t0ken\n")
        text = re.sub(r"(url: )https?://[^/\s]+", rf"\1{receiver.url}", EXAMPLES[example])
        text = re.sub(r"(credentials_file: )[^}\s]+", rf"\1{secret}", text)
        text = re.sub(r"^  ca_file:.*\n", "", text, flags=re.MULTILINE).replace("approval: required\n", "")
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        agent = Agent(programs, binary, folder, f"dry_run: false\nrules:\n  - name: example\n{indented}")
        fired = alert()
        fired["labels"]["namespace"] = "homes"
        fired["annotations"] |= {"replicas": "3", "load_ratio": "2.667", "runbook_url": "docs/runbooks/X.md"}
        http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(fired))
        wait_for("the request", lambda: receiver.seen, 20)
        return *receiver.seen[-1], agent.action_when("accepted", "failed")
    finally:
        receiver.close()


def test_the_examples_are_found():
    assert len(EXAMPLES) == 14 and "Airflow 3" in EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_sent_as_json_with_its_key(programs, agent_binary, tmp_path, example):
    method, _, headers, body, action = send(programs, agent_binary, tmp_path, example)
    assert action["outcome"] == "accepted"
    assert headers["Idempotency-Key"] == action["idempotency_key"]
    assert isinstance(body, (dict, list)) and "json" in headers["Content-Type"]
    if "credentials_file" in EXAMPLES[example]:
        assert headers["Authorization"] == "Bearer t0ken"
    if "scale" not in example:
        assert method == "POST" and ("house-price" in json.dumps(body))


def test_airflow_gets_a_dag_run_and_a_repeat_is_a_success(programs, agent_binary, tmp_path):
    _, path, _, body, action = send(programs, agent_binary, tmp_path, "Airflow 3", status=409)
    assert path == "/api/v2/dags/retrain_house-price/dagRuns"
    assert body["logical_date"] is None and body["dag_run_id"] == action["id"]
    assert set(body) <= {"dag_run_id", "logical_date", "data_interval_start", "data_interval_end", "run_after", "conf", "note"}
    assert body["conf"]["since"] == "2026-01-31T11:59:00.000Z"
    assert action["outcome"] == "accepted"


def test_kubeflow_gets_a_run_with_text_parameters(programs, agent_binary, tmp_path):
    _, path, _, body, _ = send(programs, agent_binary, tmp_path, "Kubeflow Pipelines 2")
    assert path == "/apis/v2beta1/runs"
    assert body["pipeline_version_reference"]["pipeline_id"]
    assert all(isinstance(value, str) for value in body["runtime_config"]["parameters"].values())


def test_github_gets_an_event_with_at_most_ten_keys(programs, agent_binary, tmp_path):
    _, path, headers, body, _ = send(programs, agent_binary, tmp_path, "GitHub, repository dispatch", status=204)
    assert path == "/repos/acme/house-price/dispatches"
    assert len(body["event_type"]) <= 100 and len(body["client_payload"]) <= 10
    assert headers["Accept"] == "application/vnd.github+json"


def test_kubernetes_gets_a_merge_patch_from_3_to_8(programs, agent_binary, tmp_path):
    method, path, headers, body, _ = send(programs, agent_binary, tmp_path, "Kubernetes, scale")
    assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/homes/deployments/house-price/scale")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"spec": {"replicas": 8}}


def test_alertmanager_gets_an_alert_whose_template_writes_its_lines(programs, agent_binary, tmp_path):
    example = next(name for name in EXAMPLES if name.startswith("Alertmanager"))
    _, path, _, body, _ = send(programs, agent_binary, tmp_path, example)
    assert path == "/api/v2/alerts" and body[0]["labels"]["alertname"] == "IncidentDiagnosed"
    assert body[0]["annotations"]["summary"].startswith("insufficient evidence: no Prometheus is given")
    data = {"receiver": "r", "status": "firing", "alerts": [{"status": "firing", **body[0]}], "commonLabels": {}, "groupLabels": {},
            "commonAnnotations": {}, "externalURL": ""}
    (tmp_path / "data.json").write_text(json.dumps(data))
    done = subprocess.run(["amtool", "template", "render", "--template.glob", ROOT / "alerts" / "outrider.tmpl",
                           "--template.data", tmp_path / "data.json", "--template.text",
                           '{{ template "outrider.title" . }}|{{ template "outrider.text" . }}'], capture_output=True, text=True, check=True)
    title, _, text = done.stdout.partition("|")
    assert title == body[0]["annotations"]["summary"]
    assert text.strip() == body[0]["annotations"]["description"] and 2 <= len(text.strip().split("\n")) <= 5
