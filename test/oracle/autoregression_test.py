# SPDX-License-Identifier: Apache-2.0
"""The ridge autoregression against NumPy's: the same normal equations, solved the plain way."""

import subprocess

import numpy as np
import pytest


def ours(program, values, lags, difference, penalty, horizon):
    told = " ".join(map(str, [difference, penalty, horizon, len(lags), *lags, *(repr(float(value)) for value in values)]))
    run = subprocess.run([program], input=told, capture_output=True, text=True, check=True, timeout=60)
    numbers = np.array([float(word) for word in run.stdout.split()])
    return numbers[:len(lags) + 1], numbers[len(lags) + 1:]


def numpys(values, lags, difference, penalty, horizon):
    w = values[difference:] - values[:-difference] if difference else values.copy()
    rows = np.arange(max(lags), len(w))
    x = np.stack([w[rows - lag] for lag in lags], axis=1)
    y = w[rows]
    standard = (x - x.mean(0)) / x.std(0)
    gram = standard.T @ standard / len(rows) + penalty * np.eye(len(lags))
    b = np.linalg.solve(gram, standard.T @ (y - y.mean()) / len(rows)) / x.std(0)
    constant = y.mean() - b @ x.mean(0)
    z = list(values)
    for _ in range(horizon):
        w = np.array(z[difference:]) - np.array(z[:-difference]) if difference else np.array(z)
        step = constant + sum(b[i] * w[len(w) - lag] for i, lag in enumerate(lags))
        z.append(z[-difference] + step if difference else step)
    return np.append(b, constant), np.array(z[len(values):])


@pytest.mark.parametrize("difference", [0, 1, 24])
@pytest.mark.parametrize("penalty", [1e-5, 0.1])
def test_coefficients_and_forecasts_are_numpys(oracle, difference, penalty):
    chance = np.random.default_rng(difference)
    noise = chance.normal(size=700)
    values = 1e4 + 50 * np.sin(np.arange(700) * 2 * np.pi / 24) + np.convolve(noise, [1, 0.7, 0.4], mode="same")
    lags = [1, 2, 3, 23, 24, 25, 168]
    coefficients, ahead = ours(oracle("oracle_autoregression"), values, lags, difference, penalty, 48)
    expected, expected_ahead = numpys(values, lags, difference, penalty, 48)
    assert coefficients[:-1] == pytest.approx(expected[:-1], rel=1e-5, abs=1e-7)
    assert coefficients[-1] == pytest.approx(expected[-1], rel=1e-5, abs=1e-4)
    assert ahead == pytest.approx(expected_ahead, rel=1e-7)
