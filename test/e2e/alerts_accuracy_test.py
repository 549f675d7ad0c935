# SPDX-License-Identifier: Apache-2.0
"""The accuracy alarm of a whole fleet, from the counters of its pods: the shipped rules in promtool, scrape by scrape. Pods are scraped
at their own times, the rules are evaluated every 15 s; the counts are drawn with fixed seeds."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from conftest import ROOT
from processes import Prometheus, free_port, http, wait_for

sys.path.insert(0, str(ROOT / "test" / "bench"))

from alarm_promtool import RULES, Play, Pod, play_of_numpy
from alarm_rules import Rules, log_weights

WELL, FALLEN, BURST = 0.05, 0.28, 0.6  # Shares of wrong predictions.
VERSION = {"job": "s", "model_name": "m", "model_version": "v1"}
RUNBOOKS = "docs/runbooks/"
COUNTED = "sum(sum_over_time(model:outrider_outcomes:delta[1d]))"


def says(before, after, labels, since, model="m", version="v1"):
    return {"summary": "A model predicts worse than its reference promised.",
            "description": f"The accuracy of {model} {version} fell from {before} to {after}, counted over the labels since the change.",
            "accuracy_before": before, "accuracy_after": after, "labels_since_change": str(labels), "since": since,
            "runbook_url": f"{RUNBOOKS}ModelAccuracyDropped.md"}


def evaluation_of(scrape):
    """When the rules first see a scrape of that number."""
    return 15 * (scrape + 1)


class Fleet:
    """Pods of one version that share `rate` labels a scrape."""

    def __init__(self, play, pods, rate, seed=1, **options):
        self.random, self.rate = np.random.default_rng(seed), rate
        phases = self.random.integers(1, 15, pods)
        self.pods = [Pod(play, f"p{i}", int(phase), **options) for i, phase in enumerate(phases)]
        self.number = 0
        for pod in self.pods:
            pod.count(0, 0)
        self.scrape(0)

    def scrape(self, wrong, scrapes=1):
        for _ in range(scrapes):
            for pod, labels in zip(self.pods, self.random.multinomial(self.random.poisson(self.rate), [1 / len(self.pods)] * len(self.pods))):
                bad = self.random.binomial(labels, wrong)
                pod.count(labels - bad, bad)
                pod.scrape(self.number)
            self.number += 1
        return evaluation_of(self.number - 1)

    def total(self):
        return sum(right + wrong for pod in self.pods for right, wrong in pod.counts.values())


def checked(play, folder, rules=None):
    passed, text = play.run(folder, rules or RULES)
    assert passed, text[-4000:]


def states(play, values, second=None):
    """`values` is 0 or 1 at each of the seconds."""
    for at, value in values:
        play.expect("model:outrider_accuracy_dropped:bool", at, (
            {"__name__": "model:outrider_accuracy_dropped:bool"} | VERSION, value))


# Delays: how many evaluations after the first scrape of the fall the alarm stands.

@pytest.mark.parametrize("pods", [1, 30, 300])
def test_a_fall_is_told_within_five_scrapes_by_one_pod_and_by_three_hundred(pods, tmp_path):
    play = Play()
    fleet = Fleet(play, pods, rate=100, seed=pods)
    quiet = fleet.scrape(WELL, 15)
    late = fleet.scrape(FALLEN, 6) - 15
    states(play, [(quiet, 0), (late, 1)])
    play.fires(quiet)
    play.holds('label_replace(round(100 * model:outrider_accuracy_dropped:ratio), "x", "", "", "") < bool 78', late)
    play.holds("round(100 * model:outrider_accuracy_dropped:ratio) > bool 67", late)
    checked(play, tmp_path)


def sure_fall(play, **options):
    """Two pods, unaligned, with counts that are given: 95 % of 100 labels a scrape are right, then 72 %. The second of the alarm."""
    pods = [Pod(play, "a", 3, **options), Pod(play, "b", 11, **options)]
    for number in range(15):
        for pod, right, wrong in zip(pods, (57, 38) if number < 10 else (43, 29), (3, 2) if number < 10 else (17, 11)):
            if number:
                pod.count(right, wrong)
            else:
                pod.count(0, 0)
            pod.newest = 1769860800.5 + 15 * number
            pod.scrape(number)
    return evaluation_of(13)


def test_the_alert_says_both_accuracies_the_labels_since_and_the_time_of_the_change(tmp_path):
    play = Play()
    alarm = sure_fall(play)
    # The newest prediction whose label came before the fall: scrape 9.
    play.fires(alarm - 15)
    play.fires(alarm, VERSION, says("95%", "72%", 400, "2026-01-31T12:02:15.500Z"))
    checked(play, tmp_path)


class FleetAgent(Pod):
    """An agent that joins the labels of sidecars that ship their predictions: it counts, they judge."""

    def export(self, second):
        if self.newest is not None:
            self.play.sample("outrider_outcomes_newest_prediction_timestamp_seconds", self.labels, second, self.newest)


def test_an_agent_that_counts_for_its_sidecars_is_summed_with_sidecars_that_count_themselves(tmp_path):
    """A sidecar that stands alone, one that ships, and a pair of agents: the alarm of sure_fall(), at the same second."""
    play = Play()
    alone, ships = Pod(play, "a", 3), Pod(play, "b", 11)
    agents = [FleetAgent(play, f"agent-{i}", phase) for i, phase in enumerate((5, 9))]
    for number in range(15):
        well = number < 10
        counted = {alone: (57, 3) if well else (43, 17), agents[0]: (30, 1) if well else (20, 5),
                   agents[1]: (8, 1) if well else (9, 6), ships: (0, 0)}
        for pod, (right, wrong) in counted.items():
            pod.count(*((right, wrong) if number else (0, 0)))
            if pod is not ships:
                pod.newest = 1769860800.5 + 15 * number
            pod.scrape(number)
    alarm = evaluation_of(13)
    play.fires(alarm - 15)
    play.fires(alarm, VERSION, says("95%", "72%", 400, "2026-01-31T12:02:15.500Z"))
    checked(play, tmp_path)


def test_of_a_pair_of_agents_the_one_that_is_left_carries_the_alarm(tmp_path):
    play = Play()
    ships = Pod(play, "b", 11)
    agents = [FleetAgent(play, f"agent-{i}", phase) for i, phase in enumerate((5, 9))]
    for pod in (ships, *agents):
        pod.count(0, 0)
        pod.scrape(0)
    for number in range(1, 20):
        agents[0].count(47, 3)
        agents[1].count(48, 2)
        for pod in (ships, *agents):
            pod.scrape(number)
    agents[0].gone(20)
    for number in range(20, 26):
        agents[1].count(72, 28)
        for pod in (ships, agents[1]):
            pod.scrape(number)
    states(play, [(evaluation_of(19), 0), (evaluation_of(24), 1)])
    checked(play, tmp_path)


def test_monitors_that_do_not_say_how_new_predictions_are_have_the_evaluations_time(tmp_path):
    play = Play()
    pod = Pod(play, "a", 3)
    pod.count(0, 0)
    pod.scrape(0)
    for number in range(1, 15):
        pod.count(*((95, 5) if number < 10 else (72, 28)))
        pod.scrape(number)
    play.fires(evaluation_of(13), VERSION, says("95%", "72%", 400, "1970-01-01T00:02:30.000Z"))
    checked(play, tmp_path)


def test_each_evaluation_is_what_numpy_computes(tmp_path):
    """With every number of the state; scripts/bench alarm rests on this."""
    play, raised = play_of_numpy(7, 140)
    assert raised == 2
    checked(play, tmp_path)


# Counting: every label once.

def steady(play, name="a", phase=3, **options):
    pod = Pod(play, name, phase, **options)
    pod.count(0, 0)
    pod.scrape(0)
    return pod


def go_on(pod, scrapes, right=100, wrong=5):
    """Each scrape finds so many labels more."""
    for number in scrapes:
        pod.count(right, wrong)
        pod.scrape(number)
    return evaluation_of(scrapes[-1])


def test_a_restarted_pod_counts_from_its_first_scrape_on(tmp_path):
    play = Play()
    pod = steady(play)
    go_on(pod, range(1, 6))
    pod.restart()
    pod.count(40, 2)  # Between its start and its first scrape.
    pod.scrape(6)
    end = go_on(pod, range(7, 10))
    play.expect(COUNTED, end, ({}, 8 * 105))
    checked(play, tmp_path)


def test_a_restart_that_only_one_of_the_two_counters_shows_is_one_of_both(tmp_path):
    play = Play()
    pod = steady(play)
    go_on(pod, range(1, 3), 100, 0)
    pod.restart()
    pod.count(20, 80)  # More wrong ones than ever before, fewer right ones.
    pod.scrape(3)
    end = go_on(pod, range(4, 6))
    play.expect(COUNTED, end, ({}, 2 * 100 + 2 * 105))
    checked(play, tmp_path)


def test_labels_of_a_pod_that_could_not_be_scraped_for_minutes_are_counted_when_it_is_back(tmp_path):
    play = Play()
    pod = steady(play)
    go_on(pod, range(1, 4))
    pod.gone(4)
    for _ in range(4, 40):
        pod.count(100, 5)
    end = go_on(pod, range(40, 43))
    play.expect(COUNTED, end, ({}, 42 * 105))
    play.fires(end)
    checked(play, tmp_path)


def test_a_new_pod_counts_from_its_second_scrape_whatever_it_brings(tmp_path):
    play = Play()
    pod, new = steady(play), Pod(play, "new", 9)
    new.count(9000, 90000)
    go_on(pod, range(1, 4))
    for number in range(4, 12):
        go_on(pod, [number])
        go_on(new, [number])
    play.expect(COUNTED, evaluation_of(11), ({}, 11 * 105 + 7 * 105))
    play.fires(evaluation_of(11))
    checked(play, tmp_path)


def test_a_segment_that_is_new_costs_its_pod_one_scrape(tmp_path):
    play = Play()
    pod = steady(play)
    go_on(pod, range(1, 4))
    pod.count(500, 900, "late")  # Its counters began unseen.
    go_on(pod, [4])
    for number in range(5, 8):
        pod.count(7, 3, "late")
        go_on(pod, [number])
    play.expect(COUNTED, evaluation_of(7), ({}, 3 * 105 + 3 * 115))
    play.fires(evaluation_of(7))
    checked(play, tmp_path)


@pytest.mark.parametrize("scrapes", [6, 30], ids=["for a while", "beyond what Prometheus looks back"])
def test_half_a_scrape_is_not_judged_and_is_counted_when_the_rest_has_come(scrapes, tmp_path):
    """By remote write, `true` may come later than `false`: then there seem to be only wrong predictions."""
    play = Play()
    pod = steady(play)
    go_on(pod, range(1, 6), 950, 50)
    for number in range(6, 6 + scrapes):
        pod.count(950, 50)
        pod.scrape(number, only={"false"})
        pod.export(number * 15 + pod.phase)
    play.fires(evaluation_of(5 + scrapes))
    end = go_on(pod, range(6 + scrapes, 9 + scrapes), 950, 50)
    play.expect(COUNTED, end, ({}, (8 + scrapes) * 1000))
    play.fires(end)
    checked(play, tmp_path)


# What is no fall, and what is one.

@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [100, 1000])
def test_errors_that_all_pods_share_for_one_scrape_are_no_fall(rate, seed, tmp_path):
    play = Play()
    fleet = Fleet(play, 10, rate, seed)
    fleet.scrape(WELL, 25)
    burst = fleet.scrape(BURST)
    fleet.scrape(WELL, 5)
    states(play, [(burst + 15 * after, 0) for after in range(5)])
    checked(play, tmp_path)


def test_errors_that_go_on_for_five_scrapes_are_one(tmp_path):
    play = Play()
    fleet = Fleet(play, 10, 1000)
    fleet.scrape(WELL, 10)
    states(play, [(fleet.scrape(BURST, 5), 1)])
    checked(play, tmp_path)


def test_a_model_with_one_label_in_a_hundred_scrapes_is_judged_too(tmp_path):
    """Hundreds of evaluations without a label lie between two of them, and days before the alarm."""
    play = Play(every=60, step=60)
    pod = Pod(play, "a", 0, interval=60)
    random = np.random.default_rng(5)
    labels, alarm, number = 0, None, 0
    rules = Rules(1, log_weights(0.06))
    pod.count(0, 0)
    while alarm is None or number < alarm + 10:
        right = wrong = 0
        if number % 100 == 50:
            labels += 1
            wrong = int(random.random() < (WELL if labels <= 5 else 0.5))
            right = 1 - wrong
        pod.count(right, wrong)
        pod.scrape(number)
        stands = bool(number and rules.step(np.array([right]), np.array([wrong]), 6)[0])
        alarm = number if stands and alarm is None else alarm
        number += 1
    assert 10 < labels < 40
    play.holds("model:outrider_accuracy_evidence_threshold:log10 == bool 6", 60 * 60)
    states(play, [(60 * (alarm - 1), 0), (60 * alarm, 1), (60 * (alarm + 9), 1)])
    play.fires(60 * (alarm - 1))
    checked(play, tmp_path)


def test_a_nightly_batch_within_one_scrape_is_told_the_same_night_and_dated_to_the_batch_before(tmp_path):
    """2 000 labels at once, each night; in the third, a fall. The evidence is added while no other labels come."""
    day, minute = 24 * 60, 60
    play = Play(every=minute, step=minute)
    pod = Pod(play, "a", 0, interval=minute)
    pod.count(0, 0)
    for number in range(2 * day + 30):
        if number % day == 10:
            pod.count(*((1900, 100) if number < 2 * day else (1440, 560)))
            pod.newest = 1769860800 + number * minute - 600
        pod.scrape(number)
    night = (2 * day + 10) * minute
    good = [day * minute * n + second for n in (0, 1) for second in (600, 900, 3600)]
    states(play, [(second, 0) for second in good])
    states(play, [(night - minute, 0), (night, 0), (night + 5 * minute, 1), (night + 15 * minute, 1)])
    play.fires(night)
    play.fires(night + 5 * minute, VERSION, says("95%", "72%", 2000, "2026-02-01T12:00:00.000Z"))
    checked(play, tmp_path)


# By what a version is judged.

def test_a_version_without_a_reference_from_training_is_not_judged_until_one_comes(tmp_path):
    play = Play()
    fleet = Fleet(play, 2, 200, null_rate=None)
    unjudged = fleet.scrape(0.5, 20)
    play.fires(unjudged)
    play.expect("model:outrider_accuracy_dropped:bool", unjudged)
    for pod in fleet.pods:
        pod.null_rate = 0.06
    states(play, [(fleet.scrape(0.5, 8), 1)])
    checked(play, tmp_path)


def test_a_pod_that_learns_a_rate_of_its_own_does_not_say_what_was_promised(tmp_path):
    play = Play()
    alarm = sure_fall(play)
    learner = Pod(play, "learner", 7, null_rate=None, reference=0.99)
    learner.count(0, 0)
    for number in range(14):
        learner.scrape(number)
    play.fires(alarm, VERSION, says("95%", "72%", 400, "2026-01-31T12:02:15.500Z"))
    checked(play, tmp_path)


def test_evidence_against_another_reference_says_nothing_about_this_one(tmp_path):
    """With more slack the fall is none; the alarm that stands ends with the first evaluation that judges by it."""
    play = Play()
    fleet = Fleet(play, 1, 200)
    fleet.scrape(WELL, 5)
    alarm = fleet.scrape(FALLEN, 8)
    for pod in fleet.pods:
        pod.null_rate = 0.30
    states(play, [(alarm, 1), (alarm + 15, 0), (fleet.scrape(FALLEN, 20), 0)])
    checked(play, tmp_path)


def places():
    return [{"cluster": cluster, "namespace": namespace} for cluster in ("eu", "us") for namespace in ("prod", "test")]


def test_of_two_clusters_and_two_namespaces_only_the_sick_one_fires_with_its_own_figures(tmp_path):
    for sick, where in enumerate(places()):
        play = Play()
        alarm = sure_fall(play, **where)
        for other, elsewhere in enumerate(places()):
            if other != sick:
                well = steady(play, "a", 5, null_rate=0.03, reference=0.99, **elsewhere)
                go_on(well, range(1, 15), 198, 2)
        play.fires(alarm, VERSION | where, says("95%", "72%", 400, "2026-01-31T12:02:15.500Z"))
        folder = tmp_path / str(sick)
        folder.mkdir()
        checked(play, folder)


# The end of an alarm.

def test_the_alarm_ends_when_labels_prove_that_the_model_is_back_and_not_after_a_good_stretch(tmp_path):
    play = Play()
    fleet = Fleet(play, 3, 300, reference=0.95)
    fleet.scrape(WELL, 5)
    fleet.scrape(FALLEN, 10)
    good = fleet.scrape(WELL, 2)
    worse = fleet.scrape(FALLEN, 4)
    back = fleet.scrape(WELL, 40)
    play.holds("round(100 * model:outrider_accuracy_dropped:ratio) < bool 95", good)
    states(play, [(good, 1), (worse, 1), (back, 0), (fleet.scrape(WELL, 40), 0)])
    play.fires(back)
    checked(play, tmp_path)


def test_what_began_is_not_dated_anew_while_the_alarm_stands(tmp_path):
    play = Play()
    pod = steady(play)
    for number in range(1, 40):
        pod.count(*((95, 5) if number < 10 or 15 < number < 20 else (72, 28)))
        pod.newest = 1000 + number
        pod.scrape(number)
    for number in (14, 19, 39):
        play.holds("model:outrider_accuracy_change:timestamp_seconds == bool 1009", evaluation_of(number))
        play.holds(f"sum(model:outrider_labels_since_change:sum) == bool {100 * (number - 9)}", evaluation_of(number))
    checked(play, tmp_path)


def test_a_new_version_takes_over_and_is_judged_by_its_own_labels_alone(tmp_path):
    """The monitors export no bets of a version that is out of service."""
    play = Play()
    alarm = sure_fall(play)
    new = [Pod(play, name, phase, model_version="v2") for name, phase in (("a", 3), ("b", 11))]
    old = [Pod(play, name, phase, null_rate=None) for name, phase in (("a", 3), ("b", 11))]
    for pod in old:
        pod.count(556, 234)
    for number in range(15, 30):
        for pod in old:
            pod.count(1, 1)  # Late labels of the old version.
            pod.scrape(number)
            if number == 15:
                for series, samples in play.samples.items():
                    if "log_weight" in series and 'model_version="v1"' in series:
                        samples[15 * 15 + pod.phase] = "stale"
        for pod in new:
            pod.count(*((48, 2) if number > 15 else (0, 0)))
            pod.scrape(number)
    play.fires(alarm, VERSION, says("95%", "72%", 400, "2026-01-31T12:02:15.500Z"))
    play.fires(evaluation_of(17))
    play.fires(evaluation_of(29))
    play.expect("count(model:outrider_accuracy_dropped:bool == 0)", evaluation_of(29), ({}, 1))
    checked(play, tmp_path)


class Exporter:
    """Two pods' counters, which grow all the time, behind one real HTTP server."""

    def __init__(self):
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = owner.page(self.path.strip("/")).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.counts = {"a": [0, 0], "b": [0, 0]}
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, pod):
        model = 'model_name="m",model_version="v1"'
        with self.lock:
            counts = self.counts[pod]
            lines = [f'outrider_outcomes_total{{{model},correct="{correct}"}} {count}' for correct, count in zip(("true", "false"), counts)]
        lines += [f"outrider_accuracy_evidence_threshold{{{model}}} 6"]
        lines += [f'outrider_accuracy_bet_log_weight{{{model},bet="{bet}",correct="{correct}"}} {log:.9f}'
                  for correct, logs in zip(("true", "false"), log_weights(0.06)) for bet, log in enumerate(logs)]
        return "\n".join(lines) + "\n"

    def grow(self):
        while not self.stopped.wait(0.02):
            with self.lock:
                self.counts["a"][0] += 7
                self.counts["b"][0] += 2
                self.counts["b"][1] += 1

    def close(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


def test_a_prometheus_that_stands_still_for_a_while_loses_no_label_and_counts_none_twice(programs, tmp_path):
    exporter, port = Exporter(), free_port()
    targets = [{"targets": [exporter.address], "labels": {"__metrics_path__": f"/{pod}", "instance": pod}} for pod in "ab"]
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(RULES)], "scrape_configs": [{"job_name": "s", "static_configs": targets}]}))
    process = programs.start("prometheus", [
        "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}"])
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_for("both pods in the sums", lambda: prometheus.scalar("count(pod:outrider_outcomes:sum)") == 4, 30)
        threading.Thread(target=exporter.grow, daemon=True).start()
        wait_for("some labels", lambda: (prometheus.scalar(COUNTED) or 0) > 500, 30)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(4)
        os.kill(process.pid, signal.SIGCONT)
        wait_for("labels of the time that it stood", lambda: (prometheus.scalar(COUNTED) or 0) > 2500, 30)
        exporter.stopped.set()
        time.sleep(0.1)
        total = sum(sum(counts) for counts in exporter.counts.values())
        wait_for("every label", lambda: prometheus.scalar(COUNTED) == total, 20)
        time.sleep(2)
        assert prometheus.scalar(COUNTED) == total
        missed = [line for line in http("GET", f"{prometheus.url}/metrics")[2].splitlines()
                  if line.startswith("prometheus_rule_group_iterations_missed_total{") and "alarm" in line]
        assert missed and float(missed[0].split()[-1]) >= 4, missed
    finally:
        exporter.close()


