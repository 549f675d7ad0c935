# SPDX-License-Identifier: Apache-2.0
"""Rules and routes, checked with the ecosystem's own tools; each alert is tested both ways."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml
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
    ("outrider-accuracy", "accuracy", "!= min without", "== min without"),
    ("outrider-accuracy", "accuracy", "< model:outrider_accuracy_reference:ratio", "< 0.5"),
    ("outrider", "accuracy", "unmatched:ratio1h > 0.1", "unmatched:ratio1h > 0"),
    ("outrider", "sidecar", "up == 0 and", "up == 0 or"),
    ("outrider", "agent", "for: 30m", "for: 1m"),
    ("outrider-slo", "slo", "ratio_rate1h > 0.072", "ratio_rate1h > 0.001"),
    ("outrider-slo", "slo", "ratio_rate30m > 0.03", "ratio_rate30m >= 0"),
    ("outrider-slo", "slo", "rate5m > 0.1", "rate5m > 0"),
    ("outrider-slo", "slo", "server_error|timeout", "server_error|client_error|timeout"),
    ("outrider-drift", "drift", ":share > 0.5", ":share > 0"),
    ("outrider-drift", "drift", ":z15m > 4.75", ":z15m > 0"),
    ("outrider-drift", "drift", "max without (pod, instance) (outrider_drift_design", "min without (pod, instance) (outrider_drift_design"),
    ("outrider-drift", "drift", "version_drift_pods:share > 0.5", "version_drift_pods:share > 0"),
    ("outrider-drift", "drift", ">= 25 * model", ">= model"),
    ("outrider", "owner", "topk by", "bottomk by"),
    ("outrider", "owner", "(last_over_time(outrider_model_info[1h]))", "(outrider_model_info)"),
    ("outrider", "owner", "(model:outrider_model_info:majority)) == 1", "(model:outrider_model_info:majority)) > 0"),
    ("outrider-slo", "objectives", " unless model:outrider_objective_failed:ratio", ""),
    ("outrider-slo", "objectives", "failed:ratio, 0.9)", "failed:ratio, 9)"),
    ("outrider-slo", "objectives", "or ignoring (le, bound, within)", "or ignoring (le, bound, within, pod)"),
    ("outrider", "objectives", "> model:outrider_objective_accuracy_slack:ratio", "> 0.02"),
    ("outrider", "objectives", "> model:outrider_objective_in_flight:limit", "> 50"),
    ("outrider-drift", "drift", "bins:count / 2)", "bins:count)"),
])
def test_a_broken_rule_would_be_noticed(rules, test, right, wrong, tmp_path):
    (tmp_path / "tests").mkdir()
    text = (ALERTS / f"{rules}.rules.yml").read_text()
    assert right in text
    (tmp_path / f"{rules}.rules.yml").write_text(text.replace(right, wrong))
    (tmp_path / "tests" / f"{test}_test.yml").write_text((ALERTS / "tests" / f"{test}_test.yml").read_text())
    for other in RULES:
        if other.stem != f"{rules}.rules":
            shutil.copy(other, tmp_path)
    status, _ = run("promtool", "test", "rules", f"{test}_test.yml", cwd=tmp_path / "tests")
    assert status != 0


def render(*arguments):
    return run(sys.executable, ALERTS / "render.py", *arguments)


def test_the_rules_are_what_their_templates_and_parameters_make():
    status, text = render("--check")
    assert status == 0, f"{text}\nrun alerts/render.py"


def parameters_with(change, folder):
    parameters = yaml.safe_load((ALERTS / "parameters.yaml").read_text())
    change(parameters)
    file = folder / "parameters.yaml"
    file.write_text(yaml.safe_dump(parameters))
    return file


def test_a_parameter_changes_the_rules_and_promtool_accepts_them(tmp_path):
    def change(parameters):
        parameters["slo"]["latency"] = {"objective": 0.95, "seconds": 1}
        parameters["slo"]["failures"]["objective"] = 0.999
        parameters["model_labels"] = ["owner", "tier"]
        parameters["runbooks"] = "https://example.com/runbooks/"
    status, text = render("--parameters", parameters_with(change, tmp_path), "--out", tmp_path / "rules")
    assert status == 0, text
    slo = (tmp_path / "rules" / "outrider-slo.rules.yml").read_text()
    assert "ratio_rate5m > 0.0144" in slo and "ratio_rate5m > 0.72" in slo and r'le=~"1(\\.0)?"' in slo
    assert "runbook_url: https://example.com/runbooks/ModelLatencyHigh.md" in slo
    assert "group_left (owner, tier)" in slo and 'match "^(__name__|owner|tier)$"' in slo
    status, text = run("promtool", "check", "rules", *(tmp_path / "rules").glob("*.rules.yml"))
    assert status == 0, text


@pytest.mark.parametrize("change, complaint", [
    (lambda p: p["slo"]["latency"].update(seconds=0.3), "slo.latency.seconds=0.3: expected one of slo.buckets"),
    (lambda p: p["slo"]["failures"].update(objective=0.9), "never happens"),
    (lambda p: p["slo"]["failures"].update(objective=99.5), "expected a share"),
    (lambda p: p["sidecar"].update(blnd={"ratio": 1}), "no template uses sidecar.blnd"),
    (lambda p: p["agent"].pop("down"), "down"),
    (lambda p: p.update(model_labels=["owner", "cost-centre"]), "model_labels: cost-centre: expected a label's name"),
], ids=["no bucket", "impossible burn", "percent for a share", "unknown", "missing", "no label"])
def test_mistakes_in_the_parameters_are_named(change, complaint, tmp_path):
    status, text = render("--parameters", parameters_with(change, tmp_path), "--out", tmp_path / "rules")
    assert status != 0 and complaint in text, text
    assert not (tmp_path / "rules").exists()


@pytest.mark.parametrize("name", BLOCKS)
def test_every_alert_is_seen_to_fire_and_seen_not_to(name):
    tests = "\n".join(file.read_text() for file in TESTS)
    silent = rf"alertname: {name}, exp_alerts: \[\]"
    fires = rf"alertname: {name}\n +exp_alerts:\n +- exp_labels"
    # The watchdog is never silent: that is what it is for.
    assert re.search(silent, tests) or name == "OutriderWatchdog", f"no test says when {name} is silent"
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
    for heading in (f"# {name}", "## What it means", "## How to check", "## What to do", "## When to ignore it"):
        assert heading in text, f"{page.name} lacks '{heading}'"


def test_a_runbooks_queries_are_about_the_alerts_own_model():
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        queries = [span for span in re.findall(r"`([^`\n]+)`", page.read_text()) if "outrider_" in span and re.search(r"[(/]|==", span)]
        for query in queries:
            bare = re.findall(r"(?:\w+:)?outrider_[\w:]+(?![\w:]|\{…)", query)
            assert not bare, f"{page.name}: {query}: write {{…}} after {bare}"


def test_runbooks_are_of_alerts_that_exist():
    assert {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")} == set(BLOCKS)


def test_no_group_is_longer_than_twenty_rules():
    for group in re.split(r"^  - name: ", TEXT, flags=re.MULTILINE)[1:]:
        assert len(re.findall(r"^      - (?:record|alert):", group, re.MULTILINE)) <= 20, group[:40]


AGENT_ROUTES = [ALERTS / "alertmanager.yml", ROOT / "demo" / "alertmanager.yml"]
ROUTES = [*AGENT_ROUTES, ALERTS / "alertmanager-direct.yml"]


def labels_of(name):
    """The labels that a rule gives its alert, as amtool takes them."""
    return [f"{key}={value}" for key, value in re.findall(r"^          (severity|signal): (\w+)$", BLOCKS[name], re.MULTILINE)]


@pytest.fixture
def filled(tmp_path):
    def fill(file):
        target = tmp_path / file.name
        target.write_text(file.read_text().replace("${agent}", "http://127.0.0.1:9510"))
        return target
    return fill


def receivers(configuration, name):
    status, text = run("amtool", "config", "routes", "test", f"--config.file={configuration}", f"alertname={name}",
                       *labels_of(name), "model_name=house-price")
    assert status == 0, text
    return text.splitlines()[0].split(",")  # A second line may warn that a machine-wide setting is overridden.


@pytest.mark.parametrize("file", ROUTES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_debians_alertmanager_accepts_the_routes(file, filled):
    status, text = run("amtool", "check-config", filled(file))
    assert status == 0 and "SUCCESS" in text, text


@pytest.mark.long
@pytest.mark.parametrize("file", ROUTES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_current_alertmanager_accepts_the_routes(file, filled, tool):
    status, text = run(tool("amtool"), "check-config", filled(file))
    assert status == 0 and "SUCCESS" in text, text


@pytest.mark.long
def test_a_current_promtool_accepts_the_rules_and_their_tests(tool):
    status, text = run(tool("promtool"), "check", "rules", *RULES)
    assert status == 0 and text.count("SUCCESS") == len(RULES), text
    for file in TESTS:
        status, text = run(tool("promtool"), "test", "rules", file.name, cwd=file.parent)
        assert status == 0, text


@pytest.mark.parametrize("file", AGENT_ROUTES, ids=["production", "demo"])
def test_every_alert_reaches_the_agent_once(file, filled):
    configuration = filled(file)
    for name in BLOCKS:
        got = receivers(configuration, name)
        if name == "OutriderWatchdog":
            assert got == ["dead-mans-switch"]
        else:
            assert got.count("outrider-agent") == 1, name
            assert set(got) <= {"outrider-agent", "people"}
    urls = re.findall(r"^[^#]*url: (\S+)", configuration.read_text(), re.MULTILINE)
    assert urls and all(pathlib.PurePosixPath(url).name == "alerts" for url in urls)


def test_people_are_told_of_the_agents_own_troubles():
    for name in BLOCKS:
        told = receivers(ALERTS / "alertmanager.yml", name)
        assert ("people" in told) == ("signal: agent" in BLOCKS[name]), name


def test_without_an_agent_retraining_scaling_and_tickets_are_asked_for_directly():
    direct = ALERTS / "alertmanager-direct.yml"
    asked = {name: receivers(direct, name) for name in BLOCKS}
    assert asked.pop("OutriderWatchdog") == ["dead-mans-switch"]
    assert asked["ModelAccuracyDropped"] == ["retrain", "ticket"] and asked["ModelSaturated"] == ["scale"]
    others = {name: got for name, got in asked.items() if name not in ("ModelAccuracyDropped", "ModelSaturated")}
    assert all(got == ["ticket"] for got in others.values()), others
    assert "/api/v1/alerts" not in direct.read_text()


@pytest.mark.parametrize("file", ROUTES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_inhibitions_name_alerts_that_exist_and_never_a_cause_and_its_own_cause(file):
    inhibited = set()
    for rule in yaml.safe_load(file.read_text())["inhibit_rules"]:
        sources, targets = (set(re.fullmatch(r'alertname=~?"(.+)"', rule[side][0]).group(1).split("|"))
                            for side in ("source_matchers", "target_matchers"))
        assert sources | targets <= set(BLOCKS) and not sources & targets
        assert set(rule["equal"]) - {"model_name"} == {"cluster", "namespace", "job", "workload"}
        inhibited |= {(source, target) for source in sources for target in targets}
    assert inhibited and not inhibited & {(target, source) for source, target in inhibited}
    assert all("severity: critical" not in BLOCKS[target] or "severity: critical" in BLOCKS[source]
               for source, target in inhibited)


def test_the_demo_inhibits_as_production_does():
    demo, production = (yaml.safe_load(file.read_text())["inhibit_rules"] for file in reversed(AGENT_ROUTES))
    assert demo == production


@pytest.mark.parametrize("file", ROUTES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_alerts_of_two_clusters_are_two_groups(file):
    def routes(route):
        yield route
        for below in route.get("routes", []):
            yield from routes(below)
    groups = [route["group_by"] for route in routes(yaml.safe_load(file.read_text())["route"]) if "group_by" in route]
    assert groups and all(set(group) - {"model_name"} == {"alertname", "cluster", "namespace", "job", "workload"} for group in groups)
