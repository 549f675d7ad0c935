# SPDX-License-Identifier: Apache-2.0
"""The agent's page in a real browser: what it says, that it keeps itself current, that everybody can read it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from agent_test import Agent, webhook
from processes import http_json

pytestmark = pytest.mark.long  # Chromium is no small thing to install: scripts/install pages.

POLICY = """
dry_run: false
rules:
  - name: retrain
    match: {{alert: ModelAccuracyDropped}}
    action: retrain
    approval: required
    webhook: {{url: "{receiver}/retrain"}}
"""

# Every piece of text against what is behind it, by WCAG's formula: [ratio, text] of those that are too faint.
FAINT = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
                                 return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                                                         if (c.length < 4 || c[3] > 0.5) return c; } return [255, 255, 255]; };
  const found = [], walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), e = walk.currentNode.parentElement;
    if (!text || !e.checkVisibility() || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([ratio.toFixed(2), text.slice(0, 40)]);
  }
  return found;
}"""


def alert(name, severity, model, text):
    return {"labels": {"alertname": name, "severity": severity, "signal": "accuracy", "job": "s", "model_name": model,
                       "model_version": "v1"},
            "annotations": {"summary": text, "description": text}, "startsAt": "2026-01-31T12:00:00Z"}


class Trainer:
    """A receiver that keeps what it is asked."""

    def __enter__(self):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def staged(programs, binaries, tmp_path):
    """An agent with an incident whose action waits for a person, and the receiver of that action."""
    with Trainer() as trainer:
        agent = Agent(programs, binaries / "outrider-agent", tmp_path, POLICY.format(receiver=trainer.url))
        post(agent, alert("ModelAccuracyDropped", "critical", "house-price", "The accuracy fell from 95% to 72%."))
        yield agent, trainer


def post(agent, *alerts):
    http_json("POST", f"{agent.admin}/api/v1/alerts", webhook(*alerts))


def opened(browser, agent, **options):
    """A page of the agent, and what it complained of or asked of others."""
    page, complaints = browser.new_page(**options), []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(agent.admin) else complaints.append(asked.url))
    page.goto(agent.admin)
    return page, complaints


def says(page, text):
    """Waits until the first line of the page says this."""
    page.locator("[role=status]", has_text=text).wait_for(timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_says_what_is_wrong_and_can_be_read(browser, staged, scheme):
    page, complaints = opened(browser, staged[0], color_scheme=scheme)
    says(page, "1 open incident, 1 critical.")
    assert page.get_by_role("heading", name="house-price v1").is_visible()
    assert page.get_by_role("link", name="1 action waits for a person").get_attribute("href").startswith("#")
    page.locator("summary").first.click()
    assert page.evaluate(FAINT) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor").startswith("rgb(1")
    assert dark == (scheme == "dark") and complaints == []
    page.close()


def test_it_fits_a_telephone(browser, staged):
    page, _ = opened(browser, staged[0], viewport={"width": 360, "height": 740})
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_it_keeps_itself_current_but_not_while_somebody_types(browser, staged):
    agent, _ = staged
    page, complaints = opened(browser, agent)
    page.get_by_label("your name").fill("ada")
    post(agent, alert("FeatureDrift", "warning", "rent", "Inputs moved."))
    page.wait_for_timeout(4000)  # Longer than the page waits between two looks.
    assert page.get_by_label("your name").input_value() == "ada"
    says(page, "1 open incident, 1 critical.")
    page.get_by_label("your name").fill("")
    page.get_by_role("heading", name="Models").click()
    says(page, "2 open incidents, 1 critical.")
    assert complaints == []
    page.close()


def test_a_person_approves_with_the_keyboard_alone(browser, staged):
    agent, trainer = staged
    page, complaints = opened(browser, agent)
    page.get_by_label("your name").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Approve"
    page.keyboard.press("Enter")
    page.get_by_text("succeeded").first.wait_for(timeout=10_000)
    assert [asked["model"] for asked in trainer.asked] == ["house-price"]
    assert agent.actions()[0]["person"] == "ada" and complaints == []
    page.close()


def test_it_works_without_script(browser, staged):
    agent, trainer = staged
    page, _ = opened(browser, agent, java_script_enabled=False)
    page.fill("input[name=by]", "ada")
    page.click("text=Reject")
    assert "house-price" in page.content() and trainer.asked == []
    page.close()
