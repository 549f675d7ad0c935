# SPDX-License-Identifier: Apache-2.0
"""The same job and model name in two clusters with two namespaces each: only the sick one's alert fires, and says its own figures."""

import itertools
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

ALERTS = ROOT / "alerts"
RULES = {rule["alert"]: rule for file in sorted(ALERTS.glob("*.rules.yml"))
         for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"] if "alert" in rule}
# All values are text: promtool's 0x20 is no hexadecimal number.
CASES = yaml.load((ALERTS / "tests" / "identity.yaml").read_text(), yaml.BaseLoader)
WITHOUT_SUBJECT = {"OutriderWatchdog"}  # It is about Prometheus itself.

CLUSTERS = [{"cluster": cluster, "namespace": namespace} for cluster, namespace in itertools.product(("eu", "us"), ("bank", "shop"))]
# What a scrape configuration may add besides: no rule names it.
TENANTS = [{"cluster": "eu", "namespace": "shop", "tenant": tenant} for tenant in ("a", "b")]


def placed(series, labels):
    """`series` with labels added, unless it has them itself."""
    name, _, own = series.rstrip("}").partition("{")
    added = [f'{label}="{value}"' for label, value in labels.items() if f",{label}=" not in f",{own}"]
    return f"{name}{{{','.join([*filter(None, [own]), *added])}}}"


def of_models(name):
    """Whether the alert belongs to whoever owns a model; an agent's troubles, and services and disks that it forecasts, are nobody's model's."""
    return not name.startswith("Agent") and RULES[name]["labels"]["signal"] != "capacity"


def one_test(name, case, places, sick):
    """promtool's test in which places[sick] is sick and the others are well. Each place's models have an owner of their own."""
    series = []
    for number, place in enumerate(places):
        labels = place | {"job": "s", "pod": "a", "instance": "a:9501"}
        for text, values in case["series"].items():
            series.append({"series": placed(text, labels), "values": str(values[number == sick])})
        if of_models(name):
            series.append({"series": placed(f'outrider_model_info{{model_name="m",owner="{owner(place)}"}}', labels),
                           "values": "1x500"})
    rule, place = RULES[name], places[sick]
    labels = rule["labels"] | case.get("labels", {}) | place | {"job": "s"} | ({"owner": owner(place)} if of_models(name) else {})
    fixed = {key: rule["annotations"][key] for key in ("summary", "runbook_url")}
    return {"interval": case.get("every", "1m"), "input_series": series, "alert_rule_test": [
        {"eval_time": case["at"], "alertname": name, "exp_alerts": [{"exp_labels": labels, "exp_annotations": fixed | case["says"]}]}]}


def owner(place):
    return f"team-{place['cluster']}-{place['namespace']}"


def promtool(name, case, places, folder):
    (folder / "tests").mkdir()
    for file in ALERTS.glob("*.rules.yml"):
        shutil.copy(file, folder)
    tests = [one_test(name, case, places, sick) for sick in range(len(places))]
    (folder / "tests" / "test.yml").write_text(yaml.safe_dump({
        "rule_files": ["../*.rules.yml"], "evaluation_interval": case.get("every", "1m"), "tests": tests}, allow_unicode=True))
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=folder / "tests", capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_alert_has_a_case():
    assert set(CASES) == set(RULES) - WITHOUT_SUBJECT


@pytest.mark.parametrize("name", CASES)
def test_of_two_clusters_and_namespaces_only_the_sick_one_fires_with_its_own_figures(name, tmp_path):
    status, text = promtool(name, CASES[name], CLUSTERS, tmp_path)
    assert status == 0, text


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "model_name" in case.get("labels", {})])
def test_a_label_of_the_scrape_configuration_tells_models_apart_too(name, tmp_path):
    status, text = promtool(name, CASES[name], TENANTS, tmp_path)
    assert status == 0, text


@pytest.mark.parametrize("name", CASES)
def test_well_and_sick_differ_in_what_the_text_says(name):
    case = CASES[name]
    assert all(len(values) == 2 for values in case["series"].values())
    assert any(well != sick for well, sick in case["series"].values())


@pytest.mark.parametrize("right, wrong, name", [
    ("sum by (cluster, namespace, job, workload) (rate(outrider_log", "sum by (namespace, job, workload) (rate(outrider_log",
     "SidecarPredictionsLost"),
    ("max by (cluster, namespace, job, workload) (increase", "max by (namespace, job) (increase", "SidecarMonitorRestarting"),
    ('match "^(__name__|owner|team)$"', 'match "^(__name__|owner|team|cluster)$"', "ModelAccuracyDropped"),
    ('match "^(__name__|owner|team)$"', 'match "^(__name__|owner|team|namespace)$"', "ModelSaturated"),
    ("* on (cluster, namespace, job, workload, model_name)", "* on (job, model_name)", "ModelRequestsFailing"),
])
def test_a_rule_that_forgets_where_the_model_is_would_be_noticed(right, wrong, name, tmp_path, monkeypatch):
    broken = tmp_path / "alerts"
    broken.mkdir()
    for file in ALERTS.glob("*.rules.yml"):
        (broken / file.name).write_text(file.read_text().replace(right, wrong))
    assert any((broken / file.name).read_text() != file.read_text() for file in ALERTS.glob("*.rules.yml"))
    monkeypatch.setitem(globals(), "ALERTS", broken)
    (tmp_path / "run").mkdir()
    status, text = promtool(name, CASES[name], CLUSTERS, tmp_path / "run")
    assert status != 0, text
