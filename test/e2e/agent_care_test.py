# SPDX-License-Identifier: Apache-2.0
"""An agent that acts with care, as processes: killed at each step, paused, signed, its policy tried."""

import hashlib
import hmac
import json
import subprocess
import threading
import time

import pytest
from agent_program import Agent, alert, webhook
from processes import http_json, wait_for
from stack import LocalServer

POLICY = """
dry_run: false
rules:
  - name: roll-back
    match: {{alert: ModelAccuracyDropped}}
    action: rollback
    precondition: errors > 1
    webhook: {{url: "{world}/act"}}
    verify: {{query: errors < 1, within: {within}, for: 1s}}
    undo: {{webhook: {{url: "{world}/undo"}}}}
    undo_within: 30s
"""


class World(LocalServer):
    """A receiver and a Prometheus in one: an action sets the errors, an undo sets them back. Each may stall."""

    def __init__(self):
        self.errors, self.helps, self.stall = 3.0, True, 0.0
        self.requests, self.headers, self.bodies = [], [], []
        self.asked = threading.Event()
        super().__init__(self.handle)

    def handle(self, request):
        if request.path.startswith("/api/v1/query"):
            return request.answer(200, self.query(request.body.decode()))
        self.requests.append((request.path, request.headers["Idempotency-Key"]))
        self.headers.append(dict(request.headers))
        self.bodies.append(request.body)
        if request.path == "/act" and self.helps:
            self.errors = 0.0
        if request.path == "/undo":
            self.errors = 3.0
        self.asked.set()
        time.sleep(self.stall)
        request.answer(200, {})

    def query(self, form):
        holds = {"query=errors": True, "query=errors%20%3E%201": self.errors > 1, "query=errors%20%3C%201": self.errors < 1}
        result = [{"metric": {}, "value": [time.time(), str(self.errors)]}] if holds.get(form) else []
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def start(programs, agent_binary, tmp_path, world, within="20s", options=(), policy=None):
    return Agent(programs, agent_binary, tmp_path, policy or POLICY.format(world=world.url, within=within),
                 ["--prometheus.url", world.url, "--decide.every", "300ms", *options])


def fire(agent):
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(alert()))


def stage_is(agent, *stages):
    return lambda: any(a["stage"] in stages for a in agent.actions())