# How much evidence is wanted.

def test_the_budget_of_false_alarms_is_shared_by_all_versions_with_labels(tmp_path):
    text = (ROOT / "alerts" / "parameters.yaml").read_text()
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(text.replace("evaluations_min: 172800", "evaluations_min: 10").replace("count: 1, days: 30", "count: 3, days: 90"))
    subprocess.run([sys.executable, ROOT / "alerts" / "render.py", "--parameters", parameters, "--out", tmp_path], check=True)
    play = Play()
    many = [steady(play, f"p{i}", 3, model_name=f"m{i}", threshold=3) for i in range(5)]
    idle = steady(play, "idle", 3, model_name="idle")
    for number in range(1, 21):
        for pod in many:
            go_on(pod, [number], 19, 1)
        idle.scrape(number)
    # As many evaluations as 30 such days have, for each of five; read at the evaluation before.
    second, wanted = evaluation_of(20), np.log10(19 * 30 * 5)
    play.expect("count(model:outrider_accuracy_evidence_threshold:log10)", second, ({}, 6))
    play.expect(f"count(abs(model:outrider_accuracy_evidence_threshold:log10 - {wanted:.12f}) < 1e-8)", second, ({}, 5))
    play.holds('model:outrider_accuracy_evidence_threshold:log10{model_name="idle"} == bool 6', second)
    checked(play, tmp_path, tmp_path / RULES.name)


