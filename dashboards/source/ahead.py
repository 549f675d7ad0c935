# SPDX-License-Identifier: Apache-2.0
"""Ahead: what is forecast, what runs out, how many replicas the load needs, and how far all of it can be trusted."""

from parts import (
    ANY_IS_BAD,
    BLUE,
    DASHED,
    GREEN,
    GREY,
    NO_FILL,
    ORANGE,
    PODS,
    RED,
    YELLOW,
    Board,
    Column,
    fixed,
    pick,
    query,
    stat,
    steps,
    table,
    timeseries,
    variables,
)

FORECAST = PODS + ', forecast=~"$forecast"'
# A forecast keeps the labels of its series: those of models, containers and disks are told, others go to the tooltip.
NAME = "{{forecast}} {{cluster}} {{namespace}} {{model_name}} {{container}} {{mountpoint}} {{persistentvolumeclaim}}"
SERVICE = "{{capacity}} {{cluster}} {{namespace}} {{workload}}"
LIMIT = f"outrider_forecast_seconds_to_limit{{{FORECAST}, bound="
BAND = [fixed("/ high$/", BLUE, DASHED, NO_FILL), fixed("/ low$/", BLUE, DASHED, NO_FILL), fixed("/ expected$/", BLUE)]


def now():
    return [
        (stat("Services short ahead", "Services whose load needs more replicas at the peak within the shortest horizon than there are. "
              "ModelCapacityAhead says which; the agent's page says by when, and why.", "none",
              query(f'count(outrider_replicas_wanted{{{PODS}, when="ahead"}} > ignoring (when) outrider_replicas{{{PODS}}}) or vector(0)'),
              steps((GREEN, None), (ORANGE, 1)), 0), 5),
        (stat("Time to the first limit", "Until the first series is expected to reach its limit: a disk or a volume is full. No value: none "
              "within what is forecast.", "s", query(f'min({LIMIT}"estimate"}} < +Inf)'),
              steps((RED, None), (ORANGE, 86400), (GREEN, 3 * 86400))), 5),
        (stat("Intervals that held", "Share of the 90 % intervals whose time came in the shown time and that held the value. Far from 90 %: "
              "do not trust the bands.", "percentunit",
              query(f"""sum(increase(outrider_forecast_checks_inside_total{{{FORECAST}}}[$__range]))
                  / (sum(increase(outrider_forecast_checks_total{{{FORECAST}}}[$__range])) > 0)""", instant=True),
              steps((RED, None), (YELLOW, 0.8), (GREEN, 0.86)), 1, line=False), 5),
        (stat("Series forecast", "How many series are forecast; --forecast.max-series bounds them.", "none",
              query(f"sum(outrider_forecast_series{{{PODS}}})"), decimals=0), 4),
        (stat("Series turned away", "Values of series past that bound, in the shown time: these are not forecast.", "none",
              query(f"round(sum(increase(outrider_forecast_series_refused_total{{{PODS}}}[$__range])))", instant=True),
              ANY_IS_BAD, 0, line=False), 5),
    ]


def said(horizon, words):
    band = f'outrider_forecast{{{FORECAST}, horizon="{horizon}", bound='
    return timeseries(
        f"{words} ahead", f"What was said {words.lower()} before, at the time that it is about: from now on the band ahead, until now what was said "
        "beside what came. Nine values in ten are meant to lie between the dashed lines.", "none",
        [query(f'{band}"{bound}"}} offset {horizon}', f"{NAME} {name}")
         for bound, name in (("low", "low"), ("estimate", "expected"), ("high", "high"))], colours=BAND)


