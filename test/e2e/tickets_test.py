# SPDX-License-Identifier: Apache-2.0
"""Tickets that live with their incidents, at recorders with the paths and shapes that GitHub, Jira and PagerDuty document."""

import json
import re
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from agent_program import Agent, alert, webhook
from processes import http_json, wait_for
from stack import LocalServer

POLICY = """
dry_run: false
rules:
  - name: ticket
    match: {alert: "*"}
    action: ticket
    ticket: {TARGET, credentials_file: KEY, update_every: 1s}
"""
TARGETS = {"github": "kind: github, url: URL, repository: acme/shop, labels: [incident]",
           "jira": "kind: jira, url: URL, project: OPS", "pagerduty": "kind: pagerduty, url: URL"}
STATUS = {"new": {"name": "To Do", "statusCategory": {"key": "new"}}, "done": {"name": "Done", "statusCategory": {"key": "done"}}}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Recorder(LocalServer):
    """All three systems on one port. `hold`: the effect of a creation happens, and its answer waits."""

    def __init__(self):
        self.issues, self.comments, self.events, self.credentials = [], [], [], set()
        self.jira, self.project, self.repository = {}, "OPS", "acme/shop"
        self.refuse = []  # Statuses to answer before it behaves.
        self.hold, self.held = None, threading.Event()
        super().__init__(self.handle)

    def handle(self, request):
        body = json.loads(request.body) if request.body else None
        self.credentials.add(request.headers.get("Authorization"))
        url = urlsplit(request.path)
        status, answer = (self.refuse.pop(0), {"message": "later"}) if self.refuse else self.answer(
            request.command, url.path, parse_qs(url.query), body)
        if status == 201 and self.hold and url.path.endswith(("/issues", "/issue")):
            self.held.set()
            self.hold.wait(30)
        request.answer(status, b"" if answer is None else answer)

    def answer(self, method, path, query, body):
        if path == "/v2/enqueue":
            self.events.append(body)
            return 202, {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}
        if path == f"/repos/{self.repository}/issues":
            if method == "GET":
                return 200, [issue for issue in self.issues if issue["updated_at"] >= query["since"][0]]
            number = len(self.issues) + 1
            self.issues.append({**body, "number": number, "updated_at": now(), "state": "open", "html_url": f"https://github.com/{self.repository}/issues/{number}"})
            return 201, self.issues[-1]
        if found := re.fullmatch(rf"/repos/{self.repository}/issues/(\d+)(/comments)?", path):
            if found[2]:
                return self.answer_comment(method, body)
            self.issues[int(found[1]) - 1].update(body, updated_at=now())
            return 200, self.issues[int(found[1]) - 1]
        return self.answer_jira(method, path.removeprefix("/rest/api/2"), query, body)

    def answer_comment(self, method, body):
        if method == "POST":
            self.comments.append(body["body"])
            return 201, body
        return 200, [{"body": text} for text in self.comments]

    def answer_jira(self, method, path, query, body):
        if path == "/search":
            label = re.search(r'labels = "([^"]+)"', query["jql"][0])[1]
            return 200, {"issues": [{"key": key} for key, fields in self.jira.items() if label in fields["labels"]]}
        if path == "/issue":
            assert body["fields"]["project"] == {"key": self.project}
            key = f"{self.project}-{len(self.jira) + 1}"
            self.jira[key] = {**body["fields"], "status": STATUS["new"]}
            return 201, {"id": "10000", "key": key}
        found = re.fullmatch(r"/issue/([A-Z]+-\d+)(/\w+)?", path)
        if not found or found[1] not in self.jira:
            return 404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
        fields = self.jira[found[1]]
        if found[2] == "/comment":
            status, answer = self.answer_comment(method, body)
            return status, answer if method == "POST" else {"comments": answer, "total": len(answer)}
        if found[2] == "/transitions":
            if method == "GET":
                return 200, {"transitions": [{"id": key, "name": to["name"], "to": to} for key, to in STATUS.items()]}
            fields["status"] = STATUS[body["transition"]["id"]]
            return 204, None
        if method == "GET":
            return 200, {"key": found[1], "fields": fields}
        fields.update(body["fields"])
        return 204, None

    def count(self):
        return len(self.issues) + len(self.jira) + len({event["dedup_key"] for event in self.events})

    def is_open(self):
        if self.issues:
            return self.issues[0]["state"] == "open"
        if self.jira:
            return self.jira[f"{self.project}-1"]["status"] is not STATUS["done"]
        return self.events[-1]["event_action"] != "resolve"


@pytest.fixture
def recorder():
    made = Recorder()
    yield made
    made.close()


def start(programs, agent_binary, folder, recorder, kind):
    (folder / "key").write_text("SECRET-KEY\n")
    policy = POLICY.replace("TARGET", TARGETS[kind].replace("URL", recorder.url)).replace("KEY", str(folder / "key"))
    return Agent(programs, agent_binary, folder, policy, options=["--web.external-url", "https://outrider.example"])


