# SPDX-License-Identifier: Apache-2.0
"""The agent's pages over HTTP, beside a real Prometheus that holds a fleet: figures, filters, limits of tokens, news by ETag."""

import hashlib
import re
import time

import page_scene
import pytest
from agent_program import Agent, webhook
from processes import http, http_json, wait_for

MODELS, NAMESPACES = 60, 12
POLICY = """
dry_run: false
rules:
  - name: retrain
    match: {alert: ModelAccuracyDropped}
    action: retrain
    approval: required
    webhook: {url: "http://127.0.0.1:9/retrain"}
"""
SEES_ALL, SEES_ONE, READS = "all-" + "a" * 20, "one-" + "b" * 20, "reader-" + "c" * 20
TOKENS = f"""
tokens:
  - {{name: everything, sha256: {hashlib.sha256(SEES_ALL.encode()).hexdigest()}, roles: [administer]}}
  - {{name: team, sha256: {hashlib.sha256(SEES_ONE.encode()).hexdigest()}, roles: [read, approve], namespaces: [team-01]}}
  - {{name: reader, sha256: {hashlib.sha256(READS.encode()).hexdigest()}, roles: [read]}}
"""


@pytest.fixture
def fleet(programs, agent_binary, tmp_path):
    """An agent over a fleet of which two models have an open incident."""
    prometheus = page_scene.start_prometheus(programs, tmp_path, MODELS, NAMESPACES)
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    agent = Agent(programs, agent_binary, tmp_path, POLICY,
                  ["--prometheus.url", prometheus.admin, "--web.tokens-file", tmp_path / "tokens.yaml"])
    change = {"kind": "deployment", "workload": page_scene.name_of(0), "namespace": "team-00", "cluster": "eu-1", "version": "v1.4.2",
              "at": time.time() - 21 * 60}
    assert http("POST", f"{agent.admin}/api/v1/changes", change, bearer(SEES_ALL))[0] == 201
    told = [page_scene.alert(page_scene.FALLEN, NAMESPACES),
            page_scene.alert(page_scene.FAILING, NAMESPACES, "ModelRequestsFailing", summary="20 % of the requests fail")]
    assert http("POST", f"{agent.admin}/api/v1/alerts", webhook(*told), bearer(SEES_ALL))[0] == 200
    wait_for("the models' figures", lambda: "promised 95 %" in page(agent, "/"), 30)
    return agent


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def page(agent, path, token=SEES_ALL):
    return http("GET", agent.admin + path, headers=bearer(token))[2]


def row(html, model):
    """The words of a model's row."""
    return words(next(one for one in re.findall(r"<tr role=\"row\".*?</tr>", html) if f">{model}</a></b>" in one))


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def incident_of(agent, alert):
    found = http_json("GET", f"{agent.admin}/api/v1/incidents", headers=bearer(SEES_ALL))["incidents"]
    return next(one["id"] for one in found if one["alert"] == alert)


def test_the_page_shows_each_model_as_prometheus_has_it_the_worst_first(fleet):
    html = page(fleet, "/")
    order = re.findall(r'role="rowheader"><b><a[^>]*>(model-\d+)</a>', html)
    assert len(order) == 50 and set(order[:2]) == {"model-000", "model-001"} and order[2] == "model-002"
    fallen = row(html, "model-000")
    assert "1 open incident: critical" in fallen and "promised 95 %" in fallen and "deployment v1.4.2" in fallen
    assert 85 < float(re.search(r"([\d.]+) % of [\d ]+ labels in 1 h", fallen)[1]) < 95  # A third of its hour.
    assert "20.0 %" in row(html, "model-001") or "20 %" in row(html, "model-001")
    assert "inputs moved" in row(html, "model-002") and "over its threshold in size" in row(html, "model-002")
    others = page(fleet, "/?state=unknown")
    assert "no requests" in row(others, "model-003") and "no labels in 1 h" in row(others, "model-004")
    assert re.search(r"Figures of Prometheus at http://127\.0\.0\.1:\d+, asked \d+ s ago in [\d.]+ m?s\.", words(html))


def test_what_is_asked_for_is_in_the_address(fleet):
    assert re.findall(r"rowheader\"><b><a[^>]*>(model-\d+)", page(fleet, "/?q=MODEL-017")) == ["model-017"]
    assert set(re.findall(r"owner-\d", words(page(fleet, "/?owner=owner-1").split("<tbody", 1)[1]))) == {"owner-1"}
    assert len(re.findall(r'role="rowheader"', page(fleet, "/?page=2"))) == MODELS - 50
    assert "No model is like that" in page(fleet, "/?q=nothing-has-this-name")
    assert '<input type="search" name="q" value="&lt;b&gt;&quot;"' in page(fleet, "/?q=%3Cb%3E%22")


def test_an_incidents_page_says_why_and_shows_before_and_after(fleet):
    path = "/incidents/" + incident_of(fleet, "ModelAccuracyDropped")
    html = wait_for("charts", lambda: found if "Drift in thresholds" in (found := page(fleet, path)) else None, 30)
    assert re.search(r"Accuracy of model-000 Before: 95(\.0)? %\. Since: 7[\d.]+ %\. Last: 72(\.0)? %\.", words(html))
    assert "<h2 id=\"why-title\">Why</h2>" in html and "C1" in html
    assert "Approve" in html and "/retrain" in html
    assert http("GET", f"{fleet.admin}/incidents/no-such", headers=bearer(SEES_ALL))[0] == 404


