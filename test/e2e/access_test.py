# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens with roles on every port that changes anything, as a user has them: who may do what, and what the
refusal says."""

import base64
import hashlib
import json
import subprocess
import time

import pytest
import remote_write_wire
from agent_program import webhook
from processes import free_port, http, wait_for
from raw_http import ScriptedUpstream, echo
from stack import Metrics

TOKENS = {"reader": {"roles": ["read"]}, "warehouse": {"roles": ["label"]}, "pusher": {"roles": ["write"]},
          "lead": {"roles": ["approve"]}, "boss": {"roles": ["administer"]},
          "house": {"roles": ["read", "label", "write", "approve"], "models": ["house"]},
          "shop": {"roles": ["read", "label", "write", "approve"], "namespaces": ["shop"]}}


def tokens_file(folder, tokens=None):
    path = folder / "tokens.yaml"
    path.write_text(json.dumps({"tokens": [
        {"name": name, "sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(), **token}
        for name, token in (tokens or TOKENS).items()]}))
    return path


class Port:
    def __init__(self, url):
        self.url = url

    def ask(self, name, method, path, body=None):
        """(status, JSON or text) of a request with the token of that name; None: without one."""
        headers = {"Authorization": f"Bearer {name}-secret"} if name else {}
        status, _, text = http(method, self.url + path, body, headers)
        return status, json.loads(text) if text.startswith("{") else text

    def status(self, name, method, path, body=None):
        return self.ask(name, method, path, body)[0]

    def refused(self, reason):
        return Metrics(self.ask("boss", "GET", "/metrics")[1]).sum("outrider_http_requests_refused_total", reason=reason)


@pytest.fixture
def upstream():
    with ScriptedUpstream(echo) as made:
        yield made


def start_sidecar(programs, binaries, folder, upstream, *options):
    admin = free_port()
    programs.start("sidecar", [binaries / "outrider-sidecar", "--upstream", upstream, "--proxy.listen-address", f"127.0.0.1:{free_port()}",
                               "--web.listen-address", f"127.0.0.1:{admin}", "--data.dir", folder / "data", *options])
    programs.wait_until_ready("sidecar", f"http://127.0.0.1:{admin}/-/ready")
    return Port(f"http://127.0.0.1:{admin}")


def start_agent(programs, binaries, folder, *options):
    port = free_port()
    programs.start("agent", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", folder / "agent", *options])
    programs.wait_until_ready("agent", f"http://127.0.0.1:{port}/-/ready")
    return Port(f"http://127.0.0.1:{port}")


LABEL = {"id": "a", "label": 1, "prediction": 1, "model_version": "v1"}


def test_each_role_opens_its_routes_of_a_sidecar_and_no_others(programs, binaries, tmp_path, upstream):
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, "--web.tokens-file", tokens_file(tmp_path))
    routes = {("GET", "/metrics", None): "reader", ("GET", "/api/v1/status", None): "reader", ("POST", "/api/v1/labels", b"{}"): "warehouse",
              ("POST", "/api/v1.0/feedback", b"{}"): "warehouse", ("GET", "/api/v1/training-data", None): "reader",
              ("GET", "/api/v1/slices", None): "reader", ("POST", "/api/v1/exchanges", b"{}"): "pusher", ("POST", "/-/reload", b""): "boss"}
    for route, holder in routes.items():
        assert sidecar.status(None, *route) == 401, route
        for name in ("reader", "warehouse", "pusher", "lead", "boss"):
            status, answer = sidecar.ask(name, *route)
            if name in (holder, "boss"):
                # Without features in the log, training data is refused for another reason.
                code = answer.get("error") if isinstance(answer, dict) else None
                assert status != 401 and code != "missing_role", (route, name, answer)
            else:
                assert status == 403 and answer["error"] == "missing_role", (route, name, answer)
                assert TOKENS[holder]["roles"][0] in answer["message"] and f"the token {name} has" in answer["message"]
    assert sidecar.status(None, "GET", "/-/ready") == sidecar.status(None, "GET", "/-/healthy") == 200
    assert sidecar.refused("no_credentials") == 8 and sidecar.refused("missing_role") == 8 * 3 + 1
    assert sidecar.ask("stranger", "GET", "/metrics")[0] == 401 and sidecar.refused("unknown_token") == 1


def test_a_token_of_a_model_labels_the_sidecar_that_serves_it_alone(programs, binaries, tmp_path, upstream):
    config = tmp_path / "model.yaml"
    config.write_text("model: {name: house, version: v1}\n")
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, "--web.tokens-file", tokens_file(tmp_path), "--model.config", config,
                            "--web.namespace", "shop")
    for name in ("house", "shop"):
        assert sidecar.status(name, "POST", "/api/v1/labels", LABEL) == 200
    config.write_text("model: {name: flat, version: v1}\n")
    assert sidecar.status("boss", "POST", "/-/reload") == 200
    wait_for("the new name", lambda: sidecar.status("house", "POST", "/api/v1/labels", LABEL) == 403, 10)
    status, answer = sidecar.ask("house", "POST", "/api/v1/labels", LABEL)
    assert (status, answer["error"]) == (403, "out_of_scope") and "limited to models house" in answer["message"]
    assert sidecar.status("shop", "POST", "/api/v1/labels", LABEL) == 200


def test_tokens_are_read_again_and_mistakes_leave_the_old_ones_in_force(programs, binaries, tmp_path):
    path = tokens_file(tmp_path)
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", path)
    assert agent.status("reader", "GET", "/metrics") == 200
    path.write_text("tokens: nonsense\n")
    wait_for("the failure", lambda: Metrics(agent.ask("boss", "GET", "/metrics")[1]).sum("outrider_tokens_reloads_total", result="failure") == 1, 10)
    assert agent.status("reader", "GET", "/metrics") == 200 and "the old ones stay in force" in programs.log("agent")
    tokens_file(tmp_path, {"boss": TOKENS["boss"]})
    wait_for("the revocation", lambda: agent.status("reader", "GET", "/metrics") == 401, 10)
    assert Metrics(agent.ask("boss", "GET", "/metrics")[1]).sum("outrider_tokens_reloads_total", result="success") == 1


def alert(model, namespace=None):
    labels = {"alertname": "ModelAccuracyDropped", "model_name": model, **({"namespace": namespace} if namespace else {})}
    return {"status": "firing", "labels": labels, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": f"{model}{namespace}", "generatorURL": ""}


POLICY = """
dry_run: false
rules:
  - name: retrain
    match: {alert: ModelAccuracyDropped}
    action: retrain
    approval: required
    webhook: {url: "http://127.0.0.1:9/retrain"}
