# SPDX-License-Identifier: Apache-2.0
"""The trained models against scikit-learn's: the coefficients in model.json, and what a whole table is predicted."""

import csv
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from conftest import ROOT
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@pytest.fixture(scope="session")
def predictor():
    folder = os.environ.get("OUTRIDER_BIN")
    found = [pathlib.Path(folder) / "outrider-predictor"] if folder else [
        ROOT / "build" / "bin" / "outrider-predictor", *ROOT.glob("build/*/bin/outrider-predictor")]
    found = [path for path in found if path.exists()]
    if not found:
        pytest.fail("no outrider-predictor: cmake --build --preset dev --target outrider-predictor")
    return found[0]


def train(predictor, folder, header, rows, algorithm, *options):
    """(intercept, coefficients, design columns' features) of a model trained on all rows."""
    with open(folder / "data.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    done = subprocess.run([str(word) for word in (
        predictor, "train", "--data", folder / "data.csv", "--target", header[-1], "--algorithm", algorithm, "--name", "m",
        "--registry", folder / "registry", "--holdout", 0, *options)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    newest = max((folder / "registry" / "m").glob("v*"), key=lambda path: int(path.name[1:]))
    model = json.loads((newest / "model.json").read_text())["model"]
    return model["intercept"], np.array(model["coefficients"]), model["features"]


def table(seed, rows=500):
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(2000, 800, rows), random.integers(1, 6, rows), random.lognormal(8, 1, rows)])
    noise = random.normal(0, 20_000, rows)
    return x, 50_000 + 200 * x[:, 0] - 8_000 * x[:, 1] + 3 * x[:, 2] + noise


def test_the_seeds_table_is_answered_as_linear_regression_does(predictor, tmp_path):
    rows = [[1000, 2, 50], [1500, 3, 75], [2000, 4, 100], [2500, 5, 125]]
    intercept, coefficients, _ = train(predictor, tmp_path, ["size", "bedrooms", "price"], rows, "ols")
    table_ = np.array(rows, float)
    theirs = LinearRegression().fit(table_[:, :2], table_[:, 2])
    answer = intercept + coefficients @ [1800, 3]
    assert answer == pytest.approx(89.99994, abs=1e-6)
    assert answer == pytest.approx(theirs.predict([[1800, 3]])[0], rel=1e-12)


@pytest.mark.parametrize("algorithm, options, theirs", [
    ("ols", [], LinearRegression()),
    ("ridge", ["--ridge.lambda", 1], make_pipeline(StandardScaler(), Ridge(alpha=1))),
    ("ridge", ["--ridge.lambda", 250], make_pipeline(StandardScaler(), Ridge(alpha=250))),
])
@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_are_fitted_as_scikit_learn_does(predictor, tmp_path, algorithm, options, theirs, seed):
    x, y = table(seed)
    intercept, coefficients, _ = train(predictor, tmp_path, ["a", "b", "c", "y"],
                                       [[*row, target] for row, target in zip(x.tolist(), y.tolist())], algorithm, *options)
    theirs.fit(x, y)
    np.testing.assert_allclose(intercept + x @ coefficients, theirs.predict(x), rtol=1e-9)


@pytest.mark.parametrize("algorithm, theirs", [
    ("ols", make_pipeline(OneHotEncoder(sparse_output=False), LinearRegression())),
    ("ridge", make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler(), Ridge(alpha=1))),
])
def test_categories_are_one_hot_and_of_minimum_norm(predictor, tmp_path, algorithm, theirs):
    random = np.random.default_rng(3)
    words = np.array([["red", "green", "blue"][i] for i in random.integers(0, 3, 300)])
    codes = np.array([f"z{i}" for i in random.integers(0, 9, 300)])
    y = np.where(words == "red", 5.0, -2.0) + np.array([int(code[1:]) for code in codes]) + random.normal(0, 0.5, 300)
    intercept, coefficients, features = train(predictor, tmp_path, ["colour", "zone", "y"],
                                              [[*row, repr(float(t))] for row, t in zip(zip(words, codes), y)], algorithm)
    x = np.column_stack([words, codes])
    theirs.fit(x, y)
    design = np.column_stack([x[:, i] == category for i, feature in enumerate(features)
                              for category in feature["categories"]]).astype(float)
    np.testing.assert_allclose(intercept + design @ coefficients, theirs.predict(x), rtol=1e-8, atol=1e-8)
    if algorithm == "ols":
        np.testing.assert_allclose(coefficients, theirs[-1].coef_, atol=1e-8)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_logistic_is_fitted_as_scikit_learn_does(predictor, tmp_path, penalty):
    x, y = table(5)
    classes = np.where(y > np.median(y) + np.random.default_rng(6).normal(0, 60_000, len(y)), "dear", "cheap")
    intercept, coefficients, _ = train(predictor, tmp_path, ["a", "b", "c", "y"],
                                       [[*row, c] for row, c in zip(x.tolist(), classes)], "logistic",
                                       "--logistic.lambda", penalty)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000)).fit(x, classes)
    assert list(theirs.classes_) == ["cheap", "dear"]
    ours = 1 / (1 + np.exp(-(intercept + x @ coefficients)))
    np.testing.assert_allclose(ours, theirs.predict_proba(x)[:, 1], atol=2e-6)


def test_king_countys_numbers_are_fitted_as_scikit_learn_does(predictor, shared_data, tmp_path):
    columns = ["bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "yr_built", "lat", "long", "sqft_living15", "price"]
    with open(shared_data / "houses" / "kc_house_data.csv", newline="") as file:
        rows = [[row[name] for name in columns] for row in csv.DictReader(file)]
    intercept, coefficients, _ = train(predictor, tmp_path, columns, rows, "ols")
    x = np.array(rows, float)
    theirs = LinearRegression().fit(x[:, :-1], x[:, -1])
    np.testing.assert_allclose(coefficients, theirs.coef_, rtol=1e-7)
    np.testing.assert_allclose(intercept + x[:, :-1] @ coefficients, theirs.predict(x[:, :-1]), rtol=1e-7, atol=1e-2)
