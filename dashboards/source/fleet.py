# SPDX-License-Identifier: Apache-2.0
"""Fleet: all models at a glance, the one in most trouble first."""

from parts import (
    ANY_IS_BAD,
    FLEET,
    GREEN,
    OF_PLACE,
    ORANGE,
    PLACE,
    PODS,
    RED,
    YELLOW,
    Board,
    Column,
    bands,
    query,
    ratio,
    stat,
    steps,
    table,
    timeseries,
    variables,
)

OF_MODEL = "{{cluster}} {{namespace}} {{model_name}}"

# The models that there are (each has this gauge), with 0: what a model without alerts or drift is given.
NONE = f"0 * group by ({PLACE}, model_name) (outrider_accuracy_alarm{{{PODS}}})"
NONE_OF_JOB = f"0 * group by ({PLACE}) (outrider_accuracy_alarm{{{PODS}}})"

# The promise is that of the version that predicts most.
VERSIONS = f"sum by ({PLACE}, model_name, model_version) (increase(outrider_predictions_total{{{PODS}}}[15m]))"
BUSIEST = f"and on ({PLACE}, model_name, model_version) topk by ({PLACE}, model_name) (1, {VERSIONS})"

# Alerts belong to the fleet, not to a pod, so they have no instance. Critical ones weigh ten. Those about traffic may
# name the job only; they count for each of its models.
FIRING = 'ALERTS{' + FLEET + ', alertstate="firing"'
WEIGHT = """(
  (10 * count by ({by}) ({firing}, severity="critical", model_name{named}}}) or {none})
  + (count by ({by}) ({firing}, severity!="critical", model_name{named}}}) or {none})
)"""
TROUBLE = (WEIGHT.format(by=f"{PLACE}, model_name", firing=FIRING, named='!=""', none=NONE)
           + f" + on ({PLACE}) group_left () "
           + WEIGHT.format(by=PLACE, firing=FIRING, named='=""', none=NONE_OF_JOB))

REQUESTS = f"sum by ({PLACE}) (increase(outrider_requests_total{{{PODS}}}[15m]))"
FAILED = f'sum by ({PLACE}) (increase(outrider_requests_total{{{PODS}, outcome=~"server_error|timeout|unreachable"}}[15m]))'
P99 = f"histogram_quantile(0.99, sum by ({PLACE}, le) (increase(outrider_request_duration_seconds_bucket{{{PODS}}}[15m])))"
OF_EACH_MODEL = f"* on ({PLACE}) group_right () group by ({PLACE}, model_name) (outrider_accuracy_alarm{{{PODS}}})"

# While an alarm stands: the labels since the estimated change, as the alert says it. Else the last hour's.
SINCE_CHANGE = f"min by ({PLACE}, model_name) (model:outrider_accuracy_dropped:ratio{{{FLEET}}})"
LAST_HOUR = f"""
  sum by ({PLACE}, model_name) (increase(outrider_outcomes_total{{{PODS}, correct="true"}}[1h]))
  / (sum by ({PLACE}, model_name) (increase(outrider_outcomes_total{{{PODS}}}[1h])) > 0)"""
ACCURACY_NOW = f"({SINCE_CHANGE}) or ({LAST_HOUR})"
PROMISED = f"""max by ({PLACE}, model_name) (
  outrider_accuracy_reference_ratio{{{PODS}}} {BUSIEST})"""
# Drift is a fact about the fleet: bins summed over all pods, by the recording rules that the alerts judge too.
MOVED = f'count by ({PLACE}, model_name) (model:outrider_drift_moved:group{{{FLEET}}}) or {NONE}'
PSI = f"clamp_min(max by ({PLACE}, model_name) (model:outrider_drift_psi:debiased15m{{{FLEET}}}), 0)"

HEALTH = bands((0, 0.5, "fine", GREEN), (0.5, 9.5, "warning", ORANGE), (9.5, 1e6, "critical", RED))
# A link can name no column that is not there, as where no series has a cluster: so the row brings along what to write.
MODEL_LINK = ("Open the model's dashboard",
              "/d/outrider-model?var-datasource=${datasource}&${__data.fields.to_cluster:raw}&${__data.fields.to_namespace:raw}"
              "&var-job=${__data.fields.job}&var-model=${__data.fields.model_name}&${__url_time_range}")