"""


def test_the_agent_holds_a_token_to_its_models_and_namespaces_alert_by_alert(programs, binaries, tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens_file(tmp_path), "--policy", tmp_path / "policy.yaml")
    house, flat = alert("house", "shop"), alert("flat", "bank")
    assert agent.status("reader", "POST", "/api/v1/alerts", webhook(house)) == 403
    for name in ("house", "shop"):
        assert agent.status(name, "POST", "/api/v1/alerts", webhook(house)) == 200
        status, answer = agent.ask(name, "POST", "/api/v1/alerts", webhook(house, flat))
        assert status == 403 and answer["error"] == "out_of_scope" and "namespace bank and model flat" in answer["message"]
    assert agent.status("shop", "POST", "/api/v1/alerts", webhook(alert("house"))) == 403, "of no namespace"
    assert agent.status("pusher", "POST", "/api/v1/alerts", webhook(flat)) == 200
    change = {"kind": "deployment", "model": "flat", "namespace": "bank", "summary": "v2"}
    assert agent.status("house", "POST", "/api/v1/changes", change) == 403 and agent.status("pusher", "POST", "/api/v1/changes", change) == 201

    models = [i["model"] for i in agent.ask("reader", "GET", "/api/v1/incidents")[1]["incidents"]]
    assert sorted(models) == ["flat", "house"]
    assert [i["model"] for i in agent.ask("house", "GET", "/api/v1/incidents")[1]["incidents"]] == ["house"]
    assert agent.ask("shop", "GET", "/api/v1/changes")[1]["changes"] == []
    assert agent.status("house", "GET", "/api/v1/journal") == 403, "of all models"

    actions = wait_for("two actions", lambda: (found := agent.ask("reader", "GET", "/api/v1/actions")[1]["actions"]) and len(found) == 2
                       and found, 20)
    incidents = {i["id"]: i["model"] for i in agent.ask("reader", "GET", "/api/v1/incidents")[1]["incidents"]}
    by_model = {incidents[a["incident"]]: a["id"] for a in actions}
    assert [a["model"] for a in agent.ask("house", "GET", "/api/v1/actions")[1]["actions"]] == ["house"]
    # The newest may be somebody else's: as many as were asked for are one's own.
    for wrong in ("0", "1001", "ten", "-1"):
        status, answer = agent.ask("house", "GET", f"/api/v1/actions?limit={wrong}")
        assert status == 400 and answer["error"] == "bad_limit" and "from 1 to 1000" in answer["message"]
    for path, what in (("/api/v1/actions?limit=1", "actions"), ("/api/v1/incidents?limit=1", "incidents")):
        assert [one["model"] for one in agent.ask("house", "GET", path)[1][what]] == ["house"]
    assert agent.status("house", "GET", f"/api/v1/actions/{by_model['house']}") == 200
    assert agent.status("house", "GET", f"/api/v1/actions/{by_model['flat']}") == 403
    assert agent.status("lead", "POST", "/api/v1/actions/pause", {"by": "ada"}) == 403
    assert agent.status("boss", "POST", "/api/v1/actions/pause", {"by": "ada"}) == 200
    assert agent.ask("reader", "GET", "/api/v1/actions")[1]["paused"] == "paused by ada (as boss)"
    assert agent.status("boss", "POST", "/api/v1/actions/resume", {"by": "ada"}) == 200
    path = "/api/v1/actions/{}/reject"
    assert agent.status("pusher", "POST", path.format(by_model["house"]), {"by": "ada", "why": "no"}) == 403
    assert agent.status("house", "POST", path.format(by_model["flat"]), {"by": "ada", "why": "no"}) == 403
    assert agent.status("house", "POST", path.format(by_model["house"]), {"by": "ada", "why": "no"}) == 200
    assert agent.status("lead", "POST", path.format(by_model["flat"]), {"by": "ada", "why": "no"}) == 200
    rejected = agent.ask("reader", "GET", f"/api/v1/actions/{by_model['flat']}")[1]
    assert rejected["person"] == "ada (as lead)" and rejected["reason"] == "rejected by ada (as lead): no"
    assert agent.status("lead", "POST", "/-/reload") == 403 and agent.status("boss", "POST", "/-/reload") == 200


def test_who_approves_is_whom_the_authenticating_proxy_names(programs, binaries, tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(json.dumps({"tokens": [
        {"name": "pusher", "sha256": hashlib.sha256(b"pusher-secret").hexdigest(), "roles": ["write"]},
        {"name": "shop", "user": "ada@example.com", "roles": ["read", "approve"], "clusters": ["eu"], "namespaces": ["shop"]},
        {"name": "others", "user": "*", "roles": ["read"]}]}))
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens, "--policy", tmp_path / "policy.yaml",
                        "--web.trusted-user-header", "X-Forwarded-User", "--web.trusted-proxies", "127.0.0.1")
    shop, bank = alert("house", "shop"), alert("flat", "bank")
    for fired in (shop, bank):
        fired["labels"]["cluster"] = "eu"
    assert agent.status("pusher", "POST", "/api/v1/alerts", webhook(shop, bank)) == 200

    def ask(user, method, path, body=None):
        status, _, text = http(method, agent.url + path, body, {"X-Forwarded-User": user})
        return status, json.loads(text) if text.startswith("{") else text

    actions = wait_for("two actions", lambda: len(found := ask("bob", "GET", "/api/v1/actions")[1]["actions"]) == 2 and found, 20)
    ids = {action["model"]: action["id"] for action in actions}
    assert [a["model"] for a in ask("ada@example.com", "GET", "/api/v1/actions")[1]["actions"]] == ["house"]
    path = "/api/v1/actions/{}/approve"
    status, answer = ask("bob", "POST", path.format(ids["house"]), {})
    assert status == 403 and answer["error"] == "missing_role" and "the user bob has read" in answer["message"]
    status, answer = ask("ada@example.com", "POST", path.format(ids["flat"]), {})
    assert status == 403 and "namespace bank" in answer["message"] and "cluster eu" in answer["message"]
    # Whoever the request names, it is who the proxy has asked.
    status, answer = ask("ada@example.com", "POST", path.format(ids["house"]), {"by": "eve"})
    assert status == 200 and answer["person"] == "ada@example.com", answer
    assert agent.status(None, "GET", "/api/v1/actions") == 401, "the proxy names nobody"


def test_a_header_from_elsewhere_than_the_proxy_is_nobody(programs, binaries, tmp_path):
    agent = start_agent(programs, binaries, tmp_path, "--web.trusted-user-header", "X-Forwarded-User", "--web.trusted-proxies", "10.1.2.3")
    status, _, text = http("GET", f"{agent.url}/api/v1/actions", headers={"X-Forwarded-User": "ada"})
    assert status == 401 and "--web.trusted-proxies" in text
    run = subprocess.run([binaries / "outrider-agent", "--data.dir", tmp_path / "other", "--web.trusted-user-header", "X-Forwarded-User"],
                         capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 1 and "expected both or none" in run.stderr


def test_remote_write_needs_write_and_a_limited_token_writes_what_is_its_own(programs, binaries, tmp_path):
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens_file(tmp_path))
    assert agent.status("reader", "POST", "/api/v1/write", b"x") == 403
    assert agent.status("pusher", "POST", "/api/v1/write", b"x") == 415 or agent.status("pusher", "POST", "/api/v1/write", b"x") == 400
    for namespace, status in (("shop", 204), ("bank", 403)):
        series = [{"labels": {"__name__": "up", "namespace": namespace}, "samples": [(1.0, int(time.time() * 1000))]}]
        assert remote_write_wire.post(agent.url, remote_write_wire.v1(series), extra={"Authorization": "Bearer shop-secret"})[0] == status


def test_the_agent_labels_a_sidecar_with_a_token_of_its_own(programs, binaries, tmp_path, upstream):
    tokens = tokens_file(tmp_path)
    sidecar = start_sidecar(programs, binaries, tmp_path, upstream.url, "--web.tokens-file", tokens)
    (tmp_path / "token").write_text("warehouse-secret\n")
    agent = start_agent(programs, binaries, tmp_path, "--web.tokens-file", tokens, "--labels.sidecars", sidecar.url,
                        "--labels.bearer-token-file", tmp_path / "token")
    assert agent.status("warehouse", "POST", "/api/v1/labels", LABEL) == 200
    (tmp_path / "token").write_text("reader-secret\n")
    assert agent.status("warehouse", "POST", "/api/v1/labels", LABEL) == 503, "the sidecar refuses a reader"
    assert agent.status("reader", "POST", "/api/v1/labels", LABEL) == 403


def test_predictions_stay_open_and_what_changes_the_model_does_not(programs, binaries, tmp_path):
    (tmp_path / "seed.csv").write_text("size,price\n1000,50\n1500,75\n2000,100\n2500,125\n")
    subprocess.run([binaries / "outrider-predictor", "train", "--data", tmp_path / "seed.csv", "--target", "price", "--algorithm",
                    "ols", "--name", "house", "--registry", tmp_path / "registry", "--promote"], check=True, capture_output=True, timeout=60)
    port = free_port()
    programs.start("predictor", [binaries / "outrider-predictor", "serve", "--registry", tmp_path / "registry", "--name", "house",
                                 "--web.listen-address", f"127.0.0.1:{port}", "--web.tokens-file", tokens_file(tmp_path)])
    programs.wait_until_ready("predictor", f"http://127.0.0.1:{port}/-/ready")
    predictor = Port(f"http://127.0.0.1:{port}")
    for path in ("/predict", "/v1/models/house:predict", "/v2/models/house/infer"):
        assert predictor.status(None, "POST", path, {"size": 1800}) in (200, 400)
    assert predictor.status(None, "GET", "/v2/health/ready") == 200
    assert predictor.status(None, "GET", "/api/v1/models") == 401 and predictor.status("reader", "GET", "/api/v1/models") == 200
    promote, rollback, retrain = "/api/v1/models/v1/promote", "/api/v1/rollback", "/api/v1/retrain"
    for path, may in ((promote, "lead"), (rollback, "lead"), (retrain, "pusher")):
        for name in ("reader", "warehouse", "pusher", "lead"):
            expected = {True: lambda s: s not in (401, 403), False: lambda s: s == 403}[name == may]
            assert expected(predictor.status(name, "POST", path, {})), (path, name)
    assert predictor.status("house", "POST", retrain, {}) != 403 and predictor.status("shop", "POST", retrain, {}) == 403


def test_passwords_and_tokens_stand_side_by_side(programs, binaries, tmp_path):
    hashed = "$2b$04$TwnEMKBrZKAwtPtBIwV2veZu8APyKMdUayBGjWqCjQF3MtzUbxrgS"  # bcrypt of "open sesame".
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{alice: '{hashed}'}}\n")
    agent = start_agent(programs, binaries, tmp_path, "--web.config.file", tmp_path / "web.yaml", "--web.tokens-file", tokens_file(tmp_path))

    def page(password):
        word = base64.b64encode(f"alice:{password}".encode()).decode()
        return http("GET", f"{agent.url}/", headers={"Authorization": f"Basic {word}"})

    status, headers, _ = http("GET", f"{agent.url}/")
    assert status == 401 and headers.get_all("WWW-Authenticate") == ['Bearer realm="outrider"', 'Basic realm="outrider"']
    assert page("wrong")[0] == 401 and agent.refused("wrong_password") == 1
    assert agent.status("reader", "GET", "/") == 200
    assert page("open sesame")[0] == 200