def test_a_models_page_tells_its_figures_what_is_ahead_its_incidents_and_what_was_done(fleet):
    link = re.search(r'rowheader"><b><a href="(/model\?[^"]*model=model-000)"', page(fleet, "/"))[1].replace("&amp;", "&")
    html = page(fleet, link)
    assert "<h1>model-000 v1</h1>" in html and "1 open incident: critical" in words(html)
    # Three hours of minutes are twelve steps of a quarter of an hour: enough for a forecast, too few for a season.
    html = wait_for("the forecast", lambda: found if "class=\"band\"" in (found := page(fleet, link)) else None, 60)
    assert re.search(r"Requests to model-000 Last: [\d.]+/s\. Ahead, over 23 h: most at \d\d:\d\d UTC, [\d.]+/s expected, above", words(html))
    assert "not known yet, 0 intervals checked" in words(html)
    assert "deployment v1.4.2" in words(html)
    wait_for("what is to be done", lambda: "<form method=\"post\"" in page(fleet, link), 20)
    assert http("GET", fleet.admin + link.replace("model-000", "model-999"), headers=bearer(SEES_ALL))[0] == 404
    assert http("GET", fleet.admin + link, headers=bearer(SEES_ONE))[0] == 404  # Of another team.


def test_a_page_that_has_nothing_new_is_not_sent_again(fleet):
    path = fleet.admin + "/incidents?state=open"
    seen = {"If-None-Match": http("GET", path, headers=bearer(SEES_ALL))[1]["ETag"]}
    status, _, body = http("GET", path, headers=bearer(SEES_ALL) | seen)
    assert (status, body) == (304, "")
    http("POST", f"{fleet.admin}/api/v1/alerts", webhook(page_scene.alert(9, NAMESPACES)), bearer(SEES_ALL))

    def news():
        status, _, body = http("GET", path, headers=bearer(SEES_ALL) | seen)
        return status == 200 and "model-009" in body
    wait_for("the third incident", news, 10)


def test_a_limited_token_sees_its_namespace_and_nothing_else(fleet):
    html = page(fleet, "/", SEES_ONE)
    assert set(re.findall(r"team-\d\d", html)) == {"team-01"} and "1 open incident" in words(html)
    mine, other = incident_of(fleet, "ModelRequestsFailing"), incident_of(fleet, "ModelAccuracyDropped")
    assert http("GET", f"{fleet.admin}/incidents/{mine}", headers=bearer(SEES_ONE))[0] == 200
    status, _, body = http("GET", f"{fleet.admin}/incidents/{other}", headers=bearer(SEES_ONE))
    assert status == 404 and "model-000" not in body
    for path in ("/incidents", "/actions"):
        assert "model-000" not in page(fleet, path, SEES_ONE)


def test_who_may_only_read_cannot_approve_and_a_form_of_another_site_is_refused(fleet):
    action = http_json("GET", f"{fleet.admin}/api/v1/actions", headers=bearer(SEES_ALL))["actions"][0]["id"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"{fleet.admin}/api/v1/actions/{action}/approve"
    assert http("POST", path, b"by=eve", bearer(READS) | form)[0] == 403
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert http("POST", path, b"by=eve", bearer(SEES_ALL) | form | elsewhere)[0] == 403
    for path in ("/actions?state=waiting", "/incidents/" + incident_of(fleet, "ModelAccuracyDropped")):
        assert "<form method=\"post\"" in page(fleet, path)
        refused = page(fleet, path, READS)
        assert "<form method=\"post\"" not in refused and "the token reader has no role approve" in words(refused)


def test_the_pages_allow_no_script_but_their_own(fleet):
    _, headers, html = http("GET", fleet.admin + "/", headers=bearer(SEES_ALL))
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy and "nonce" not in policy
    for asset in set(re.findall(r"/assets/[\w.-]+", html)):
        status, headers, _ = http("GET", fleet.admin + asset, headers=bearer(READS))
        assert status == 200 and "immutable" in headers["Cache-Control"]
    assert http("GET", fleet.admin + "/assets/page-000000000000.css", headers=bearer(READS))[0] == 404


def test_a_name_that_is_markup_stays_a_name(fleet):
    evil = page_scene.alert(11, NAMESPACES, "ModelRequestsFailing", summary="<img src=x onerror=alert(1)>")
    evil["labels"] |= {"model_name": "<script>alert(1)</script>", "owner": "\"><b>"}
    assert http("POST", f"{fleet.admin}/api/v1/alerts", webhook(evil), bearer(SEES_ALL))[0] == 200
    wait_for("its incident", lambda: "&lt;script&gt;alert(1)" in page(fleet, "/incidents"), 10)
    for path in ("/", "/incidents", "/incidents/" + incident_of(fleet, "ModelRequestsFailing")):
        assert "<script>alert" not in page(fleet, path) and "<img" not in page(fleet, path)
