# SPDX-License-Identifier: Apache-2.0
"""Model: is it still right, are its inputs those of training, is it served well, do labels come."""

from parts import (
    BLUE,
    DASHED,
    FLEET,
    GREEN,
    GREY,
    MODEL,
    NO_FILL,
    OF_POD,
    ORANGE,
    PLACE,
    POD,
    PODS,
    PURPLE,
    RED,
    YELLOW,
    Board,
    Column,
    fixed,
    heatmap,
    query,
    ratio,
    stat,
    steps,
    table,
    timeline,
    timeseries,
    variables,
    words,
)

# Verdicts outlive the traffic that they judged: only those of versions that predict, and of the busiest one.
VERSIONS = f"sum by (model_version) (increase(outrider_predictions_total{{{MODEL}}}[15m]))"
SERVING = f"and on (model_version) ({VERSIONS} > 0)"
BUSIEST = f"and on (model_version) topk(1, {VERSIONS})"
OF_FLEET = FLEET + ', model_name=~"$model"'
# Requests are counted by the proxy, which need not know the model: of the pods that serve it, those that name it or none.
OF_MODEL = f"and on ({PLACE}, instance) outrider_accuracy_alarm{{{MODEL}}}"
NAMED = PODS + ', model_name=~"$model|unknown"'
REQUESTS = f"(rate(outrider_requests_total{{{NAMED}}}[$__rate_interval]) {OF_MODEL})"
FAILED = f"""(rate(outrider_requests_total{{{NAMED}, outcome=~"server_error|timeout|unreachable"}}[$__rate_interval]) {OF_MODEL})"""
DURATION = f"(rate(outrider_request_duration_seconds_bucket{{{NAMED}}}[$__rate_interval]) {OF_MODEL})"
VERDICTS = {0: ("warming up", GREY), 1: ("stable", GREEN), 2: ("warning", YELLOW), 3: ("drift", RED)}


def worst_verdict(metric, by, states):
    """The worst state of any pod as a number: 0 warming up, 1 stable, 2 warning, 3 drift."""
    by = f"by ({by}) " if by else ""
    return " or ".join(f'(max {by}({metric}{{{MODEL}, state="{state}"}} {SERVING}) > 0) * {level}'
                       for level, state in sorted(((l, s) for s, l in states.items()), reverse=True))


ACCURACY = f"""
  sum{{by}} (increase(outrider_outcomes_total{{{{{MODEL}, correct="true"}}}}[$window]))
  / (sum{{by}} (increase(outrider_outcomes_total{{{{{MODEL}}}}}[$window])) >= {{enough}})"""
# The fleet's alarm, from sums over pods; the rules keep its numbers. Those of the busiest version, as the promise is.
DROPPED = f"max(model:outrider_accuracy_dropped:bool{{{OF_FLEET}}} {SERVING})"
SINCE_CHANGE = f"min(model:outrider_accuracy_dropped:ratio{{{OF_FLEET}}})"


def now():
    states = {"warming_up": 0, "stable": 1, "drift": 3}
    return [
        (stat("Accuracy verdict", "What the labels prove at the stated false-alarm rate. Alarm: the model errs more than training "
              "promised; follow the runbook of ModelAccuracyDropped. Warming up: too few labels yet. Of the whole fleet; where no reference from "
              "training is there, the worst of its pods.", "none",
              query(f"({DROPPED} == 1) * 3 or ({DROPPED} == 0) + 1 or {worst_verdict('outrider_accuracy_verdict', '', states)}"),
              mappings=words({0: ("warming up", GREY), 1: ("stable", GREEN), 3: ("alarm", RED)}), line=False), 4),
        (stat("Accuracy now", "While an alarm stands: over the labels since the estimated change, as the alert says it. Else: over "
              "the labels of the window.", "percentunit",
              query(f"({SINCE_CHANGE}) or ({ACCURACY.format(by='', enough=1)})"), decimals=1), 4),
        (stat("Accuracy promised", "What the training of the version in service promised, on rows that it had not seen.",
              "percentunit", query(f"max(outrider_accuracy_reference_ratio{{{MODEL}}} {BUSIEST})"), decimals=1, line=False), 3),
        (stat("Inputs moved", "Inputs (and the predictions) that moved away from training, over the whole fleet. Five minutes of that "
              "are FeatureDrift.", "none",
              query(f"count(count by (feature) (model:outrider_drift_moved:group{{{OF_FLEET}}})) or vector(0)"),
              steps((GREEN, None), (ORANGE, 1)), 0), 3),
        (stat("Failed requests", "Share of requests that ended in a server error, a timeout or no model server.", "percentunit",
              query(ratio(f"sum({FAILED})", f"sum({REQUESTS})")),
              steps((GREEN, None), (YELLOW, 0.01), (RED, 0.05)), 2), 3),
        (stat("Latency, p99", "One request in a hundred takes longer.", "s",
              query(f"histogram_quantile(0.99, sum by (le) {DURATION})"),
              steps((GREEN, None), (YELLOW, 0.25), (RED, 0.5)), 1), 3),
        (stat("Predictions", "Rows predicted a second.", "cps",
              query(f"sum(rate(outrider_predictions_total{{{MODEL}}}[$__rate_interval]))"), decimals=1), 4),
    ]


