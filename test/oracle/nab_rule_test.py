# SPDX-License-Identifier: Apache-2.0
"""The scorer of scripts/bench nab against the rule worked by hand, and against the rule written down once more,
plainly; then what the series scorer promises: points on the development half."""

import math
import pathlib
import random
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "bench"))

import nab_rule  # noqa: E402

STANDARD = nab_rule.PROFILES["standard"]


def flags(rows, *at):
    return [1.0 if row in at else 0.0 for row in range(rows)]


def score_of(labelled, *at, profile=STANDARD):
    points = nab_rule.curve({"f": labelled}, {"f": flags(labelled.rows, *at)}, profile)
    return nab_rule.at_threshold(points, 0.5)


def test_worked_cases_of_one_window():
    one = nab_rule.Labelled("f", 1000, [(500, 599)])
    assert one.probation == 150
    # At the window's first row: S(-1) / S(-1) = 1, so all of (tp + fn).
    assert score_of(one, 500) == pytest.approx(100)
    # At its last: S(-1/100) / S(-1) = 0.024994793 / 0.986614298.
    assert score_of(one, 599) == pytest.approx(100 * (0.024994792968420665 / 0.9866142981514303 + 1) / 2)
    # Only the best flag of a window counts.
    assert score_of(one, 599, 550, 500) == pytest.approx(100)
    # Nothing flagged: 0. A flag before every window: -fp.
    assert score_of(one) == 0
    assert score_of(one, 200) == pytest.approx(-100 * 0.11 / 2)
    assert score_of(one, 200, 201, 202) == pytest.approx(-3 * 100 * 0.11 / 2)
    # One window's length (99 rows) after its end: fp S(1). Far behind: fp S(>3) = -fp.
    assert score_of(one, 698) == pytest.approx(-100 * 0.11 * 0.9866142981514303 / 2)
    assert score_of(one, 999) == pytest.approx(-100 * 0.11 / 2)
    # In the probation nothing counts.
    assert score_of(one, 0, 149) == 0
    assert score_of(one, 150) == pytest.approx(-100 * 0.11 / 2)


def test_probation_is_at_most_750_rows():
    assert nab_rule.Labelled("f", 20_000, []).probation == 750
    assert nab_rule.Labelled("f", 4_033, []).probation == 604


def test_the_profiles_weigh_misses_and_false_alarms():
    two = nab_rule.Labelled("f", 1000, [(300, 349), (700, 749)])
    low_fn = nab_rule.PROFILES["low false negatives"]
    assert score_of(two, 300, profile=low_fn) == pytest.approx(100 * (1 + 2) / (2 * 3))
    low_fp = nab_rule.PROFILES["low false positives"]
    assert score_of(two, 300, 200, profile=low_fp) == pytest.approx(100 * (2 - 0.22) / 4)


def plainly(corpus, flagged, profile):
    """The rule as data/README.md has it, without sorting or thresholds."""
    raw, windows = 0.0, 0
    for name, one in corpus.items():
        windows += len(one.windows)
        best = {}
        for row in range(one.probation, one.rows):
            if not flagged[name][row]:
                continue
            inside = [w for w in one.windows if w[0] <= row <= w[1]]
            before = [w for w in one.windows if w[1] < row]
            if inside:
                a, z = inside[0]
                value = profile.tp * nab_rule.sigmoid(-(z - row + 1) / (z - a + 1)) / nab_rule.sigmoid(-1)
                best[inside[0]] = max(best.get(inside[0], -math.inf), value)
            elif before:
                a, z = before[-1]
                raw += profile.fp * nab_rule.sigmoid((row - z) / (z - a))
            else:
                raw -= profile.fp
        raw += sum(best.values()) - profile.fn * (len(one.windows) - len(best))
    return 100 * (raw + profile.fn * windows) / ((profile.tp + profile.fn) * windows)


@pytest.mark.parametrize("profile", nab_rule.PROFILES.values(), ids=nab_rule.PROFILES)
def test_the_curve_agrees_with_the_plain_rule_at_every_threshold(profile):
    chance = random.Random(3)
    corpus, scores = {}, {}
    for k in range(4):
        rows = chance.randrange(300, 900)
        starts = sorted(chance.sample(range(rows // 5, rows - 60, 60), k))
        corpus[str(k)] = nab_rule.Labelled(str(k), rows, [(s, s + chance.randrange(10, 50)) for s in starts])
        scores[str(k)] = [chance.choice([0.0, 0.0, 0.25, 0.5, 0.75, 1.0]) for _ in range(rows)]
    points = nab_rule.curve(corpus, scores, profile)
    for threshold in (0.1, 0.25, 0.3, 0.5, 0.8, 1.0):
        flagged = {name: [score >= threshold for score in one] for name, one in scores.items()}
        assert nab_rule.at_threshold(points, threshold) == pytest.approx(plainly(corpus, flagged, profile))


def test_the_windows_file_is_read_with_files_that_have_none(tmp_path):
    (tmp_path / "windows.csv").write_text(
        "file,rows,probation_rows,window_start_row,window_end_row_inclusive\na/x.csv,100,15,,\n"
        "b/y.csv,200,30,50,60\nb/y.csv,200,30,90,99\n")
    corpus = nab_rule.read_windows(tmp_path / "windows.csv")
    assert corpus["a/x.csv"].windows == []
    assert corpus["b/y.csv"].windows == [(50, 60), (90, 99)]
    assert corpus["b/y.csv"].probation == 30
