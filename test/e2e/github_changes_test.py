# SPDX-License-Identifier: Apache-2.0
"""GitHub's webhooks at the agent: by their signature, and by no token."""

import hashlib
import hmac
import json
import urllib.error
import urllib.request

from access_test import start_agent, tokens_file

SECRET = "It's a Secret to Everybody"
EVENT = {"action": "created",
         "deployment_status": {"id": 9, "state": "success", "created_at": "2026-01-31T12:00:05Z", "environment": "production"},
         "deployment": {"id": 145988746, "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "v2.1.3", "task": "deploy",
                        "payload": {}, "environment": "production", "created_at": "2026-01-31T11:58:00Z"},
         "repository": {"id": 1, "name": "checkout", "full_name": "acme/checkout"}, "sender": {"login": "ada"}}


def post(agent, path, event, secret=None, token=None):
    body = json.dumps(event).encode()
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "deployment_status"}
    if secret is not None:
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(agent.url + path, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_github_is_known_by_its_signature_and_needs_no_token(programs, binaries, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens_file(tmp_path), "--changes.github-secret-file", secret)
    path = "/api/v1/changes/github?namespace=shop"
    assert post(agent, path, EVENT, SECRET)[0] == 201
    assert post(agent, path, EVENT, SECRET)[0] == 200, "told twice it is one change"
    for wrong in ("", "another", SECRET + "\n"):
        status, answer = post(agent, path, EVENT, wrong)
        assert (status, answer["error"]) == (401, "bad_signature") and SECRET not in json.dumps(answer)
    status, answer = post(agent, path, EVENT)
    assert status == 401 and "--changes.github-secret-file" in answer["message"]
    changes = agent.ask("boss", "GET", "/api/v1/changes")[1]["changes"]
    assert [(c["workload"], c["namespace"], c["version"]) for c in changes] == [("checkout", "shop", "v2.1.3")]

    secret.write_text("rotated\n")
    assert post(agent, path, EVENT, SECRET)[0] == 401 and post(agent, path, EVENT, "rotated")[0] == 200
    assert SECRET not in programs.log("agent") and "rotated" not in programs.log("agent")
    # The other tools have no signature, and need a token.
    assert post(agent, "/api/v1/changes/flux", {}, SECRET)[0] == 401


def test_a_limited_token_posts_a_tools_changes_only_within_its_limits(programs, binaries, tmp_path):
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens_file(tmp_path))
    status, answer = agent.ask("shop", "POST", "/api/v1/changes/github?namespace=bank", EVENT)
    assert (status, answer["error"]) == (403, "out_of_scope"), (status, answer)
    assert agent.status("shop", "POST", "/api/v1/changes/github?namespace=shop", EVENT) == 201
