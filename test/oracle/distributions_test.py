# SPDX-License-Identifier: Apache-2.0
"""The statistics of distributions against NumPy, SciPy and scikit-learn."""

import subprocess

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import subspace_angles
from scipy.spatial import distance
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler


def text(block):
    return "".join(" ".join(repr(float(x)) for x in np.atleast_1d(row)) + "\n" for row in block)


@pytest.fixture
def ask(oracle):
    program = oracle("oracle_distributions")

    def run(arguments, *blocks):
        done = subprocess.run([program, *map(str, arguments)], input="\n".join(map(text, blocks)) + "\n",
                              capture_output=True, text=True, check=True, timeout=120)
        return [np.array([float(x) for x in line.split()]) for line in done.stdout.splitlines()]

    return run


SAMPLES = {
    "normal": lambda r: r.normal(size=5000),
    "lognormal": lambda r: r.lognormal(2, 1.5, size=3001),
    "heavy tails": lambda r: r.standard_t(2, size=4000),
    "atoms": lambda r: np.where(r.random(4000) < 0.4, 0.0, r.normal(size=4000)),
    "whole numbers": lambda r: r.poisson(40, size=4000).astype(float),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_edges_are_numpys_quantiles_and_counts_its_histogram(ask, name):
    sample = SAMPLES[name](np.random.default_rng(1))
    edges, slots = ask(["bins", 20], sample)
    expected = np.unique(np.quantile(sample, np.arange(1, 20) / 20))
    np.testing.assert_allclose(edges, expected, rtol=1e-12)
    inside = np.searchsorted(edges, sample, side="left")
    np.testing.assert_array_equal(slots[:len(edges) + 1], np.bincount(inside, minlength=len(edges) + 1))


def merged_cells(p, q):
    """Neighbours joined until five are expected in both samples; the rest joins the last cell."""
    share = min(p.sum(), q.sum()) / (p.sum() + q.sum())
    cells, open_p, open_q = [], 0, 0
    for a, b in zip(p, q):
        open_p, open_q = open_p + a, open_q + b
        if (open_p + open_q) * share >= 5:
            cells.append([open_p, open_q])
            open_p = open_q = 0
    cells[-1][0] += open_p
    cells[-1][1] += open_q
    return np.array(cells).T


def area_between(edges, f, g):
    """The integral of |F - G| over straight lines between the edges, on a grid that holds the crossings."""
    gap = f - g
    total = 0
    for left, right, width in zip(gap[:-1], gap[1:], np.diff(edges)):
        points = [0, 1] if left * right >= 0 else [0, left / (left - right), 1]
        total += width * np.trapezoid(np.abs(left + (right - left) * np.array(points)), points)
    return total


def test_distances_are_scipys_to_1e_9(ask):
    random = np.random.default_rng(2)
    blocks, expected = [], []
    for bins in (2, 5, 20, 32):
        for rows in (60, 900, 50_000):
            edges = np.sort(random.normal(size=bins - 1)) * 10
            p = random.multinomial(rows, random.dirichlet(np.ones(bins)))
            q = random.multinomial(rows // 2, random.dirichlet(np.ones(bins)))
            tails_p, tails_q = random.exponential(50, size=2), random.exponential(50, size=2)
            n, m = p.sum(), q.sum()
            a, b = (p + 0.5) / (n + bins / 2), (q + 0.5) / (m + bins / 2)
            psi = np.sum((a - b) * np.log(a / b))
            f, g = np.cumsum(p / n), np.cumsum(q / m)
            table = merged_cells(p, q)
            test = stats.chi2_contingency(table, correction=False) if table.shape[1] > 1 else (0, 1, 0)
            tails = np.abs(tails_p / n - tails_q / m).sum()
            blocks.append([edges, p, q, tails_p, tails_q])
            expected.append([psi, psi - (bins - 1) * (1 / n + 1 / m),
                             distance.jensenshannon(p, q, base=2),
                             np.max(np.abs(f - g)),
                             np.sqrt(np.sum((np.sqrt(p / n) - np.sqrt(q / m)) ** 2) / 2),
                             np.max(np.abs(p / n - q / m)),
                             test[0], table.shape[1] - 1, test[1],
                             area_between(edges, f[:-1], g[:-1]) + tails])
    found = ask(["distances"], *blocks)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_binned_ks_and_wasserstein_are_near_scipys_on_the_raw_samples(ask):
    random = np.random.default_rng(3)
    ks_errors, wasserstein_errors = [], []
    for shift in (0.1, 0.2, 0.5) * 10:
        reference, live = random.normal(size=10_000), random.normal(shift, 1.1, size=2000)
        edges, _ = ask(["bins", 20], reference)

        def count(x):
            return np.bincount(np.searchsorted(edges, x, side="left"), minlength=20)

        def tails(x):
            return [np.maximum(edges[0] - x, 0).sum(), np.maximum(x - edges[-1], 0).sum()]

        found = ask(["distances"], [edges, count(reference), count(live), tails(reference), tails(live)])[0]
        ks_errors.append(abs(found[3] - stats.ks_2samp(reference, live).statistic))
        wasserstein_errors.append(abs(found[9] / stats.wasserstein_distance(reference, live) - 1))
    assert np.mean(ks_errors) <= 0.004 and np.max(ks_errors) <= 0.012
    assert np.mean(wasserstein_errors) <= 0.02


def test_benjamini_hochberg_is_scipys(ask):
    p = np.random.default_rng(4).random(200) ** 3
    np.testing.assert_allclose(ask(["benjamini"], [p])[0], stats.false_discovery_control(p), rtol=1e-12)


@pytest.mark.parametrize("features, kept", [(3, 3), (20, 20), (60, 32)])
def test_the_subspace_is_scikit_learns(ask, features, kept):
    random = np.random.default_rng(5)
    rows = random.normal(size=(3000, features)) @ random.normal(size=(features, features)) + random.normal(size=features) * 100
    found = ask(["pca", 32], rows)
    mean, deviation, variances = found[:3]
    vectors = np.array(found[3:3 + kept])
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(deviation, rows.std(axis=0), rtol=1e-9)
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    pca = PCA(svd_solver="full").fit(standard)
    chosen = list(range(kept)) if kept == features else list(range(28)) + list(range(features - 4, features))
    lambdas = pca.explained_variance_[chosen] * 2999 / 3000
    np.testing.assert_allclose(variances, lambdas, rtol=1e-7, atol=1e-10)
    assert np.max(subspace_angles(vectors.T, pca.components_[chosen].T)) <= 1e-6
    scores = standard @ pca.components_[chosen].T
    t2 = np.sum(scores ** 2 / np.maximum(lambdas, 1e-4), axis=1)
    q = np.sum((standard - scores @ pca.components_[chosen]) ** 2, axis=1) if kept < features else np.zeros(3000)
    distances = np.array(found[3 + kept:])
    np.testing.assert_allclose(distances[:, 0], t2, rtol=1e-6)
    np.testing.assert_allclose(distances[:, 1], q, rtol=1e-6, atol=1e-9)


def test_accuracy_without_labels_is_within_0_003_of_the_isotonic_version(ask):
    random = np.random.default_rng(6)

    def draw(rows, shift):
        x = 1.5 * random.normal(size=rows) + shift
        return 1 / (1 + np.exp(-2 * x)), random.random(rows) < 1 / (1 + np.exp(-1.2 * x))

    for shift in (0.0, 0.5, 1.0, -1.0):
        scores, truth = draw(20_000, 0)
        live, _ = draw(20_000, shift)
        calibrated = IsotonicRegression(out_of_bounds="clip").fit(scores, truth).predict(live)
        expected = np.mean(np.maximum(calibrated, 1 - calibrated))
        found = ask(["cbpe"], np.column_stack([scores, truth]), live)[0][0]
        assert abs(found - expected) <= 0.003


def anomaly_sets():
    """Ordinary rows of one class, anomalies of the others: train, ordinary test rows, anomalies."""
    random = np.random.default_rng(7)

    def split(ordinary, odd):
        ordinary = ordinary[random.permutation(len(ordinary))]
        half = len(ordinary) // 2
        return ordinary[:half], ordinary[half:], odd

    cancer = datasets.load_breast_cancer()
    yield "breast cancer", *split(cancer.data[cancer.target == 1], cancer.data[cancer.target == 0])
    wine = datasets.load_wine()
    yield "wine", *split(wine.data[wine.target != 0], wine.data[wine.target == 0])
    iris = datasets.load_iris()
    yield "iris", *split(iris.data[iris.target != 0], iris.data[iris.target == 0])
    digits = datasets.load_digits()
    for digit in (0, 4):
        yield f"digit {digit}", *split(digits.data[digits.target == digit], digits.data[digits.target != digit])
    mix = random.normal(size=(8, 8))
    yield "broken relation", *split(random.normal(size=(4000, 8)) @ mix,
                                    random.normal(size=(400, 8)) * np.abs(random.normal(size=(4000, 8)) @ mix).std(axis=0))
    yield "heavy tails", *split(random.standard_t(3, size=(4000, 6)), random.standard_t(3, size=(400, 6)) + 4)


def neighbour_scores(train, live):
    """The distance to the tenth neighbour, standardised: it keeps every row of training, as no monitor can."""
    deviation = train.std(axis=0)
    scale = StandardScaler().fit(train[:, deviation > 0])
    neighbours = NearestNeighbors(n_neighbors=10).fit(scale.transform(train[:, deviation > 0]))
    return neighbours.kneighbors(scale.transform(live[:, deviation > 0]))[0][:, -1]


def test_anomaly_scores_beat_the_isolation_forest_on_average(ask):
    ours, forest, neighbours = {}, {}, {}
    for name, train, ordinary, odd in anomaly_sets():
        live = np.vstack([ordinary, odd])
        truth = np.r_[np.zeros(len(ordinary)), np.ones(len(odd))]
        found = np.array(ask(["anomaly"], train, live))
        ours[name] = roc_auc_score(truth, found[:, 0])
        forest[name] = roc_auc_score(truth, -IsolationForest(random_state=0).fit(train).score_samples(live))
        neighbours[name] = roc_auc_score(truth, neighbour_scores(train, live))
        # The conformal p-value is a false-alarm rate: ordinary rows fall below 5 % about that often, once
        # the reference has many rows for each feature (it scores the rows it was fitted on).
        if len(train) >= 100 * train.shape[1]:
            assert np.mean(found[:len(ordinary), 1] <= 0.05) <= 0.065
    for name in ours:
        print(f"{name:16} {ours[name]:.3f} forest {forest[name]:.3f} neighbours {neighbours[name]:.3f}")
    means = [np.mean(list(scores.values())) for scores in (ours, forest, neighbours)]
    print("mean: ours {:.3f}, forest {:.3f}, neighbours {:.3f}".format(*means))
    assert means[0] >= 0.934  # The design's simulation came to 0.934 to 0.940.
    assert means[0] >= means[1] and means[0] >= means[2] - 0.02


def apart(hours, period):
    distance = np.abs(hours[:, None] - hours[None, :]) % period
    return np.minimum(distance, period - distance)


def posterior(rows, weeks, wanted, moved):
    """The header's model of the cells by textbook formulas (Rasmussen & Williams, 2.25 and 2.26): what sampling leaves of the
    posterior variance of a combination of hours, what is not known, and the weights of a moved one."""
    hours = np.arange(168)
    level, part = np.ones((168, 168)), 0.09 / (0.09 + weeks / rows)
    in_cell = np.minimum(weeks * part, 8)
    rhythm = (0.15**2 * np.exp(-apart(hours, 24) / 6) + 0.06**2 * np.exp(-apart(hours, 168) / 48)
              + 0.05**2 * np.exp(-apart(hours, 168) / 6))
    centre = np.eye(168) - np.outer(np.ones(168), rows / rows.sum())
    rhythm = centre @ rhythm @ centre.T
    sampling = np.diag(1 / rows + 0.001 / np.maximum(in_cell, 1))
    wander = 0.3 / np.maximum(in_cell, 1) ** 4
    cells = rhythm + 9 * level + sampling + np.outer(wander, wander) * np.exp(-apart(hours, 168) / 24)
    weights = np.linalg.solve(cells, rhythm @ wanted)
    noise = weights @ sampling @ weights
    variance = wanted @ rhythm @ wanted - wanted @ rhythm @ weights
    return noise, variance - noise, np.linalg.solve(cells, rhythm @ moved)


def combination(parts, shift=0):
    """Between the middles of hours by straight lines, weighted by rows."""
    of_hours = np.zeros(168)
    for hour, rows in parts:
        below, share = divmod(hour - 0.5, 1)
        of_hours[int(below + shift) % 168] += rows * (1 - share)
        of_hours[int(below + shift + 1) % 168] += rows * share
    return of_hours / sum(rows for _, rows in parts)


@pytest.mark.parametrize("parts", [[(10.5, 600)], [(167.9, 500)], [(30.25, 100), (31.0, 300), (36.75, 50)],
                                   [(h + 0.5, 7200) for h in range(40, 64)]], ids=["an hour", "an edge", "parts", "a day"])
@pytest.mark.parametrize("shift", [0, -1, 1])
def test_the_rhythm_is_the_posterior_of_its_model(ask, parts, shift):
    random = np.random.default_rng(5)
    rows, weeks = random.integers(5, 9000, 168), random.integers(1, 12, 168)
    weeks = np.minimum(weeks, rows)
    (noise, unknown), weights = ask(["rhythm"], [rows, weeks], parts, [[shift]])
    expected = posterior(rows.astype(float), weeks.astype(float), combination(parts), combination(parts, shift))
    np.testing.assert_allclose(noise, expected[0], rtol=1e-6)
    np.testing.assert_allclose(unknown, expected[1], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(weights, expected[2], rtol=1e-5, atol=1e-9)
