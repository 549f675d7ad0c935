# SPDX-License-Identifier: Apache-2.0
"""Rules and routes, checked with the ecosystem's own tools; each alert is tested both ways."""

import pathlib
import re
import subprocess

import pytest
from conftest import ROOT

ALERTS = ROOT / "alerts"
RULES = sorted(ALERTS.glob("*.rules.yml"))
TEXT = "\n".join(file.read_text() for file in RULES)
TESTS = sorted((ALERTS / "tests").glob("*_test.yml"))


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False,
                          **options)
    return done.returncode, done.stdout + done.stderr


def alert_blocks():
    """{alert: the lines of its rule}. Read as text: the tests need no YAML package."""
    blocks, name = {}, None
    for line in TEXT.splitlines():
        if re.match(r"^      - |^  - name:", line):
            found = re.match(r"^      - alert: (\S+)", line)
            name = found.group(1) if found else None
        if name:
            blocks.setdefault(name, []).append(line)
    return {name: "\n".join(lines) for name, lines in blocks.items()}


BLOCKS = alert_blocks()


def annotation(block, key):
    found = re.search(rf"^          {key}: (.*)$", block, re.MULTILINE)
    if not found:
        return ""
    return found.group(1) if found.group(1) != ">-" else block[found.end():]


def test_promtool_accepts_the_rules():
    assert len(RULES) >= 2
    status, text = run("promtool", "check", "rules", *RULES)
    assert status == 0 and text.count("SUCCESS") == len(RULES), text


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_the_rules_do_what_their_tests_say(file):
    status, text = run("promtool", "test", "rules", file.name, cwd=file.parent)
    assert status == 0, text


@pytest.mark.parametrize("rules, test, right, wrong", [
    ("outrider", "accuracy", ":share >= 0.5", ":share >= 0"),
    ("outrider-drift", "drift", ":share > 0.5", ":share > 0"),
    ("outrider-drift", "drift", ":z15m > 4.75", ":z15m > 0"),
    ("outrider-drift", "drift", "max without (pod, instance) (outrider_drift_design", "min without (pod, instance) (outrider_drift_design"),
    ("outrider-drift", "drift", "version_drift_pods:share > 0.5", "version_drift_pods:share > 0"),
    ("outrider-drift", "drift", ">= 25 * model", ">= model"),
    ("outrider-drift", "drift", "bins:count / 2)", "bins:count)"),
])
def test_a_broken_rule_would_be_noticed(rules, test, right, wrong, tmp_path):
    (tmp_path / "tests").mkdir()
    text = (ALERTS / f"{rules}.rules.yml").read_text()
    assert right in text
    (tmp_path / f"{rules}.rules.yml").write_text(text.replace(right, wrong))
    (tmp_path / "tests" / f"{test}_test.yml").write_text((ALERTS / "tests" / f"{test}_test.yml").read_text())
    status, _ = run("promtool", "test", "rules", f"{test}_test.yml", cwd=tmp_path / "tests")
    assert status != 0


@pytest.mark.parametrize("name", BLOCKS)
def test_every_alert_is_seen_to_fire_and_seen_not_to(name):
    tests = "\n".join(file.read_text() for file in TESTS)
    silent = rf"alertname: {name}, exp_alerts: \[\]"
    fires = rf"alertname: {name}\n +exp_alerts:\n +- exp_labels"
    assert re.search(silent, tests), f"no test says when {name} is silent"
    assert re.search(fires, tests), f"no test says when {name} fires"


@pytest.mark.parametrize("name", BLOCKS)
def test_every_alert_follows_the_conventions(name):
    block = BLOCKS[name]
    assert re.fullmatch(r"([A-Z]+[a-z0-9]+)+", name) and len(name) <= 40
    assert re.search(r"^          severity: (critical|warning|info)$", block, re.MULTILINE)
    summary = annotation(block, "summary")
    assert summary.endswith(".") and "{{" not in summary
    assert "{{" in annotation(block, "description")
    page = ROOT / annotation(block, "runbook_url")
    assert page == ROOT / "docs" / "runbooks" / f"{name}.md"
    text = page.read_text()
    for heading in (f"# {name}", "## What it means", "## How to check", "## What to do"):
        assert heading in text, f"{page.name} lacks '{heading}'"


def test_runbooks_are_of_alerts_that_exist():
    assert {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")} == set(BLOCKS)


def test_no_group_is_longer_than_twenty_rules():
    for group in re.split(r"^  - name: ", TEXT, flags=re.MULTILINE)[1:]:
        assert len(re.findall(r"^      - (?:record|alert):", group, re.MULTILINE)) <= 20, group[:40]


@pytest.mark.parametrize("file", [ALERTS / "alertmanager.yml", ROOT / "demo" / "alertmanager.yml"],
                         ids=["production", "demo"])
def test_every_alert_is_routed_to_the_agent_and_to_nobody_else(file, tmp_path):
    configuration = tmp_path / "alertmanager.yml"
    configuration.write_text(file.read_text().replace("${agent}", "http://127.0.0.1:9510"))
    status, text = run("amtool", "check-config", configuration)
    assert status == 0 and "SUCCESS" in text and "1 receivers" in text, text
    for name in BLOCKS:
        status, text = run("amtool", "config", "routes", "test", f"--config.file={configuration}", f"alertname={name}",
                           "severity=critical", "model_name=house-price")
        # A second line may warn that a machine-wide amtool setting is overridden.
        assert (status, text.splitlines()[0]) == (0, "outrider-agent")
    urls = re.findall(r"url: (\S+)", configuration.read_text())
    assert urls and all(pathlib.PurePosixPath(url).name == "alerts" for url in urls)
