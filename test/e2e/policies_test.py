# SPDX-License-Identifier: Apache-2.0
"""The policies of examples/policies: each passes its own tests, and is run by the real agent against recorders that have the
receivers' documented shapes: seen to help, and not. Times are shortened, nothing else. Those that need Kubernetes run against
a real API server (policies_cluster_test.py), the registry's against a real MLflow (registry_test.py)."""

import json
import re
import subprocess
import time
from urllib.parse import parse_qs

import pytest
from agent_program import Agent, alert, webhook
from conftest import ROOT
from processes import http_json, wait_for
from stack import LocalServer
from tickets_test import Recorder

POLICIES = ROOT / "examples" / "policies"
TESTS = sorted(POLICIES.glob("*.test.yaml"))
COMPARED = re.compile(r"(?s)^(.*) (==|>=|<=|<|>) ([0-9.]+)\s*$")
HOLDS = {"==": lambda a, b: a == b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b, ">": lambda a, b: a > b}


class World(LocalServer):
    """Prometheus and a receiver on one port. `values`: what a query that holds the text is answered, or a function that says it."""

    def __init__(self, answers):
        self.answers, self.values, self.requests = answers, {}, []
        super().__init__(self.handle)

    def handle(self, request):
        if request.command == "POST" and request.path.startswith("/api/v1/query"):
            return request.answer(200, self.query(parse_qs(request.body.decode())["query"][0]))
        if request.command == "POST":
            self.requests.append((request.path, request.headers["Idempotency-Key"], json.loads(request.body)))
        request.answer(*self.answers(request.path))

    def value(self, query):
        known = [value for text, value in self.values.items() if text in query]
        return known[0]() if known and callable(known[0]) else (known[0] if known else None)

    def query(self, query):
        compared = COMPARED.match(query.strip())
        value = self.value(query)
        if value is not None and compared and not HOLDS[compared[2]](value, float(compared[3])):
            value = None
        return {"status": "success", "data": {"resultType": "vector",
                                              "result": [] if value is None else [{"metric": {}, "value": [time.time(), str(value)]}]}}

    def paths(self):
        return [path for path, _, _ in self.requests]


