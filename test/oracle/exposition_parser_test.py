# SPDX-License-Identifier: Apache-2.0
"""The parser of metrics pages against prometheus_client's: the same samples of pages that clients make, and of
pages that are made at random."""

import json
import math
import random
import subprocess

import pytest
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text


def ours(program, page, kind):
    done = subprocess.run([program, kind], input=page.encode(), capture_output=True, check=True, timeout=60)
    lines = done.stdout.decode().splitlines()
    return None if lines == ["refused"] else [json.loads(line) for line in lines]


def canonical(name, labels):
    """Bounds as numbers: ours are in canonical form whatever the page has."""
    return {k: float(v) if k in ("le", "quantile") else v for k, v in labels.items() if v != ""}


def same(mine, theirs, milliseconds):
    key = repr
    left = sorted(((s["name"], canonical(s["name"], s["labels"]), float(s["value"]), s.get("timestamp"),
                    s.get("exemplar")) for s in mine), key=key)
    right = []
    for family in theirs:
        for s in family.samples:
            # Text's parser gives the milliseconds as seconds.
            at = None if s.timestamp is None else round(float(s.timestamp) * 1000)
            exemplar = s.exemplar and {"value": s.exemplar.value, "labels": dict(s.exemplar.labels)}
            right.append((s.name, canonical(s.name, s.labels), float(s.value), at, exemplar))
    right.sort(key=key)
    assert len(left) == len(right)
    for a, b in zip(left, right):
        assert a[:2] == b[:2] and a[3:] == b[3:]
        assert a[2] == b[2] or (math.isnan(a[2]) and math.isnan(b[2]))


def registry(seed):
    rng = random.Random(seed)
    made = CollectorRegistry()

    def word():
        return "".join(rng.choice('ab\\"\n\u00e4\u20ac {}=,#') for _ in range(rng.randrange(12)))

    for i in range(4):
        counter = Counter(f"c{i}", word() or "help", ["x", "y"], registry=made)
        gauge = Gauge(f"g{i}_bytes", word() or "help", ["x"], registry=made, unit="bytes")
        histogram = Histogram(f"h{i}", "Help.", ["x"], registry=made, buckets=[.001, 1, 2.5, 1e6])
        summary = Summary(f"s{i}", "Help.", registry=made)
        for _ in range(3):
            counter.labels(word(), word()).inc(rng.random() * 10, exemplar={"trace_id": "abc"})
            gauge.labels(word()).set(rng.choice([0, -0.0, 1e300, -1e-300, math.inf, -math.inf, math.nan, rng.random()]))
            histogram.labels(word()).observe(rng.expovariate(1), exemplar={"trace_id": word()})
            summary.observe(rng.random())
    Info("build", "Help.", registry=made).info({"version": word()})
    Enum("state", "Help.", states=["a", "b"], registry=made).state("b")
    return made


@pytest.mark.parametrize("seed", range(5))
def test_pages_that_the_client_makes_read_the_same(oracle, seed):
    program = oracle("oracle_exposition")
    page = generate_latest(registry(seed)).decode()
    same(ours(program, page, "text"), parse_text(page), True)
    page = generate_openmetrics(registry(seed)).decode()
    same(ours(program, page, "openmetrics"), parse_openmetrics(page), False)


@pytest.mark.parametrize("seed", range(3))
def test_text_lines_made_at_random_read_the_same(oracle, seed):
    """Blanks, tabs, trailing commas, timestamps, escapes: whatever text 0.0.4 allows."""
    rng = random.Random(seed)

    def blanks():
        return rng.choice(["", " ", "\t", "  "])

    lines = []
    for i in range(200):
        labels = []
        for name in rng.sample(["a", "b_1", "_c", "le"], rng.randrange(4)):
            value = rng.choice(["", "x", "1", "a\\\\b", 'q\\"q', "n\\nn", "\u00fc", "{}", "a,b=c"])
            if name == "le":
                value = "1"
            labels.append(f'{name}{blanks()}={blanks()}"{value}"')
        body = "{" + blanks() + f"{blanks()},{blanks()}".join(labels) + rng.choice(["", ","] if labels else [""]) + "}"
        name = f"m{i}"
        value = rng.choice(["1", "-2.5", "1e10", "+Inf", "-Inf", "NaN", "0", "1.", ".5"])
        stamp = rng.choice(["", " 1700000000000", "\t5", " -3"])
        lines.append(f"{name}{body if labels or rng.random() < .3 else ''} {blanks()}{value}{stamp}{blanks()}")
        if rng.random() < .2:
            lines.append(rng.choice(["", "# a comment", "#", "  ", "# HELP x y", "# TYPE y gauge"]))
    page = "\n".join(lines) + "\n"
    same(ours(oracle("oracle_exposition"), page, "text"), parse_text(page), True)