def accuracy():
    return [
        (timeseries("Accuracy, now and promised", "Share of correct predictions among the window's labels, by version; dashed: what "
                    "each version's training promised. Fewer than 20 labels are not drawn. "
                    "A fall at a mark of a new version is the version's; a fall without one is the world's.", "percentunit",
                    [query(ACCURACY.format(by=" by (model_version)", enough=20), "{{model_version}}"),
                     query(f"max by (model_version) (outrider_accuracy_reference_ratio{{{MODEL}}})", "{{model_version}} promised")],
                    low=None, high=1, colours=[("/promised/", [DASHED, NO_FILL])]), 12),
        (timeseries("Evidence of a fall", "How much the labels of all pods speak against the promise: log10 of the e-value, drawn up to 20. At the "
                    "dashed line the alarm is raised; healthy models cross it at most as often as accuracy.fleet.false_alarms says. Five digits "
                    "lower it is cleared.", "none",
                    [query(f"clamp(max by (model_version) (log10(avg without (bet) (model:outrider_accuracy_bet:evidence{{{OF_FLEET}}})) "
                           f"{SERVING}), -2, 20)", "{{model_version}}"),
                     query(f"max(model:outrider_accuracy_evidence_threshold:log10{{{OF_FLEET}}} {SERVING})", "alarm")],
                    colours=[fixed("/^alarm$/", RED, DASHED, NO_FILL)]), 7),
        (timeseries("Typical error", "Mean absolute difference of prediction and truth, in the target's own unit, by version. For "
                    "models that predict a number.", "none",
                    query(f"""sum by (model_version) (increase(outrider_absolute_error_total{{{MODEL}}}[$window]))
                        / (sum by (model_version) (increase(outrider_outcomes_total{{{MODEL}}}[$window])) >= 20)""",
                          "{{model_version}}")), 5),
    ]


def inputs():
    return [
        (heatmap("Drift by input", "How far each input and the predictions are beyond the verdict's own threshold, effect and significance "
                 "together, the farthest of any pod. Up to 1 (yellow) nothing has moved, whatever the distance; from 2 it has moved far. One red "
                 "line: look at that input's source. All at once: the callers or the world changed.", "none",
                 query(f"max by (subject) (outrider_drift_ratio{{{MODEL}}} {SERVING})", "{{subject}}"),
                 0, 2), 12),
        (timeline("Verdict by input", "The worst verdict of any pod. Drift needs an effect, significance and two of three panes of five "
                  "minutes.",
                  query(worst_verdict("outrider_drift_verdict", "subject",
                                      {"warming_up": 0, "stable": 1, "warning": 2, "drift": 3}), "{{subject}}"), VERDICTS), 12),
        (timeseries("Failed input checks", "Share of predictions with a missing value, a wrong type, a number outside of what training "
                    "saw, or a category that it never had.", "percentunit",
                    query(f"""sum by (feature, check) (rate(outrider_feature_quality_total{{
                        {MODEL}, check=~"missing|type|range|unseen"}}[$__rate_interval]))
                        / on () group_left () (sum(rate(outrider_predictions_total{{{MODEL}}}[$__rate_interval])) > 0)""",
                          "{{feature}}: {{check}}"), high=0.01), 12),
        (timeseries("Unusual predictions", "How unusual the inputs of single predictions are: -log10 of the share of training rows that "
                    "are as unusual. 2 is one row in a hundred. The median of a healthy model is 0.3, its p99 about 2.", "none",
                    [query(f"""histogram_quantile({quantile}, sum by (le) (
                        rate(outrider_prediction_anomaly_score_bucket{{{MODEL}}}[$__rate_interval])))""", name)
                     for quantile, name in ((0.99, "p99"), (0.5, "median"))]), 12),
    ]


def service():
    return [
        (timeseries("Predictions by version", "Rows predicted a second. A promotion shows as one version taking over from another.",
                    "cps", query(f"sum by (model_version) (rate(outrider_predictions_total{{{MODEL}}}[$__rate_interval]))",
                                 "{{model_version}}"), stacked=True), 6),
        (timeseries("Requests that did not succeed", "Requests a second by how they ended. client_error is the callers' doing; "
                    "rejected was turned away by the proxy; the others are the model server's. Requests that name no model are among them.", "reqps",
                    query(f"""sum by (outcome) (
                        rate(outrider_requests_total{{{NAMED}, outcome!="success"}}[$__rate_interval]) {OF_MODEL})""",
                          "{{outcome}}"), stacked=True, high=0.1,
                    colours=[fixed("/server_error/", RED), fixed("/timeout/", ORANGE), fixed("/unreachable/", PURPLE),
                             fixed("/client_error/", BLUE), fixed("/cancelled/", GREY), fixed("/rejected/", YELLOW)]), 6),
        (timeseries("Latency", "From a request's first byte until its response was handed to the client.", "s",
                    [query(f"histogram_quantile({quantile}, sum by (le) {DURATION})", name)
                     for quantile, name in ((0.99, "p99"), (0.9, "p90"), (0.5, "median"))]), 6),
        (timeseries("Requests in flight", "Requests under way, by pod. ModelSaturated fires at 50 a pod, unless the model "
                    "promises another number.", "none",
                    query(f"sum by ({POD}) (outrider_requests_in_flight{{{PODS}}} {OF_MODEL})", OF_POD), high=5), 6),
    ]