def test_no_model_is_asked_for_less_than_its_monitors_ask_for(tmp_path):
    """Theirs is in labels, the rules' in evaluations with labels: here of 20 labels each."""
    play = Play()
    pod = steady(play, threshold=9)
    end = go_on(pod, range(1, 10), 19, 1)
    play.holds(f"abs(model:outrider_accuracy_evidence_threshold:log10 - {9 - np.log10(20):.12f}) < bool 1e-8", end)
    checked(play, tmp_path)


@pytest.mark.parametrize("right, wrong, test", [
    ("(timestamp(outrider_outcomes_total)) == 0", "(timestamp(outrider_outcomes_total)) >= 0",
     lambda folder: test_half_a_scrape_is_not_judged_and_is_counted_when_the_rest_has_come(6, folder)),
    ('== count without (segment, correct) (outrider_outcomes_total{correct="false"})',
     'or count without (segment, correct) (outrider_outcomes_total{correct="false"})',
     lambda folder: test_half_a_scrape_is_not_judged_and_is_counted_when_the_rest_has_come(30, folder)),
    ("unless ignoring (correct) (pod:outrider_outcomes:delta < 0)", "> 0", lambda folder:
     test_a_restart_that_only_one_of_the_two_counters_shows_is_one_of_both(folder)),
    ("pod:outrider_outcomes:segments == last", "pod:outrider_outcomes:segments >= last", lambda folder:
     test_a_segment_that_is_new_costs_its_pod_one_scrape(folder)),
    ("pod:outrider_outcomes:sum[1h] offset 1ms", "pod:outrider_outcomes:sum[1h] offset 16s", lambda folder:
     test_a_restarted_pod_counts_from_its_first_scrape_on(folder)),
    ("pod:outrider_outcomes:sum[1h]", "pod:outrider_outcomes:sum[1m]", lambda folder:
     test_labels_of_a_pod_that_could_not_be_scraped_for_minutes_are_counted_when_it_is_back(folder)),
    ("            0.27\n", "            1\n", lambda folder: test_errors_that_all_pods_share_for_one_scrape_are_no_fall(1000, 0, folder)),
    ("- last_over_time(model:outrider_accuracy_bet:log_factor[1h])", "- last_over_time(model:outrider_accuracy_bet:log_pending[1h])",
     lambda folder: test_a_nightly_batch_within_one_scrape_is_told_the_same_night_and_dated_to_the_batch_before(folder)),
    ('== last_over_time(model:outrider_accuracy_bet:log_weight{', 'and last_over_time(model:outrider_accuracy_bet:log_weight{', lambda folder:
     test_evidence_against_another_reference_says_nothing_about_this_one(folder)),
    ("- 5 * (", "- 0 * (", lambda folder: test_the_alarm_ends_when_labels_prove_that_the_model_is_back_and_not_after_a_good_stretch(folder)),
    ("offset 1ms) == 1", "offset 1ms) == 2", lambda folder: test_what_began_is_not_dated_anew_while_the_alarm_stands(folder)),
    ("and ignoring (bet, correct) outrider_accuracy_bet_log_weight", "or ignoring (bet, correct) outrider_accuracy_bet_log_weight",
     lambda folder: test_a_pod_that_learns_a_rate_of_its_own_does_not_say_what_was_promised(folder)),
    ("- (\n", "+ 0 * (\n", lambda folder: test_no_model_is_asked_for_less_than_its_monitors_ask_for(folder)),
])
def test_a_broken_rule_would_be_noticed(right, wrong, test, tmp_path, monkeypatch):
    text = RULES.read_text()
    assert right in text
    broken = tmp_path / "broken" / RULES.name
    broken.parent.mkdir()
    broken.write_text(text.replace(right, wrong))
    monkeypatch.setattr(sys.modules[__name__], "RULES", broken)
    with pytest.raises(AssertionError, match="FAILED"):
        test(tmp_path)