TROUBLE_LINKED = f'''label_replace(label_replace({TROUBLE},
  "to_cluster", "var-cluster=$1", "cluster", "(.*)"), "to_namespace", "var-namespace=$1", "namespace", "(.*)")'''


def models_table():
    return table(
        "Models, the worst first",
        "One line a model. State counts firing alerts. Now is the accuracy since the estimated change while an alarm stands, "
        "else of the last hour's labels; promised is training's. Failures, latency and traffic are of the last 15 minutes and of the "
        "model's job. Labelled is the share of a day's predictions whose truth came. Click a model to see why.",
        {"model_name": "Model", "cluster": "Cluster", "namespace": "Namespace", "job": "Job", "workload": "Workload",
         "model_version": "Version"},
        [
            Column("State", TROUBLE_LINKED, "none", 0, mappings=HEALTH, background=True, width=90),
            Column("Accuracy now", ACCURACY_NOW, "percentunit", 1),
            Column("Promised", PROMISED, "percentunit", 1),
            Column("Gap", f"({ACCURACY_NOW}) - on ({PLACE}, model_name) ({PROMISED})", "percentunit", 1,
                   steps((RED, None), (YELLOW, -0.05), (GREEN, -0.02))),
            Column("Inputs moved", MOVED, "none", 0, steps((GREEN, None), (ORANGE, 1))),
            Column("Largest PSI", PSI, "none", 3, steps((GREEN, None), (YELLOW, 0.1), (RED, 0.25))),
            Column("Failures", f"({ratio(FAILED, REQUESTS)}) {OF_EACH_MODEL}", "percentunit", 2,
                   steps((GREEN, None), (YELLOW, 0.01), (RED, 0.05))),
            Column("p99", f"{P99} {OF_EACH_MODEL}", "s", 1, steps((GREEN, None), (YELLOW, 0.25), (RED, 0.5))),
            Column("Predictions", f"""topk by ({PLACE}, model_name) (1, {VERSIONS}) / 900""", "cps", 1),
            Column("Labelled", ratio(
                f'sum by ({PLACE}, model_name) (increase(outrider_labels_total{{{PODS}, result="joined"}}[1d]))',
                f'sum by ({PLACE}, model_name) (increase(outrider_predictions_total{{{PODS}, outcome="success"}}[1d]))'),
                "percentunit", 0),
        ],
        sort_by="State", links={"Model": MODEL_LINK}, hidden=("to_cluster", "to_namespace"))


def now():
    return [
        (stat("Models in trouble", "Models with a firing alert, their own or their job's. The table below says which.",
              "none", query(f"count(({TROUBLE}) > 0) or vector(0)"), ANY_IS_BAD, 0), 4),
        (stat("Accuracy alarms", "Models whose labels prove that they err more than training promised, at the stated "
              "false-alarm rate.",
              "none", query(f"count(max by ({PLACE}, model_name) (model:outrider_accuracy_dropped:bool{{{FLEET}}}) == 1) or vector(0)"),
              ANY_IS_BAD, 0), 4),
        (stat("Models with moved inputs", "Models of which an input, or the predictions, moved away from training, over the whole fleet.",
              "none", query(f"count(count by ({PLACE}, model_name) (model:outrider_drift_moved:group{{{FLEET}}})) or vector(0)"),
              steps((GREEN, None), (ORANGE, 1)), 0), 4),
        (stat("Failed requests", "Share of all requests that ended in a server error, a timeout or no model server.",
              "percentunit", query(ratio(
                  f'sum(rate(outrider_requests_total{{{PODS}, outcome=~"server_error|timeout|unreachable"}}[$__rate_interval]))',
                  f"sum(rate(outrider_requests_total{{{PODS}}}[$__rate_interval]))")),
              steps((GREEN, None), (YELLOW, 0.01), (RED, 0.05)), 2), 4),
        (stat("Slowest p99", "The 99th percentile of the slowest job's latency.", "s",
              query(f"""max(histogram_quantile(0.99, sum by ({PLACE}, le) (
                  rate(outrider_request_duration_seconds_bucket{{{PODS}}}[$__rate_interval]))))"""),
              steps((GREEN, None), (YELLOW, 0.25), (RED, 0.5)), 1), 4),
        (stat("Not observed", "Share of the exchanges that sidecars dropped or could not decode. What the other panels say rests "
              "on the rest.", "percentunit", query(ratio(
                  f"""(sum(rate(outrider_exchanges_dropped_total{{{PODS}}}[$__rate_interval]))
                      + sum(rate(outrider_exchanges_failed_total{{{PODS}}}[$__rate_interval])))""",
                  f"sum(rate(outrider_exchanges_seen_total{{{PODS}}}[$__rate_interval]))")),
              steps((GREEN, None), (YELLOW, 0.001), (RED, 0.01)), 2), 4),
    ]