def labels():
    return [
        (timeseries("Labels by what became of them", "Labels a second. joined found its prediction; unknown, late and evicted did not; "
                    "duplicate came twice.", "cps",
                    query(f"sum by (result) (rate(outrider_labels_total{{{MODEL}}}[$__rate_interval]))", "{{result}}"),
                    stacked=True, colours=[fixed("/joined/", GREEN), fixed("/unknown/", RED), fixed("/late/", ORANGE),
                                           fixed("/evicted/", PURPLE), fixed("/duplicate/", GREY)]), 8),
        (timeseries("Delay of labels", "Time from a prediction to its label. Accuracy lags by about the median.", "s",
                    [query(f"""histogram_quantile({quantile}, sum by (le) (
                        increase(outrider_label_delay_seconds_bucket{{{MODEL}}}[$window])))""", name)
                     for quantile, name in ((0.95, "p95"), (0.5, "median"))]), 8),
        (timeseries("Predictions that got their label", "Share of the window's predictions whose label came in that window. Zero while "
                    "predictions go on: accuracy is not known (ModelLabelsMissing).", "percentunit",
                    query(ratio(f'sum(increase(outrider_labels_total{{{MODEL}, result="joined"}}[$window]))',
                                f'sum(increase(outrider_predictions_total{{{MODEL}, outcome="success"}}[$window]))'), "labelled"),
                    high=1), 8),
    ]


def versions():
    return [(table(
        "Versions compared", "Every version that predicted in the last day. Accuracy is over all labels of that day, so a version that "
        "served before a change and one that served after it met different worlds.",
        {"model_version": "Version"},
        [
            Column("Predictions", f"sum by (model_version) (increase(outrider_predictions_total{{{MODEL}}}[1d]))", "short", 0),
            Column("Labels", f"sum by (model_version) (increase(outrider_outcomes_total{{{MODEL}}}[1d]))", "short", 0),
            Column("Accuracy", f"""sum by (model_version) (increase(outrider_outcomes_total{{{MODEL}, correct="true"}}[1d]))
                / (sum by (model_version) (increase(outrider_outcomes_total{{{MODEL}}}[1d])) > 0)""", "percentunit", 1),
            Column("Promised", f"max by (model_version) (outrider_accuracy_reference_ratio{{{MODEL}}})", "percentunit", 1),
            Column("Failed", f"""sum by (model_version) (increase(outrider_predictions_total{{{MODEL}, outcome="failure"}}[1d]))
                / (sum by (model_version) (increase(outrider_predictions_total{{{MODEL}}}[1d])) > 0)""", "percentunit", 2,
                   steps((GREEN, None), (YELLOW, 0.01), (RED, 0.05))),
            Column("Largest PSI", f"""clamp_min(max by (model_version) (
                max_over_time(model:outrider_drift_psi:debiased15m{{{OF_FLEET}}}[1d])), 0)""", "none", 3,
                   steps((GREEN, None), (YELLOW, 0.1), (RED, 0.25))),
            Column("Alarms", f"max by (model_version) (ceil(changes(model:outrider_accuracy_dropped:bool{{{OF_FLEET}}}[1d]) / 2))", "none", 0,
                   steps((GREEN, None), (ORANGE, 0.5))),
        ],
        sort_by="Version"), 24)]


def board():
    model = Board("outrider-model", "Outrider / Model",
                  "One model: is it still right, are its inputs those of training, is it served well, do labels come.",
                  variables("outrider_exchanges_seen_total", model=True, window=True))
    # Its own alerts, and those of its job that name no model.
    model.annotate("Alerts", f"""ALERTS{{{OF_FLEET}, alertstate="firing"}}
        or (ALERTS{{{FLEET}, model_name="", alertstate="firing"}} and on ({PLACE}) outrider_accuracy_alarm{{{MODEL}}})""", RED, "{{alertname}}",
                   "{{severity}} {{model_version}}")
    # A version is new where it predicts and did not a minute ago.
    model.annotate("New versions", f"""
        (sum by (model_version) (increase(outrider_predictions_total{{{MODEL}, model_version!="unknown"}}[1m])) > 0)
        unless (sum by (model_version) (increase(outrider_predictions_total{{{MODEL}}}[1m] offset 1m)) > 0)""", BLUE,
                   "{{model_version}}", "begins to predict")
    model.row(None, 4, now())
    model.row("Accuracy: is it still right?", 8, accuracy())
    model.row("Inputs: are they those of training?", 7, inputs())
    model.row("Service: does it answer, and how fast?", 7, service())
    model.row("Labels: does the truth come?", 7, labels())
    model.row("Versions", 6, versions())
    return model
