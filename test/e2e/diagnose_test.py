# SPDX-License-Identifier: Apache-2.0
"""`outrider diagnose`: which component is the cause, told from files, and on the development data as often as promised."""

import functools
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "test" / "bench"))

import diagnose_cases as cases_of

AT = 1_700_000_000


def diagnose(binaries, *arguments, status=0):
    run = subprocess.run([binaries / "outrider", "diagnose", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert run.returncode == status, run.stdout + run.stderr
    return json.loads(run.stdout) if status == 0 and "--json" in arguments else run.stdout + run.stderr


def component(folder, name, rows):
    """One file of metrics: rows are {metric: value}, a minute each, the last five of them in the incident."""
    begin = AT - 60 * (len(rows) - 5)
    text = "timestamp," + ",".join(rows[0]) + "\n"
    text += "".join(f"{begin + 60 * i}," + ",".join(map(str, row.values())) + "\n" for i, row in enumerate(rows))
    (folder / f"{name}.csv").write_text(text)


@pytest.fixture
def shop(tmp_path):
    """A shop and its cart; since AT the cart is five times as slow, and the shop waits for it."""
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    chance = random.Random(3)
    for name, slow in (("shop", 3), ("cart", 5)):
        rows = []
        for i in range(605):
            factor = (slow if i >= 600 else 1) * (1 + chance.uniform(-0.1, 0.1))
            rows.append({"cpu": round(0.4 * (1 + chance.uniform(-0.1, 0.1)), 4), "latency_p95_ms": round(12 * factor, 4), "requests": 500})
        component(metrics, name, rows)
    (tmp_path / "graph.csv").write_text("caller,callee\nshop,cart\n")
    change = {"time": "2023-11-14T22:12:20Z", "component": "cart", "kind": "deployment", "what": "cart v2.1.3"}
    decoy = dict(change, component="shop", what="shop v7")
    (tmp_path / "changes.jsonl").write_text(json.dumps(decoy) + "\n" + json.dumps(change) + "\n")
    return tmp_path


def of(folder):
    return ("--metrics", folder / "metrics", "--graph", folder / "graph.csv", "--at", AT, "--window", "5m")


def test_the_cause_its_evidence_and_the_change_are_told_in_json_and_in_lines(binaries, shop):
    found = diagnose(binaries, *of(shop), "--changes", shop / "changes.jsonl", "--json")
    assert list(found) == ["verdict", "p", "reason", "causes", "change"] and found["verdict"] == "cause"
    assert [cause["component"] for cause in found["causes"]] == ["cart", "shop"]
    first = found["causes"][0]
    assert set(first) == {"component", "kind", "probability", "score", "onset", "evidence"}
    assert 0.9 < first["probability"] <= 1 and first["onset"].startswith("2023-11-14T22:1")
    assert first["evidence"][0].startswith("latency_p95_ms of cart is ") and " ms) since 22:1" in first["evidence"][0]
    assert found["change"] == {"component": "cart", "time": "2023-11-14T22:12:20Z", "kind": "deployment", "what": "cart v2.1.3"}
    said = diagnose(binaries, *of(shop), "--changes", shop / "changes.jsonl")
    assert said.startswith("cause: cart (") and "change: deployment of cart at 22:12:20 UTC: cart v2.1.3\n" in said


def test_an_hour_earlier_nothing_is_named_and_the_ranking_is_whole(binaries, shop):
    found = diagnose(binaries, *of(shop)[:-3], AT - 3600, "--window", "300s", "--json")
    assert found["verdict"] == "insufficient_evidence" and found["change"] is None and len(found["causes"]) == 2
    assert "--logs" in found["reason"]
    assert diagnose(binaries, *of(shop)[:-3], AT - 3600, "--window", "300s").startswith("insufficient evidence: ")


def test_every_malformed_input_is_told_by_file_line_and_column(binaries, shop):
    bad = shop / "metrics" / "bad.csv"
    for text, why in (("timestamp,cpu\n1700000000,fast\n", "bad.csv: line 2: cpu='fast': expected a finite number"),
                      ("timestamp,cpu\n1700000000,inf\n", "bad.csv: line 2: cpu='inf': expected a finite number"),
                      ("timestamp,cpu\n1700000000\n", "bad.csv: line 2: "),
                      ("time,cpu\n1,1\n", "bad.csv: line 1: no column 'timestamp'; the header has time, cpu"),
                      ("timestamp,cpu\n1700000000000,1\n", "expected Unix seconds"),
                      ("timestamp,cpu,cpu\n1,1,1\n", "bad.csv: line 1: "),
                      ("", "bad.csv: line 1: expected a header line, got an empty file")):
        bad.write_text(text)
        assert why in diagnose(binaries, *of(shop), status=1), text
    bad.unlink()
    other = shop / "other"
    for option, text, why in (
            ("--graph", "from,to\na,b\n", "other: line 1: no column 'caller'"),
            ("--graph", "caller,callee\na,\n", "other: line 2: callee is empty"),
            ("--logs", "timestamp,component,template_or_level,count\n1,a,b,-3\n", "other: line 2: count='-3'"),
            ("--logs", "timestamp,component,count\n", "no column 'template_or_level'"),
            ("--changes", "{}\n", "other: line 1: no component"),
            ("--changes", '\n{"component": "cart", "time": "yesterday"}\n', "other: line 2: time: expected RFC 3339"),
            ("--changes", "{\n", "other: line 1: ")):
        other.write_text(text)
        assert why in diagnose(binaries, *of(shop), option, other, status=1), text
    assert "absent" in diagnose(binaries, *of(shop), "--logs", shop / "absent", status=1)
    assert "expected a file" in diagnose(binaries, *of(shop), "--logs", shop, status=1)
    assert "graph.csv: line 1: no column 'time'" in diagnose(binaries, *of(shop), "--baseline", shop / "graph.csv", status=1)
    assert "expected a folder" in diagnose(binaries, *of(shop), "--baseline", shop / "absent", status=1)
    assert "no file *.csv" in diagnose(binaries, *of(shop), "--baseline", binaries, status=1)


def test_what_cannot_be_meant_is_refused_with_what_there_is(binaries, shop):
    assert "expected COMPONENT:METRIC of cart, shop" in diagnose(binaries, *of(shop), "--symptom", "chart:cpu", status=1)
    assert "cart.csv has no metric 'speed'" in diagnose(binaries, *of(shop), "--symptom", "cart:speed", status=1)
    late = diagnose(binaries, *of(shop)[:-3], AT + 86400, "--window", "5m", status=1)
    assert "no row of" in late and "2023-11-14T22:17:20.000Z" in late
    assert "expected RFC 3339 with its zone" in diagnose(binaries, *of(shop)[:-3], "2023-11-14 22:13", "--window", "5m", status=1)
    diagnose(binaries, *of(shop)[:-1], "0s", status=2)
    diagnose(binaries, "--metrics", shop, status=2)


def test_a_component_with_colons_in_its_name_is_no_metric(binaries, shop):
    (shop / "metrics" / "Cart_AWS::ECS.csv").write_text((shop / "metrics" / "cart.csv").read_text())
    diagnose(binaries, *of(shop), "--symptom", "Cart/AWS::ECS", "--json")
    found = diagnose(binaries, *of(shop), "--symptom", "Cart/AWS::ECS:latency_p95_ms", "--json")
    assert found["causes"][0]["kind"] == "latency"


# The development data: the bars of each system, never pooled.

def share(truths):
    truths = list(truths)
    return sum(truths) / len(truths)


@pytest.fixture(scope="module")
def asked(binaries, shared_data):
    """(incident, answer) of a system's cases, or of its normal windows."""
    root = shared_data / "rca"
    if not root.is_dir():
        pytest.skip(f"no development data: {root}")

    @functools.cache
    def ask(system, what, late=0):
        cases = list(cases_of.incidents(root, system, what))
        with ThreadPoolExecutor(2) as pool:
            return list(zip(cases, pool.map(lambda case: cases_of.ask(binaries / "outrider", case, late), cases), strict=True))
    return ask


@pytest.mark.timeout(300)
@pytest.mark.parametrize("system", cases_of.SYSTEMS)
def test_the_cause_comes_first_and_is_named_also_when_the_alert_is_late(asked, system):
    top1, top3 = cases_of.SYSTEMS[system]
    first = {}
    for late in (0, 60, 120):
        cases = asked(system, "cases", late)
        ranks = [cases_of.rank_of([cause["component"] for cause in found["causes"]], case) for case, found in cases]
        first[late], third = share(rank == 1 for rank in ranks), share(rank <= 3 for rank in ranks)
        named = share(found["verdict"] == "cause" for _, found in cases)
        print(f"{system}, {late} s late: top-1 {first[late]:.2f}, top-3 {third:.2f}, named {named:.2f} of {len(cases)}")
        assert third >= top3 and named >= 0.8
    assert min(first.values()) >= top1 and first[0] - min(first.values()) <= 0.05


@pytest.mark.timeout(300)
@pytest.mark.parametrize("system", cases_of.SYSTEMS)
def test_in_normal_windows_no_cause_is_named(asked, system):
    cases = asked(system, "normal")
    assert share(found["verdict"] == "cause" for _, found in cases) <= 0.1
    assert all(found["causes"] and found["change"] is None for _, found in cases)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("system", cases_of.SYSTEMS)
def test_the_true_change_is_blamed_among_decoys_and_a_decoy_alone_is_not(binaries, asked, system):
    asks = [(case, name, path) for case, _ in asked(system, "cases") for name, path in cases_of.changes_of(case).items()]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: cases_of.ask(binaries / "outrider", one[0], changes=one[2])["change"], asks))
    right = {}
    for (case, name, _), change in zip(asks, found, strict=True):
        right.setdefault(name, []).append(cases_of.blamed_rightly(name, change, case))
    print(system, {name: f"{sum(of)} of {len(of)}" for name, of in right.items()})
    assert min(share(right[name]) for name in ("true", "mixed")) >= 0.9
    assert min(share(right[name]) for name in ("decoy-component", "decoy-time", "none")) >= 0.95