def trends():
    return [
        (timeseries("Accuracy by model", "Share of correct predictions among the labels of the last 15 minutes. A step down is "
                    "a changed world or a bad version; the model's dashboard tells which.",
                    "percentunit", query(f"""
                        sum by ({PLACE}, model_name) (increase(outrider_outcomes_total{{{PODS}, correct="true"}}[15m]))
                        / (sum by ({PLACE}, model_name) (increase(outrider_outcomes_total{{{PODS}}}[15m])) > 0)""", OF_MODEL),
                    low=None, high=1), 12),
        (timeseries("Farthest input by model", "The largest PSI of any input, over all pods. From 0.1 an input has moved, from "
                    "0.25 it has moved far.",
                    "none", query(f"clamp_min(max by ({PLACE}, model_name) (model:outrider_drift_psi:debiased15m{{{FLEET}}}), 0)", OF_MODEL),
                    high=0.15, line=0.1), 12),
        (timeseries("Predictions by model", "Rows predicted a second.", "cps",
                    query(f"sum by ({PLACE}, model_name) (rate(outrider_predictions_total{{{PODS}}}[$__rate_interval]))",
                          OF_MODEL), stacked=True), 8),
        (timeseries("Failed requests by job", "Share of requests that ended in a server error, a timeout or no model server.",
                    "percentunit", query(ratio(
                        f"""sum by ({PLACE}) (rate(outrider_requests_total{{
                            {PODS}, outcome=~"server_error|timeout|unreachable"}}[$__rate_interval]))""",
                        f"sum by ({PLACE}) (rate(outrider_requests_total{{{PODS}}}[$__rate_interval]))"), OF_PLACE),
                    high=0.01), 8),
        (timeseries("Latency by job, p99", "From a request's first byte until its response was handed to the client.", "s",
                    query(f"""histogram_quantile(0.99, sum by ({PLACE}, le) (
                        rate(outrider_request_duration_seconds_bucket{{{PODS}}}[$__rate_interval])))""", OF_PLACE)), 8),
    ]


def alerts_table():
    return table(
        "Alerts of the last hour", "Every alert of these jobs that fired in the last hour; now says "
        "whether it still does. Each has a page in docs/runbooks: what it means, how to check, what to do.",
        {"severity": "Severity", "alertname": "Alert", "model_name": "Model", "model_version": "Version", "owner": "Owner",
         "cluster": "Cluster", "namespace": "Namespace", "job": "Job", "workload": "Workload"},
        [
            Column("Now", f"""max by (alertname, severity, owner, {PLACE}, model_name, model_version) ({FIRING}}})
                or 0 * max by (alertname, severity, owner, {PLACE}, model_name, model_version) (
                max_over_time({FIRING}}}[1h]))""", "none", 0,
                   mappings=bands((0, 0.5, "over", GREEN), (0.5, 2, "firing", RED)), background=True, width=90),
        ],
        sort_by="Now")


def board():
    fleet = Board("outrider-fleet", "Outrider / Fleet", "All models at a glance, the one in most trouble first.",
                  variables("outrider_exchanges_seen_total"))
    fleet.row(None, 4, now())
    fleet.row(None, 8, [(models_table(), 24)])
    fleet.row("Trends", 8, trends())
    fleet.row("Alerts", 7, [(alerts_table(), 24)])
    return fleet
