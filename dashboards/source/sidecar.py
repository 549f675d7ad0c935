# SPDX-License-Identifier: Apache-2.0
"""Sidecar: does it see all of the traffic, what does it cost, and is it well."""

import functools

from parts import (
    BLUE,
    DASHED,
    GREEN,
    GREY,
    NO_FILL,
    NOT_STACKED,
    OF_POD,
    ORANGE,
    POD,
    PODS,
    RED,
    YELLOW,
    Board,
    fixed,
    only_of,
    query,
    ratio,
    stat,
    steps,
    timeseries,
    variables,
    words,
)


def total(metric, by="", more=""):
    by = f" by ({by})" if by else ""
    return f"sum{by} (rate({metric}{{{PODS}{more}}}[$__rate_interval]))"


def by_instance(metric):
    return query(f"sum by ({POD}) ({metric}{{{PODS}}})", OF_POD)


of_sidecars = functools.partial(only_of, "outrider_exchanges_waiting")


UNOBSERVED = ratio(f"({total('outrider_exchanges_dropped_total')} + {total('outrider_exchanges_failed_total')})",
                   total("outrider_exchanges_seen_total"))
OVERHEAD = f"sum by (le) (rate(outrider_proxy_overhead_seconds_bucket{{{PODS}}}[$__rate_interval]))"


def now():
    return [
        (stat("Not observed", "Share of exchanges that were dropped or could not be decoded. The traffic itself is not affected. "
              "SidecarBlind fires at 1 %.", "percentunit", query(UNOBSERVED),
              steps((GREEN, None), (YELLOW, 0.001), (RED, 0.01)), 2), 4),
        (stat("Overhead, p99", "What the proxy itself adds to a request, at most, in 99 of 100.", "s",
              query(f"histogram_quantile(0.99, {OVERHEAD})"), steps((GREEN, None), (YELLOW, 0.002), (RED, 0.01)), 1), 4),
        (stat("Monitor restarts", "Deaths of the analysing process in the shown time, all pods. The traffic is not affected.",
              "none", query(f"round(sum(increase(outrider_monitor_restarts_total{{{PODS}}}[$__range])))", instant=True),
              steps((GREEN, None), (YELLOW, 1), (RED, 5)), 0, line=False), 4),
        (stat("Exchanges that wait", "Exchanges in the rings that the monitors have not come to, all pods. Grows: the monitors are too "
              "slow or down.", "none", query(f"sum(outrider_exchanges_waiting{{{PODS}}})"),
              steps((GREEN, None), (YELLOW, 1000), (RED, 10000)), 0), 4),
        (stat("Prediction log", "Not available in a pod: its labels cannot be joined.", "none",
              query(f"min(outrider_log_available{{{PODS}}})"),
              mappings=words({0: ("not available", RED), 1: ("available", GREEN)}), line=False), 4),
        (stat("Model configuration", "Not loaded in a pod: the file has mistakes and an older configuration is in force.", "none",
              query(f"min(outrider_config_last_reload_successful{{{PODS}}})"),
              mappings=words({0: ("not loaded", RED), 1: ("loaded", GREEN)}), line=False), 4),
    ]


def exchanges():
    kinds = ("analysed", "skipped", "dropped", "failed")
    return [
        (timeseries("Exchanges seen = analysed + skipped + dropped + failed", "Exchanges a second by what became of them. The dashed "
                    "line is what was seen; the areas under it add up to it exactly.", "cps",
                    [query(total(f"outrider_exchanges_{kind}_total"), kind) for kind in kinds]
                    + [query(total("outrider_exchanges_seen_total"), "seen")], stacked=True, legend="table",
                    colours=[fixed("/analysed/", GREEN), fixed("/skipped/", GREY), fixed("/dropped/", RED),
                             fixed("/failed/", ORANGE), fixed("/seen/", BLUE, DASHED, NO_FILL, NOT_STACKED)]), 12),
        (timeseries("Drops by reason", "ring_full: the monitor is too slow or down. capture_full: too many large bodies at once. "
                    "too_large: bodies beyond the capture limit.", "cps",
                    query(total("outrider_exchanges_dropped_total", "reason"), "{{reason}}"), stacked=True, high=0.1), 6),
        (timeseries("Skips by reason", "Left out by the configuration: sampled_out, or not_matched by request.match.", "cps",
                    query(total("outrider_exchanges_skipped_total", "reason"), "{{reason}}"), stacked=True, high=0.1), 6),
        (timeseries("Failures by reason", "Exchanges that could not be decoded. poisoned ones killed the monitor twice and are left "
                    "alone.", "cps", query(total("outrider_exchanges_failed_total", "reason"), "{{reason}}"), stacked=True,
                    high=0.1), 12),
        (timeseries("Exchanges that wait in the ring", "By pod. A line that climbs and stays up ends in drops (ring_full).", "none",
                    by_instance("outrider_exchanges_waiting"), high=10), 6),
        (timeseries("Monitor restarts", "Deaths of the analysing process, by pod.", "none",
                    query(f"round(sum by ({POD}) (increase(outrider_monitor_restarts_total{{{PODS}}}[$__rate_interval])))",
                          OF_POD), bars=True, high=1), 6),
    ]