@pytest.fixture
def world():
    made = []

    def make(answers=lambda path: (200, {})):
        made.append(World(answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def hurried(name, receiver, folder):
    """The policy as it is, but for times, whom it calls and the file of its secret."""
    (folder / "secret").write_text("t0ken\n")
    text = (POLICIES / f"{name}.yaml").read_text()
    text = re.sub(r"\bwithin: \w+", "within: 6s", text)
    text = re.sub(r"\bundo_within: \w+", "undo_within: 30s", text)
    text = re.sub(r"\bfor: \w+", "for: 1s", text)
    text = re.sub(r"(every): \w+", r"\1: 200ms", text)
    text = re.sub(r"(url: )https?://[^/\s,}]+", rf"\1{receiver}", text)
    text = re.sub(r"(credentials_file: )[^}\s]+", rf"\1{folder / 'secret'}", text)
    return text.replace("kind: github,", f"kind: github, url: \"{receiver}\",")


def fired(name, **labels):
    made = alert(model="rent", name=name)
    made["labels"] |= {"job": "rent", "namespace": "shop", "model_version": "3", **labels}
    return made


def run(programs, binary, folder, name, world, receiver=None):
    return Agent(programs, binary, folder, hurried(name, receiver or world.url, folder),
                 ["--prometheus.url", world.url, "--decide.every", "300ms"])


def fire(agent, one):
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(one))


def end_of(agent, seconds=40):
    return agent.action_when("succeeded", "accepted", "undone", "handed_over", "failed", "expired", seconds=seconds)


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.name.removesuffix(".test.yaml"))
def test_a_policy_passes_its_own_tests(agent_binary, tests):
    done = subprocess.run([agent_binary, "policy", "test", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_policy_has_tests_and_stands_in_the_table_of_the_documentation():
    names = {path.name.removesuffix(".yaml") for path in POLICIES.glob("*.yaml") if not path.name.endswith(".test.yaml")}
    assert names == {path.name.removesuffix(".test.yaml") for path in TESTS} and len(names) == 11
    told = set(re.findall(r"\(\.\./examples/policies/([\w-]+)\.yaml\)", (ROOT / "docs" / "policy.md").read_text()))
    assert told == names


# Outrider's predictor: 202 with a job.
def predictor(path):
    if path == "/api/v1/retrain":
        return 202, {"id": "j1", "state": "running"}, [("Location", "/api/v1/jobs/j1")]
    return 200, {"id": "j1", "state": "succeeded", "version": "v4"}


@pytest.mark.parametrize(("wrong", "outcome", "paths"), [
    (0.05, "succeeded", ["/api/v1/retrain"]), (0.3, "undone", ["/api/v1/retrain", "/api/v1/rollback"])])
def test_a_fall_in_accuracy_is_retrained_and_taken_back_where_it_is_no_better(programs, agent_binary, tmp_path, world, wrong, outcome, paths):
    here = world(predictor)
    here.values = {"[1d]": 900.0, "[10m]": wrong}
    agent = run(programs, agent_binary, tmp_path, "accuracy-drop", here)
    fire(agent, fired("ModelAccuracyDropped"))
    action = end_of(agent)
    assert action["outcome"] == outcome, action
    assert here.paths() == paths
    body = here.requests[0][2]
    assert set(body) == {"model", "version", "reason", "since", "incident", "idempotency_key"} and body["version"] == "3"


@pytest.mark.parametrize(("gone", "outcome", "stages"), [(True, "succeeded", ["Archived"]), (False, "undone", ["Archived", "Production"])])
def test_a_bad_version_leaves_its_stage_and_returns_where_it_is_still_served(programs, agent_binary, tmp_path, world, gone, outcome, stages):
    here = world(lambda path: (200, {"model_version": {"name": "rent", "version": "3"}}))
    here.values = {"outrider_predictions_total": lambda: 0.0 if gone and here.requests else 12.0}
    agent = run(programs, agent_binary, tmp_path, "bad-version", here)
    fire(agent, fired("ModelAccuracyDropped"))
    action = end_of(agent)
    assert action["outcome"] == outcome, action
    for path, _, body in here.requests:
        assert path == "/api/2.0/mlflow/model-versions/transition-stage"
        assert set(body) == {"name", "version", "stage", "archive_existing_versions"} and body["version"] == "3"
    assert [body["stage"] for _, _, body in here.requests] == stages


def test_broken_inputs_are_told_to_their_owner_and_nothing_else_is_done(programs, agent_binary, tmp_path, world):
    here = world(lambda path: (200, "ok"))
    agent = run(programs, agent_binary, tmp_path, "data-quality", here)
    fire(agent, fired("ModelInputQuality", owner="homes"))
    action = end_of(agent)
    assert action["kind"] == "notify" and action["outcome"] == "handed_over", action  # Its alerts do not end.
    assert here.paths() == ["/services/T000/B000/XXXX"] and here.requests[0][2]["text"].startswith("homes: rent is fed")
    assert len(agent.actions()) == 1


@pytest.mark.parametrize(("name", "kind"), [("disk-full-ahead", "github"), ("labels-missing", "jira")])
def test_what_a_person_must_do_is_a_ticket_that_is_closed_with_its_incident(programs, agent_binary, tmp_path, world, name, kind):
    here, recorder = world(), Recorder()
    try:
        here.values = {"outrider_predictions_total": 3.0, "outrider_labels_total": lambda: 5.0 if recorder.count() else 0.0}
        recorder.repository = "acme/platform"
        recorder.project = "DATA"
        agent = run(programs, agent_binary, tmp_path, name, here, recorder.url)
        one = fired({"github": "DiskFullAhead", "jira": "ModelLabelsMissing"}[kind])
        fire(agent, one)
        wait_for("the ticket", recorder.count, 20)
        http_json("POST", f"{agent.admin}/api/v1/alerts",
                  webhook({**one, "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, status="resolved"))
        wait_for("its end", lambda: not recorder.is_open(), 20)
        assert end_of(agent)["outcome"] == "succeeded"
        assert recorder.count() == 1
    finally:
        recorder.close()


RUNBOOK = """
dry_run: false
rules:
  - name: renew
    match: {alert: ModelLatencyHigh}
    action: runbook
    runbook:
      - {name: drain, webhook: {url: "WORLD/drain"}, check: {query: traffic < 1, within: 20s, for: 1s}, undo: {webhook: {url: "WORLD/return"}}}
      - {name: renew, webhook: {url: "WORLD/renew"}, check: {query: ready > 2, within: READY, for: 1s}}
      - {name: return, webhook: {url: "WORLD/return"}, check: {query: traffic > 1, within: 20s, for: 1s}}
    verify: {query: latency < 1, within: 10s}
    undo_within: 30s
"""


def runbook(programs, binary, folder, world, ready=3.0, within="20s"):
    here = world()
    here.values = {"traffic": lambda: 0.0 if here.paths()[-1:] in (["/drain"], ["/renew"]) else 40.0,
                   "ready": lambda: ready if "/renew" in here.paths() else 0.0, "latency": 0.2}
    agent = Agent(programs, binary, folder, RUNBOOK.replace("WORLD", here.url).replace("READY", within),
                  ["--prometheus.url", here.url, "--decide.every", "300ms"])
    return here, agent


@pytest.mark.timeout(150)
def test_a_runbook_that_is_killed_all_the_time_does_each_step_once_and_in_order(programs, agent_binary, tmp_path, world):
    here, agent = runbook(programs, agent_binary, tmp_path, world)
    fire(agent, fired("ModelLatencyHigh"))
    for step in ("drain", "renew", "return"):
        wait_for(f"step {step}", lambda step=step: any(step in a["reason"] for a in agent.actions()), 40)
        agent.kill()
        agent.start()
    action = end_of(agent, 60)
    assert action["outcome"] == "succeeded", action
    first = list(dict.fromkeys((path, key) for path, key, _ in here.requests))  # A repeat bears the same key.
    assert first == [(f"/{step}", f"{action['id']}-{step}") for step in ("drain", "renew", "return")]
    told = " ".join(line["text"] for line in action["history"])
    assert re.search("step 1 of 3, drain: begins.*step 2 of 3, renew: begins.*step 3 of 3, return: begins.*3 steps are done", told), told


@pytest.mark.timeout(120)
def test_a_runbook_whose_check_does_not_hold_takes_its_steps_back(programs, agent_binary, tmp_path, world):
    here, agent = runbook(programs, agent_binary, tmp_path, world, ready=0.0, within="3s")
    fire(agent, fired("ModelLatencyHigh"))
    action = end_of(agent, 60)
    assert action["outcome"] == "undone", action
    assert "step 2 of 3, renew: its check did not hold within 3s (ready is 0)" in action["reason"], action["reason"]
    assert here.paths() == ["/drain", "/renew", "/return"]
    assert here.requests[-1][1] == f"{action['id']}-drain-undo"


@pytest.mark.timeout(120)
def test_the_kill_switch_stops_a_runbook_between_its_steps(programs, agent_binary, tmp_path, world):
    here, agent = runbook(programs, agent_binary, tmp_path, world, ready=0.0, within="1m")
    fire(agent, fired("ModelLatencyHigh"))
    wait_for("its second step", lambda: here.paths() == ["/drain", "/renew"], 40)
    http_json("POST", f"{agent.admin}/api/v1/actions/pause", {"by": "ada", "why": "freeze"})
    here.values["ready"] = 3.0  # Its check holds, and its third step may not leave.
    wait_for("the wait", lambda: "paused by ada: freeze" in agent.actions()[0]["reason"], 40)
    assert here.paths() == ["/drain", "/renew"]
    http_json("POST", f"{agent.admin}/api/v1/actions/resume", {"by": "ada"})
    assert end_of(agent, 60)["outcome"] == "succeeded"
    assert here.paths() == ["/drain", "/renew", "/return"]
