# SPDX-License-Identifier: Apache-2.0
"""What else people watch a series with, each causal: a row's score depends on it and on those above it.

Every peer takes (seconds, values) as NumPy arrays and gives scores of which higher means more unusual; its best
threshold is chosen for it afterwards. None has a refractory period, as none of the originals has.
"""

import numpy as np


def _log_tail(z):
    """-log10 of the normal tail beyond |z|, good to any z: Mills' ratio bound beyond 5."""
    z = np.abs(z)
    far = z * z / 2 / np.log(10) + np.log10(np.sqrt(2 * np.pi) * np.maximum(z, 1))
    near = -np.log10(np.maximum(_tail(np.minimum(z, 6)), 1e-300))
    return np.where(z > 5, far, near)


def _tail(z):
    """The normal tail, Abramowitz & Stegun 26.2.17."""
    t = 1 / (1 + 0.2316419 * z)
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * poly


def windowed_gaussian(seconds, values, window=6400, step=100):
    """NAB's own baseline: the tail probability in a normal fitted to the last window, fitted anew each `step`
    rows."""
    scores = np.zeros(len(values))
    mean = deviation = None
    for i, value in enumerate(values):
        if i % step == 0 and i > 0:
            part = values[max(0, i - window):i]
            mean, deviation = part.mean(), max(part.std(), 1e-9)
        if mean is not None:
            scores[i] = (value - mean) / deviation
    return _log_tail(scores)


def ewma_three_sigma(seconds, values, rate=0.05):
    """The distance from an exponentially weighted mean in weighted deviations (Hunter 1986)."""
    scores, mean, variance = np.zeros(len(values)), values[0], 0.0
    for i, value in enumerate(values):
        away = value - mean
        if i > 20:
            scores[i] = abs(away) / np.sqrt(variance + 1e-12)
        mean += rate * away
        variance = (1 - rate) * (variance + rate * away * away)
    return scores


def _bands(seconds, values, span):
    """abs(x - avg_over_time(x[span])) / stddev_over_time(x[span]), as PromQL recipes have it; the range ends with
    the row itself, as Prometheus's does."""
    scores, first, start = np.zeros(len(values)), 0, values[0]
    moved = values - start  # Sums of squares lose fewer digits near zero.
    total = squares = 0.0
    for i, value in enumerate(moved):
        total += value
        squares += value * value
        while seconds[first] <= seconds[i] - span and first < i:
            total -= moved[first]
            squares -= moved[first] ** 2
            first += 1
        count = i - first + 1
        variance = max(squares / count - (total / count) ** 2, 0)
        if count >= 3 and variance > 0:
            scores[i] = abs(value - total / count) / np.sqrt(variance)
    return scores


def promql_one_hour(seconds, values):
    return _bands(seconds, values, 3600)


def promql_one_day(seconds, values):
    return _bands(seconds, values, 86400)


def _two_means(points):
    centres = np.stack([points[points.sum(1).argmin()], points[points.sum(1).argmax()]]).astype(float)
    for _ in range(10):
        nearest = ((points[:, None] - centres) ** 2).sum(2).argmin(1)
        for k in (0, 1):
            if (nearest == k).any():
                centres[k] = points[nearest == k].mean(0)
    distances = np.sqrt(((points[:, None] - centres) ** 2).sum(2)).mean(1)
    return centres, distances.min(), distances.max()


def netdata_k_means(seconds, values, lag=5, smooth=3, train=720, every=120, models=18, rate=12):
    """Netdata's: vectors of the last `lag`+1 smoothed differences, two means fitted to the last `train` of them, a
    new model each `every` rows, the newest `models` kept; a row is odd by the least of their scaled mean
    distances, and what alerts is the mean of that over the last rows (its anomaly rate). Its seconds are rows here."""
    differences = np.diff(values, prepend=values[0])
    total = np.cumsum(np.insert(differences, 0, 0.0))
    smoothed = np.array([(total[i + 1] - total[max(0, i + 1 - smooth)]) / min(smooth, i + 1)
                         for i in range(len(values))])
    vectors = np.lib.stride_tricks.sliding_window_view(np.insert(smoothed, 0, [0.0] * lag), lag + 1)
    fitted, odd = [], np.zeros(len(values))
    for start in range(every, len(values), every):
        fitted.append(_two_means(vectors[max(0, start - train):start]))
        fitted = fitted[-models:]
        part = vectors[start:start + every]
        scaled = []
        for centres, least, most in fitted:
            distance = np.sqrt(((part[:, None] - centres) ** 2).sum(2)).mean(1)
            scaled.append((distance - least) / (most - least) if most > least else (distance > most) * 1.0)
        odd[start:start + every] = np.min(scaled, axis=0)
    # A distance beyond the farthest of the training set is an anomaly bit; how far beyond breaks ties.
    bits = (odd > 1) + np.clip(odd, 0, 1000) / 1e4
    total = np.cumsum(np.insert(bits, 0, 0.0))
    return np.array([(total[i + 1] - total[max(0, i + 1 - rate)]) / rate for i in range(len(values))])


PEERS = {"windowed Gaussian": windowed_gaussian, "EWMA 3 sigma": ewma_three_sigma,
         "k-means as Netdata's": netdata_k_means, "PromQL z-score 1h": promql_one_hour,
         "PromQL z-score 1d": promql_one_day}
