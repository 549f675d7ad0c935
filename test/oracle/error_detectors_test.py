# SPDX-License-Identifier: Apache-2.0
"""The detectors of error streams against river (peers) and NumPy (the e-detector's recursion in logarithms,
the design effect, Wilson's bound from SciPy's own interval)."""

import math
import subprocess

import numpy as np
import pytest
from river import drift
from scipy import stats


def trace(program, values, *arguments):
    text = "\n".join(repr(float(value)) for value in values) + "\n"
    done = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True,
                          check=True, timeout=120)
    return np.array([[float(field) for field in line.split()] for line in done.stdout.splitlines()])


def bernoulli(seed, *parts):
    """0 and 1 in parts of (labels, error rate)."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.random(labels) < rate for labels, rate in parts]).astype(float)


def bursts(seed, labels, rate, length):
    """A two-state chain: errors in runs of `length` on average."""
    random = np.random.default_rng(seed)
    wrong, errors = False, np.empty(labels)
    enter = rate / (1 - rate) / length
    for i, uniform in enumerate(random.random(labels)):
        wrong = uniform >= 1 / length if wrong else uniform < enter
        errors[i] = wrong
    return errors


STREAMS = {
    "no change": bernoulli(1, (20_000, 0.05)),
    "a large fall": bernoulli(2, (5_000, 0.05), (5_000, 0.28)),
    "a small fall": bernoulli(3, (10_000, 0.05), (20_000, 0.07)),
    "there and back": bernoulli(4, (3_000, 0.1), (3_000, 0.4), (3_000, 0.1), (3_000, 0.6)),
    "rare errors": bernoulli(5, (30_000, 0.001), (5_000, 0.01)),
    "bursts": bursts(6, 20_000, 0.05, 5),
    "all wrong": np.ones(2_000),
    "all right": np.zeros(2_000),
}
PEERS = {
    "adwin": drift.ADWIN,
    "page_hinkley": drift.PageHinkley,
    "ddm": drift.binary.DDM,
    "hddm_a": drift.binary.HDDMA,
}


def river_rows(peer, values):
    drifts, warnings = [], []
    for row, value in enumerate(values):
        peer.update(value)
        if peer.drift_detected:
            drifts.append(row)
        elif getattr(peer, "warning_detected", False):
            warnings.append(row)
    return drifts, warnings


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_alarms_at_the_same_rows_as_river(oracle, name, stream):
    ours = trace(oracle("oracle_error_detectors"), STREAMS[stream], name)
    drifts, warnings = river_rows(PEERS[name](), STREAMS[stream])
    assert list(np.flatnonzero(ours[:, 0] == 2)) == drifts
    assert list(np.flatnonzero(ours[:, 0] == 1)) == warnings


def test_the_comparison_with_river_compares_something():
    counts = {name: sum(len(river_rows(PEERS[name](), values)[0]) for values in STREAMS.values())
              for name in PEERS}
    assert all(count >= 3 for count in counts.values()), counts


@pytest.mark.parametrize("name", ["adwin", "page_hinkley"])
def test_a_peer_of_real_numbers_alarms_at_the_same_rows_as_river(oracle, name):
    random = np.random.default_rng(7)
    values = np.concatenate([random.normal(10, 3, 5_000), random.normal(14, 3, 5_000),
                             random.normal(14, 9, 5_000), random.normal(2, 1, 5_000)])
    ours = trace(oracle("oracle_error_detectors"), values, name)
    drifts, _ = river_rows(PEERS[name](), values)
    assert drifts
    assert list(np.flatnonzero(ours[:, 0] == 2)) == drifts


def log_evidence(values, p0, eta):
    """log10 of mean_k S_k by the recursion S <- (S + 1) L, all of it in logarithms."""
    steps = 0.01 * 50 ** (np.arange(8) / 7)
    p = p0 + steps[p0 + steps < 1]
    log_s, out = np.full(len(p), -np.inf), []
    for value in values:
        factor = np.log1p((p - p0) / (p0 * (1 - p0)) * (value - p0)) / eta
        log_s = np.logaddexp(log_s, 0) + factor
        peak = log_s.max()
        out.append((peak + np.log(np.mean(np.exp(log_s - peak)))) / math.log(10))
    return np.array(out)


@pytest.mark.parametrize("p0, eta, values", [
    (0.063, 1, bernoulli(11, (3_000, 0.05), (300, 0.28), (3_000, 0.05))),
    (0.063, 7.5, bursts(12, 6_000, 0.05, 5)),
    (0.3, 1, bernoulli(13, (3_000, 0.3))),
    (0.9, 2, bernoulli(14, (2_000, 0.9))),
    (0.2, 1, np.random.default_rng(15).beta(1, 4, 3_000)),
    (0.2, 3, np.random.default_rng(16).beta(1, 4, 3_000)),
])
def test_the_evidence_is_that_of_the_recursion_in_logarithms(oracle, p0, eta, values):
    ours = trace(oracle("oracle_error_detectors"), values, "e_detector", p0, eta)[:, 1]
    np.testing.assert_allclose(ours, log_evidence(values, p0, eta), rtol=0, atol=1e-9)


@pytest.mark.parametrize("values", [bernoulli(21, (50_000, 0.05)), bursts(22, 50_000, 0.05, 8),
                                    np.random.default_rng(23).beta(1, 9, 30_001), np.zeros(1_000)])
def test_the_reference_is_what_numpy_makes_of_the_same_errors(oracle, values):
    rate, labels, effect, _ = trace(oracle("oracle_error_detectors"), values, "reference")[0]
    assert labels == len(values)
    assert rate == pytest.approx(values.mean(), abs=1e-12)
    blocks = values[: len(values) // 256 * 256].reshape(-1, 256).sum(axis=1)
    expected = blocks.var(ddof=1) / (256 * values.var()) if values.any() else 1
    assert effect == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("values", [bernoulli(24, (20_000, 0.05)), bernoulli(25, (300, 0.5)), np.zeros(100)])
def test_the_bound_of_wilson_is_scipys(oracle, values):
    bound = trace(oracle("oracle_error_detectors"), values, "reference")[0][3]
    level = stats.norm.cdf(2.33) * 2 - 1
    interval = stats.binomtest(int(values.sum()), len(values)).proportion_ci(level, method="wilson")
    assert bound == pytest.approx(interval.high, abs=1e-12)