def test_a_remedy_is_verified_with_its_evidence(programs, agent_binary, tmp_path, world):
    agent = start(programs, agent_binary, tmp_path, world)
    fire(agent)
    action = agent.action_when("succeeded", seconds=40)
    assert action["state"] == "succeeded" and action["reason"] == "verified: errors is 0"
    read = {(line["of"], line["moment"]): line["value"] for line in action["evidence"]}
    assert read["precondition", "sending"] == 3 and read["verify", "end"] == 0
    assert [path for path, _ in world.requests] == ["/act"]
    lines = subprocess.run(["curl", "-s", f"{agent.admin}/api/v1/journal"], capture_output=True, text=True, check=True).stdout
    kinds = [json.loads(line)["type"] for line in lines.splitlines()]
    assert kinds[0] == "incident" and kinds[1] == "action" and kinds.count("step") == len(action["history"])
    assert agent.stop() == 0
    done = subprocess.run([agent_binary, "journal", "export", "--data.dir", tmp_path / "agent"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and [json.loads(line)["type"] for line in done.stdout.splitlines()] == kinds, done.stderr


@pytest.mark.timeout(150)
def test_killed_at_each_step_what_did_not_help_is_undone_once(programs, agent_binary, tmp_path, world):
    world.helps, world.stall = False, 1.0
    agent = start(programs, agent_binary, tmp_path, world, within="4s")
    fire(agent)
    for step in ("sending", "verifying", "undo_sending"):
        wait_for(f"an action that is {step}", stage_is(agent, step), 40)
        agent.kill()
        agent.start()
    action = agent.action_when("undone", "handed_over", "failed", seconds=40)
    assert action["outcome"] == "undone", action
    keys = {path: {key for asked, key in world.requests if asked == path} for path in ("/act", "/undo")}
    assert keys == {"/act": {action["id"]}, "/undo": {action["id"] + "-undo"}}, "one key each, however often it was sent"


def test_paused_by_hand_or_file_nothing_leaves_over_a_restart_too(programs, agent_binary, tmp_path, world):
    file = tmp_path / "paused"
    agent = start(programs, agent_binary, tmp_path, world, options=["--actions.pause-file", file])
    http_json("POST", f"{agent.admin}/api/v1/actions/pause", {"by": "ada", "why": "freeze"})
    agent.kill()
    agent.start()
    fire(agent)
    wait_for("a held action", lambda: agent.actions() and agent.actions()[0]["reason"] == "paused by ada: freeze", 20)
    assert agent.metrics().sum("outrider_agent_actions_paused", by="person") == 1
    file.write_text("true\n")
    http_json("POST", f"{agent.admin}/api/v1/actions/resume", {"by": "ada"})
    wait_for("the file's hand", lambda: agent.actions()[0]["reason"] == "paused by the file paused", 20)
    assert world.requests == []
    file.write_text("false\n")
    assert agent.action_when("succeeded", seconds=40)["attempts"] == 1


def test_webhooks_are_signed_go_to_allowed_hosts_and_show_no_secret(programs, agent_binary, tmp_path, world):
    key = "0123456789abcdef-secret"
    (tmp_path / "key").write_text(key + "\n")
    options = ["--actions.signing-key-file", tmp_path / "key", "--actions.allowed-hosts", "127.0.0.1"]
    agent = start(programs, agent_binary, tmp_path, world, options=options)
    fire(agent)
    agent.action_when("succeeded", seconds=40)
    headers, body = world.headers[0], world.bodies[0]
    signed = headers["Outrider-Timestamp"].encode() + b"." + body
    assert headers["Outrider-Signature"] == "sha256=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    assert abs(time.time() - int(headers["Outrider-Timestamp"])) < 60
    told = [subprocess.run(["curl", "-s", agent.admin + path], capture_output=True, text=True, check=True).stdout
            for path in ("/", "/api/v1/actions", "/api/v1/incidents", "/api/v1/journal", "/metrics")]
    assert agent.stop() == 0
    stored = b"".join(file.read_bytes() for file in (tmp_path / "agent").rglob("*") if file.is_file())
    assert key not in "".join(told) and key.encode() not in stored
    refused = subprocess.run([agent_binary, "--data.dir", tmp_path / "other", "--policy", agent.policy_file,
                              "--actions.allowed-hosts", "trainer"], capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 1 and "rule roll-back: '127.0.0.1:" in refused.stderr and "allowed-hosts" in refused.stderr


def test_a_receiver_with_a_key_of_its_own_is_signed_for_with_that_one(programs, agent_binary, tmp_path, world):
    (tmp_path / "key").write_text("everybody's key, 16+")
    (tmp_path / "own").write_text("the registry's key, 16+")
    text = POLICY.format(world=world.url, within="20s")
    act = f'webhook: {{url: "{world.url}/act"'
    assert text.count(act) == 1
    agent = start(programs, agent_binary, tmp_path, world, options=["--actions.signing-key-file", tmp_path / "key"],
                  policy=text.replace(act, f'{act}, signing_key_file: "{tmp_path}/own"'))
    fire(agent)
    agent.action_when("succeeded", seconds=40)
    headers, body = world.headers[0], world.bodies[0]
    signed = headers["Outrider-Timestamp"].encode() + b"." + body
    assert headers["Outrider-Signature"] == "sha256=" + hmac.new(b"the registry's key, 16+", signed, hashlib.sha256).hexdigest()


def test_a_policy_is_tried_without_an_agent(agent_binary, tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY.format(world="http://registry", within="5m"))
    tests = """
policy: policy.yaml
tests:
  - name: errors roll it back
    incident: {alert: ModelAccuracyDropped, labels: {model_name: rent}}
    values: {"errors": 3, "errors > 1": [3]}
    expect: [{rule: roll-back, state: %s}]
"""
    for state, status in (("approved", 0), ("suppressed", 1)):
        (tmp_path / "tests.yaml").write_text(tests % state)
        done = subprocess.run([agent_binary, "policy", "test", tmp_path / "tests.yaml"], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert f"{1 - status} of 1 tests passed" in done.stdout