def replicas():
    bears = f'outrider_replica_capacity{{{PODS}, bound='
    return [
        (timeseries("Replicas, there and wanted", "Replicas that serve, that the load needs now, and that it needs at the peak within the "
                    "shortest horizon. Where one is not known there is no line: above the highest load seen healthy nothing is "
                    "extrapolated.", "none",
                    [query(f"outrider_replicas{{{PODS}}}", f"{SERVICE} there"),
                     query(f'outrider_replicas_wanted{{{PODS}, when="now"}}', f"{SERVICE} wanted now"),
                     query(f'outrider_replicas_wanted{{{PODS}, when="ahead"}}', f"{SERVICE} wanted ahead")],
                    colours=[fixed("/ there$/", GREY), fixed("/ wanted now$/", BLUE), fixed("/ wanted ahead$/", ORANGE, DASHED)]), 9),
        (timeseries("What one replica bears", "Requests a second within the latency objective, as learned, with the ends of its interval. No "
                    "upper end: no load was too much yet.", "reqps",
                    [query(f'{bears}"{bound}"}}', f"{SERVICE} {name}")
                     for bound, name in (("low", "low"), ("estimate", "expected"), ("high", "high"))], colours=BAND), 8),
        (timeseries("Replicas said ahead, beside what came", "What was said to be wanted one horizon ahead, beside what the load then needed: "
                    "enough, short or spare. Watch it before a policy acts on it.", "none",
                    query(f"sum by (result) (increase(outrider_replicas_forecast_checks_total{{{PODS}}}[$__range]))", "{{result}}"),
                    stacked=True, high=1, colours=[fixed("/enough/", GREEN), fixed("/short/", RED), fixed("/spare/", YELLOW)]), 7),
    ]


def limits():
    keys = "forecast, cluster, namespace, instance, mountpoint, persistentvolumeclaim"
    days = steps((RED, None), (ORANGE, 86400), (GREEN, 3 * 86400))

    def column(heading, bound):
        return Column(heading, f'min by ({keys}) ({LIMIT}"{bound}"}} < +Inf)', "s", 1, days)

    return [
        (table("What runs out", "Series that reach their limit within what is forecast, the soonest first. Earliest: nineteen in twenty are "
               "later. No value: not within the longest horizon.",
               {"forecast": "Forecast", "cluster": "Cluster", "namespace": "Namespace", "instance": "Instance", "mountpoint": "Mount",
                "persistentvolumeclaim": "Claim"},
               [column("Expected", "estimate"), column("Earliest", "low"), column("Latest", "high")], sort_by="Expected",
               descending=False), 12),
        (timeseries("Time to the limit", "As expected, and at the earliest. A line that falls by an hour each hour comes true; one that falls "
                    "faster is a leak that grows.", "s",
                    [query(f'{LIMIT}"{bound}"}} < +Inf', f"{NAME} {name}") for bound, name in (("estimate", "expected"), ("low", "low"))],
                    colours=BAND), 12),
    ]


def health():
    return [
        (timeseries("Questions about the past", "Questions to Prometheus about what is forecast. Failed: the next minute goes on from there, "
                    "so an outage leaves no gap.", "none",
                    query(f"round(sum by (result) (increase(outrider_forecast_queries_total{{{PODS}}}[$__rate_interval])))", "{{result}}"),
                    stacked=True, bars=True, high=1, colours=[fixed("/answered/", GREEN), fixed("/failed/", RED)]), 12),
        (timeseries("Intervals checked", "90 % intervals whose time came, an hour: those that held the value, and all. The lines lie one in ten "
                    "apart where the forecasts are honest.", "none",
                    [query(f"sum(increase(outrider_forecast_checks_inside_total{{{FORECAST}}}[1h]))", "held"),
                     query(f"sum(increase(outrider_forecast_checks_total{{{FORECAST}}}[1h]))", "all")], high=1), 12),
    ]


def board():
    wanted = [*variables("outrider_forecast"), pick("forecast", "Forecast", f"label_values(outrider_forecast{{{PODS}}}, forecast)")]
    ahead = Board("outrider-ahead", "Outrider / Ahead", "What is forecast, what runs out, and how many replicas the load needs.", wanted,
                  time_from="now-24h", time_to="now+6h")
    ahead.row(None, 4, now())
    ahead.row("Load: what comes?", 8, [(said("1h", "An hour"), 12), (said("6h", "Six hours"), 12)])
    ahead.row("Replicas: do they suffice?", 8, replicas())
    ahead.row("Limits: what runs out?", 7, limits())
    ahead.row("The forecasts themselves", 6, health())
    return ahead