def post(agent, one, ended=False):
    """The same alert each time, so that its end is its own."""
    told = {**one, "endsAt": now()} if ended else one
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(told, status="resolved" if ended else "firing"))


def shown(agent):
    return http_json("GET", f"{agent.admin}/api/v1/incidents/{agent.incidents()[0]['id']}")


@pytest.mark.parametrize("kind", TARGETS)
def test_a_ticket_is_opened_once_closed_with_its_incident_and_linked_both_ways(programs, agent_binary, tmp_path, recorder, kind):
    agent = start(programs, agent_binary, tmp_path, recorder, kind)
    first = alert(minutes_ago=1)
    post(agent, first)
    wait_for("the ticket", recorder.count, 20)
    ticket = wait_for("its link", lambda: shown(agent)["tickets"], 20)[0]
    incident = agent.incidents()[0]["id"]
    text = json.dumps([recorder.issues, recorder.jira, recorder.events])
    assert f"https://outrider.example/incidents/{incident}" in text
    assert ticket["state"] == "open" and ticket["url"] == {
        "github": "https://github.com/acme/shop/issues/1", "jira": f"{recorder.url}/browse/OPS-1", "pagerduty": ""}[kind]

    agent.kill()
    agent.start()
    post(agent, first)
    post(agent, first, ended=True)
    wait_for("the end", lambda: not recorder.is_open(), 20)
    assert kind == "pagerduty" or any("alerts ended at" in comment for comment in recorder.comments)
    post(agent, alert())
    wait_for("the reopening", recorder.is_open, 20)
    wait_for("its state", lambda: shown(agent)["tickets"][0]["state"] == "open", 20)
    assert recorder.count() == 1
    assert agent.metrics().sum("outrider_agent_tickets_total", result="closed") == 1
    told = json.dumps([shown(agent), agent.actions()])
    assert agent.stop() == 0
    stored = b"".join(file.read_bytes() for file in (tmp_path / "agent").rglob("*") if file.is_file())
    assert "SECRET-KEY" not in programs.log("agent") + told and b"SECRET-KEY" not in stored
    assert "credentials_file" not in told


@pytest.mark.parametrize("kind", ["github", "jira"])
def test_an_agent_killed_between_the_creation_and_its_answer_opens_no_second_ticket(programs, agent_binary, tmp_path, recorder, kind):
    agent = start(programs, agent_binary, tmp_path, recorder, kind)
    recorder.hold = threading.Event()
    post(agent, alert(minutes_ago=1))
    assert recorder.held.wait(20)
    agent.kill()
    release, recorder.hold = recorder.hold, None
    release.set()
    agent.start()
    assert wait_for("its link", lambda: shown(agent)["tickets"], 30)[0]["state"] == "open"
    assert recorder.count() == 1


def test_a_system_that_is_down_gets_its_ticket_later_and_one_that_refuses_is_named(programs, agent_binary, tmp_path, recorder):
    recorder.refuse = [503, 502]
    agent = start(programs, agent_binary, tmp_path, recorder, "github")
    post(agent, alert(minutes_ago=1))
    wait_for("the ticket", recorder.count, 30)
    recorder.refuse = [401] * 20
    post(agent, alert(model="other", minutes_ago=1))
    refused = wait_for("the refusal", lambda: [a for a in agent.actions() if a["outcome"] == "failed"], 20)[0]
    assert "github answered 401: later" in refused["reason"] and "token" in refused["reason"], refused["reason"]
    assert recorder.count() == 1
    assert agent.stop() == 0
    elsewhere = subprocess.run([agent_binary, "--data.dir", tmp_path / "other", "--policy", agent.policy_file,
                                "--actions.allowed-hosts", "api.github.com"], capture_output=True, text=True, timeout=20, check=False)
    assert elsewhere.returncode == 1 and "rule ticket: '127.0.0.1:" in elsewhere.stderr, elsewhere.stderr


def test_a_placeholder_may_not_choose_who_is_asked(agent_binary, tmp_path):
    good = {"url": "https://jira.example", "credentials_file": "/secrets/jira"}
    for key, text in (("url", "https://{{ cluster }}.example"), ("credentials_file", "/secrets/{{ owner }}")):
        target = json.dumps({"kind": "jira", "project": "OPS", **good, key: text})
        (tmp_path / "policy.yaml").write_text(f"rules:\n  - name: t\n    action: ticket\n    ticket: {target}\n")
        refused = subprocess.run([agent_binary, "--data.dir", tmp_path / "agent", "--policy", tmp_path / "policy.yaml"],
                                 capture_output=True, text=True, timeout=20, check=False)
        assert refused.returncode == 1 and "labels must not choose who is asked" in refused.stderr, refused.stderr