def proxy():
    return [
        (timeseries("Overhead of the proxy", "Time that the proxy itself adds to a request.", "s",
                    [query(f"histogram_quantile({quantile}, {OVERHEAD})", name)
                     for quantile, name in ((0.99, "p99"), (0.5, "median"))]), 8),
        (timeseries("Requests refused by the proxy", "Requests that the proxy turned away itself, by reason; the limits are flags.",
                    "reqps", query(total("outrider_rejected_requests_total", "reason"), "{{reason}}"), stacked=True, high=0.1), 8),
        (timeseries("Requests that wait for the model server", "Requests without an upstream connection yet, by pod.", "none",
                    by_instance("outrider_proxy_queue_depth"), high=5), 8),
        (timeseries("Connections to the model server", "The pool, all pods. active carry a request, idle are kept for the next.", "none",
                    [query(f"sum(outrider_upstream_connections_active{{{PODS}}})", "active"),
                     query(f"sum(outrider_upstream_connections_idle{{{PODS}}})", "idle")], stacked=True), 8),
        (timeseries("Work of the pool", "New connections, failed ones, and safe requests sent again because a kept-alive connection had "
                    "closed, a second.", "cps",
                    [query(total("outrider_upstream_connects_total"), "connects"),
                     query(total("outrider_upstream_connect_failures_total"), "failed"),
                     query(total("outrider_upstream_retries_total"), "sent again")], high=0.1,
                    colours=[fixed("/failed/", RED)]), 8),
        (timeseries("Client connections", "Connections of clients, all pods.", "none",
                    [query(f"sum(outrider_proxy_connections_open{{{PODS}}})", "open"),
                     query(f"sum(outrider_proxy_connections_idle{{{PODS}}})", "idle")]), 8),
    ]


def log():
    return [
        (timeseries("Predictions that wait for their label", "In the prediction log, by pod.", "short",
                    by_instance("outrider_log_pending_predictions")), 6),
        (timeseries("Prediction log, share of its cap", "At 100 % the oldest predictions fall out and their labels come to nothing "
                    "(evicted).", "percentunit",
                    query(f"sum by ({POD}) (outrider_log_bytes{{{PODS}}}) / sum by ({POD}) (outrider_log_max_bytes{{{PODS}}})",
                          OF_POD), high=1), 6),
        (timeseries("Predictions lost to the log", "Predictions that are not in the log, by reason; crash is counted at the next start.",
                    "cps", query(total("outrider_log_dropped_total", "reason"), "{{reason}}"), stacked=True, high=0.1), 6),
        (timeseries("Synced writes, p99", "How long acknowledging labels takes. Slow: the disk is.", "s",
                    query(f"""histogram_quantile(0.99, sum by ({POD}, le) (
                        rate(outrider_log_sync_seconds_bucket{{{PODS}}}[$__rate_interval])))""", OF_POD)), 6),
    ]


def remote_write():
    return [
        (timeseries("Samples sent", "Samples a second that were sent by remote write, refused by the receiver (failed), and taken by a "
                    "limit of the queue (dropped). Nothing where sidecars are scraped only.", "cps",
                    [query(total("outrider_remote_write_samples_total"), "sent"),
                     query(total("outrider_remote_write_samples_failed_total"), "failed"),
                     query(total("outrider_remote_write_samples_dropped_total"), "dropped")], stacked=True,
                    colours=[fixed("/sent/", GREEN), fixed("/failed/", RED), fixed("/dropped/", ORANGE)]), 8),
        (timeseries("How far behind", "Between the newest sample that was queued and the newest that the receiver took, by pod. "
                    "SidecarRemoteWriteBehind fires at two minutes.", "s",
                    query(f"""sum by ({POD}) (outrider_remote_write_highest_timestamp_seconds{{{PODS}}}
                        - (outrider_remote_write_highest_sent_timestamp_seconds{{{PODS}}} > 0))""", OF_POD), high=10), 8),
        (timeseries("Queue on disk, share of its limit", "What waits to be sent, by pod. At 100 % the oldest samples are dropped.",
                    "percentunit",
                    query(f"""sum by ({POD}) (outrider_remote_write_queue_bytes{{{PODS}}})
                        / sum by ({POD}) (outrider_remote_write_queue_limit_bytes{{{PODS}}})""", OF_POD), high=0.1), 8),
    ]


def health():
    return [
        (timeseries("Memory", "Resident memory of proxy and monitor together, by pod.", "bytes",
                    query(f"sum by ({POD}) {of_sidecars('process_resident_memory_bytes')}", OF_POD)), 8),
        (timeseries("CPU", "Processor time of proxy and monitor together, by pod; 1 is one core.", "none",
                    query(f"sum by ({POD}) {of_sidecars('rate(process_cpu_seconds_total', '[$__rate_interval])')}",
                          OF_POD), high=0.1), 8),
        (timeseries("Series turned away", "What the limits on label sets turned away, by limit: values counted as other, and series that "
                    "did not fit the page.", "cps", query(total("outrider_series_dropped_total", "limit"), "{{limit}}"), stacked=True,
                    high=0.1), 8),
    ]


def board():
    sidecar = Board("outrider-sidecar", "Outrider / Sidecar",
                    "The sidecars themselves: do they see all of the traffic, what do they cost, are they well.",
                    variables("outrider_exchanges_seen_total"))
    sidecar.row(None, 4, now())
    sidecar.row("Exchanges: is all of the traffic observed?", 7, exchanges())
    sidecar.row("Proxy: what does it cost?", 7, proxy())
    sidecar.row("Prediction log", 7, log())
    sidecar.row("Remote write", 7, remote_write())
    sidecar.row("The process", 6, health())
    return sidecar
