# SPDX-License-Identifier: Apache-2.0
"""The sidecar as a scraping agent that sends by remote write: what a recording receiver got, exactly. The cases of
Prometheus's public sender compliance suite are among these, asserted on every sample and not on one."""

import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
from processes import Prometheus, free_port, http, http_json, wait_for
from stack import Sidecar
from write_recorder import STALE, V2, Page, Recorder

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture
def agent(programs, binaries, tmp_path):
    """agent(page, url, *options): a sidecar that scrapes the page each second and sends to the URL."""

    def start(page, url, *options, name="sidecar"):
        targets = ["--scrape.target", page.url] if page else []
        return Sidecar(programs, binaries, "http://127.0.0.1:9", tmp_path / "data", name=name,
                       options=[*targets, "--scrape.job", "test", "--scrape.interval", "1s", "--remote-write.url", url,
                                "--remote-write.interval", "1s", "--remote-write.flush-deadline", "0s", *options])

    return start


def of(recorder, page, name, **labels):
    """The series of the page by that name."""
    return recorder.wait_for_series(name, job="test", instance=page.instance, **labels)


# ---- What is sent ----

TEXT = """# HELP test_total Things \\\\ seen\\nso far.
# TYPE test_total counter
test_total{b="2",a="1"} 101.13
# TYPE temperature gauge
temperature -3.5
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="1"} 2
latency_seconds_bucket{le="+Inf"} 3
latency_seconds_sum 1.5e3
latency_seconds_count 3
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 10
size_bytes{quantile="0.99"} NaN
size_bytes_sum 100
size_bytes_count 9
odd{kind="inf"} +Inf
odd{kind="-inf"} -Inf
odd{kind="zero"} 0
odd{kind="empty",nothing=""} 1
odd{kind="\u00fcml\u00e4ut \U0001f600",quoted="a\\"b\\\\c\\nd"} 1
odd{kind="own labels",job="original",instance="foo",exported_job="older"} 1
"""


def test_a_text_page_arrives_whole_with_job_and_instance_and_reports(agent):
    with Page(TEXT) as page, Recorder() as recorder:
        began = time.time()
        agent(page, recorder.url)
        first = recorder.wait_until("a request", lambda taken: taken)[0]
        assert first.time - began < 5
        # The first request has the whole of the first scrape, and all of the sidecar's own.
        here = {"job": "test", "instance": page.instance}
        sent = {tuple(sorted(s.labels.items())): s for s in first.series}

        def series(name, **labels):
            return sent[tuple(sorted({"__name__": name, **here, **labels}.items()))]

        expected = {("test_total", ("a", "1"), ("b", "2")): 101.13, ("temperature",): -3.5,
                    ("latency_seconds_bucket", ("le", "0.1")): 1, ("latency_seconds_bucket", ("le", "1.0")): 2,
                    ("latency_seconds_bucket", ("le", "+Inf")): 3, ("latency_seconds_sum",): 1500,
                    ("latency_seconds_count",): 3, ("size_bytes", ("quantile", "0.5")): 10,
                    ("size_bytes_sum",): 100, ("size_bytes_count",): 9, ("odd", ("kind", "inf")): math.inf,
                    ("odd", ("kind", "-inf")): -math.inf, ("odd", ("kind", "zero")): 0,
                    ("odd", ("kind", "empty")): 1,
                    ("odd", ("kind", "\u00fcml\u00e4ut \U0001f600"), ("quoted", 'a"b\\c\nd')): 1,
                    ("up",): 1, ("scrape_samples_scraped",): 17, ("scrape_samples_post_metric_relabeling",): 17}
        for (name, *labels), value in expected.items():
            assert series(name, **dict(labels)).values() == [value], (name, labels)
        assert math.isnan(series("size_bytes", quantile="0.99").values()[0])
        assert not series("size_bytes", quantile="0.99").is_stale()[0]
        kept = series("odd", kind="own labels", exported_job="older", exported_exported_job="original",
                      exported_instance="foo")
        assert kept.values() == [1]
        assert 0 <= series("scrape_duration_seconds").values()[0] < 1
        assert {s.name for s in first.series if s.labels["job"] == "outrider-sidecar"} >= {
            "outrider_build_info", "process_resident_memory_bytes", "outrider_exchanges_seen_total",
            "outrider_remote_write_samples_total"}
        for s in first.series:
            assert len(s.samples) == 1
            assert began * 1000 - 1 <= s.samples[0][0] <= first.time * 1000
        assert len(sent) == len(first.series), "each series once"
        # Metadata, on every series of a family.
        assert series("test_total", a="1", b="2").help == "Things \\ seen\nso far."
        assert series("test_total", a="1", b="2").type == "counter"
        assert series("temperature").type == "gauge"
        assert series("latency_seconds_bucket", le="+Inf").type == "histogram"
        assert series("size_bytes_count").type == "summary"
        assert series("odd", kind="inf").type == "unknown"


def test_the_headers_are_those_of_the_specification(agent):
    with Page("a 1\n") as page, Recorder() as recorder:
        agent(page, recorder.url, "--remote-write.header", "X-Scope-OrgID: shop")
        request = recorder.wait_until("a request", lambda taken: taken)[0]
        assert request.headers["Content-Type"] == V2
        assert request.headers["Content-Encoding"] == "snappy"
        assert request.headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"
        assert re.fullmatch(r"Outrider/\d+\.\d+\.\d+", request.headers["User-Agent"])
        assert request.headers["X-Scope-OrgID"] == "shop"
        assert "openmetrics" in page.accept


def test_an_openmetrics_page_gives_exemplars_units_timestamps_and_beginnings(agent):
    began = round(time.time() - 7200, 3)
    at = round(time.time(), 3)
    text = f"""# TYPE req_seconds counter
# UNIT req_seconds seconds
# HELP req_seconds Time.
req_seconds_total{{path="/"}} 17.0 # {{trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7"}} 0.5 {at}
req_seconds_created{{path="/"}} {began}
# TYPE lat histogram
lat_bucket{{le="1.0"}} 4 # {{trace_id="abc"}} 0.25
lat_bucket{{le="+Inf"}} 5
lat_sum 2
lat_count 5
lat_created {began}
# TYPE stamped gauge
stamped 2 {at}
# TYPE build info
build_info{{v="1"}} 1
# TYPE on stateset
on{{on="a"}} 1
# EOF
"""
    with Page(text, OPENMETRICS) as page, Recorder() as recorder:
        agent(page, recorder.url)
        counter = of(recorder, page, "req_seconds_total")[0]
        assert counter.samples[0][2] == round(began * 1000)
        assert (counter.type, counter.help, counter.unit) == ("counter", "Time.", "seconds")
        assert counter.exemplars == [({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"},
                                      0.5, round(at * 1000))]
        bucket = of(recorder, page, "lat_bucket", le="1.0")[0]
        assert bucket.exemplars == [({"trace_id": "abc"}, 0.25, bucket.samples[0][0])]
        assert bucket.samples[0][2] == of(recorder, page, "lat_count")[0].samples[0][2] == round(began * 1000)
        assert {s.samples[0][0] for s in of(recorder, page, "stamped")} == {round(at * 1000)}
        assert of(recorder, page, "build_info")[0].type == "info"
        assert of(recorder, page, "on")[0].type == "stateset"


@pytest.mark.parametrize("text", ['test{a="1",a="1"} 1.0\n', '{label="value"} 1.0\n', ""])
def test_a_page_that_prometheus_refuses_is_up_0_and_sends_none_of_it(agent, text):
    with Page("fine 1\n" + text if text else "", OPENMETRICS if not text else "text/plain") as page, \
            Recorder() as recorder:
        agent(page, recorder.url)
        assert of(recorder, page, "up")[0].values() == [0]
        assert of(recorder, page, "scrape_samples_scraped")[0].values() == [0]
        assert recorder.series("test") == recorder.series("fine") == []


def test_a_page_over_the_limits_is_up_0(agent):
    with Page("".join(f"a{{n=\"{i}\"}} 1\n" for i in range(20))) as page, Recorder() as recorder:
        sidecar = agent(page, recorder.url, "--scrape.max-samples", "19", "--remote-write.keep-page")
        assert of(recorder, page, "up")[0].values() == [0]
        assert sidecar.metrics().sum("outrider_scrape_failures_total", reason="too_many_samples") >= 1


def test_a_target_that_is_not_there_is_up_0(agent):
    page = Page("a 1\n")
    page.stop()
    with Recorder() as recorder:
        agent(page, recorder.url)
        assert of(recorder, page, "up")[0].values() == [0]


def test_a_target_that_hangs_delays_neither_the_sidecars_own_metrics_nor_its_end(agent, programs):
    def hang():
        time.sleep(60)
        return "a 1\n"

    with Page(hang) as page, Recorder() as recorder:
        began = time.time()
        agent(page, recorder.url, "--scrape.interval", "30s", "--scrape.timeout", "20s",
              "--remote-write.flush-deadline", "5s")
        recorder.wait_for_series("outrider_build_info", 5)
        assert time.time() - began < 5
        began = time.monotonic()
        assert programs.stop("sidecar") == 0
        assert time.monotonic() - began < 6
        assert recorder.series("outrider_build_info")[-1].is_stale() == [True]


def test_samples_of_a_series_come_in_order_one_a_second(agent):
    counts = iter(range(10_000))
    with Page(lambda: f"now {next(counts)}\n") as page, Recorder() as recorder:
        agent(page, recorder.url)
        found = recorder.wait_until("five samples", lambda _: [
            s for r in recorder.taken for s in r.series if s.name == "now"][4:] and True)
        assert found
        samples = [s.samples[0] for s in recorder.series("now")]
        assert [s.values()[0] for s in recorder.series("now")] == list(range(len(samples)))
        gaps = [b[0] - a[0] for a, b in zip(samples, samples[1:])]
        assert all(gap > 0 for gap in gaps)
        assert 700 <= sorted(gaps)[len(gaps) // 2] <= 1300


# ---- How series end ----

def test_a_series_that_vanishes_gets_one_staleness_marker(agent):
    with Page("stays 1\nstale 2\n") as page, Recorder() as recorder:
        agent(page, recorder.url)
        of(recorder, page, "stale")
        page.text = "stays 1\n"
        recorder.wait_until("the marker", lambda _: any(
            any(s.is_stale()) for r in recorder.taken for s in r.series if s.name == "stale"))
        hits = page.hits
        wait_for("two more scrapes", lambda: page.hits >= hits + 2, 10)
        bits = [s.samples[0][1] for s in recorder.series("stale")]
        assert bits[-1] == STALE and bits.count(STALE) == 1
        assert not any(any(s.is_stale()) for s in recorder.series("stays"))


def test_a_target_that_dies_ends_its_series_but_not_its_reports(agent):
    with Page("a 1\n") as page, Recorder() as recorder:
        agent(page, recorder.url)
        of(recorder, page, "a")
        page.status = 500
        recorder.wait_until("the marker", lambda _: any(
            any(s.is_stale()) for r in recorder.taken for s in r.series if s.name == "a"))
        recorder.wait_until("up 0", lambda _: 0 in [
            s.values()[0] for r in recorder.taken for s in r.series if s.name == "up"])
        assert not any(any(s.is_stale()) for s in recorder.series("up"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_orderly_end_flushes_and_ends_every_series_and_exits_0(agent, programs, how):
    with Page("a 1\nstamped 5 1700000000000\n") as page, Recorder() as recorder:
        agent(page, recorder.url, "--remote-write.flush-deadline", "5s")
        of(recorder, page, "a")
        began = time.monotonic()
        assert programs.stop("sidecar", how) == 0
        assert time.monotonic() - began < 12
        last = {}
        for request in recorder.taken:
            for s in request.series:
                for sample in s.samples:
                    last[tuple(s.pairs)] = sample[1]
        stamped = [pairs for pairs in last if dict(pairs)["__name__"] == "stamped"]
        assert stamped and last.pop(stamped[0]) != STALE  # A series with times of its own ends by itself.
        assert len(last) > 50
        assert [dict(pairs) for pairs, bits in last.items() if bits != STALE] == []


# ---- What the receiver says ----

def test_503_is_sent_again_until_it_is_taken_and_nothing_is_lost(agent):
    counts = iter(range(10_000))
    answers = [(503, {"Retry-After": "1"}), (500, {}), (429, {"Retry-After": "1"}), (502, {})]
    with Page(lambda: f"now {next(counts)}\n") as page, Recorder(answers) as recorder:
        agent(page, recorder.url)
        recorder.wait_until("the fourth sample", lambda _: 3.0 in [
            s.values()[0] for r in recorder.taken for s in r.series if s.name == "now"])
        values = [s.values()[0] for s in recorder.series("now")]
        assert values == list(range(len(values)))
        # The same batch each time, and not before the receiver asked for it.
        first = recorder.requests[:5]
        assert len({r.series[0].samples[0] for r in first}) == 1
        assert first[1].time - first[0].time >= 1
        assert first[3].time - first[2].time >= 1


@pytest.mark.parametrize("status", [400, pytest.param(401, marks=pytest.mark.long), pytest.param(404, marks=pytest.mark.long), 413])
def test_any_other_4xx_is_never_sent_again(agent, status):
    counts = iter(range(10_000))
    with Page(lambda: f"now {next(counts)}\n") as page, Recorder([(status, {})]) as recorder:
        sidecar = agent(page, recorder.url)
        recorder.wait_until("the third sample", lambda _: 2.0 in [
            s.values()[0] for r in recorder.taken for s in r.series if s.name == "now"])
        values = [s.values()[0] for s in recorder.series("now")]
        assert values == list(range(1, len(values) + 1))
        lost = sum(recorder.requests[0].counts()[:1])
        wait_for("the count", lambda: sidecar.metrics().sum(
            "outrider_remote_write_samples_failed_total", reason=str(status)) == lost, 5)


def test_a_receiver_of_1_0_gets_all_of_it_in_1_0(agent):
    text = '# HELP c_total C.\n# TYPE c_total counter\nc_total 5 # {trace_id="x"} 1 1700000000.5\n'
    text = text.replace("c_total C", "c C").replace("TYPE c_total", "TYPE c") + "# EOF\n"
    with Page(text, OPENMETRICS) as page, Recorder(versions=(1,)) as recorder:
        agent(page, recorder.url)
        series = of(recorder, page, "c_total")
        assert series[0].values() == [5]
        assert series[0].exemplars == [({"trace_id": "x"}, 1.0, 1700000000500)]
        assert recorder.requests[0].version == 2
        assert {r.version for r in recorder.requests[1:]} == {1}
        taken = recorder.taken[0]
        assert taken.headers["Content-Type"] == "application/x-protobuf"
        assert taken.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
        assert ("c_total", "counter", "C.", "") in taken.metadata
        # Nothing was lost on the way: what came as 2.0 came again as 1.0.
        assert {tuple(s.pairs) for s in recorder.requests[0].series} == {tuple(s.pairs) for s in taken.series}


def test_a_2xx_without_written_headers_means_1_0(agent):
    with Page("a 1\n") as page, Recorder([(200, {})]) as recorder:
        agent(page, recorder.url)
        recorder.wait_until("a request of 1.0", lambda taken: any(r.version == 1 for r in taken))
        first, second = recorder.requests[:2]
        assert (first.version, second.version) == (2, 1)
        assert [s.samples[0][:2] for s in first.series] == [s.samples[0][:2] for s in second.series]


def test_the_version_can_be_set(agent):
    with Page("a 1\n") as page, Recorder() as recorder:
        agent(page, recorder.url, "--remote-write.protocol", "1.0")
        of(recorder, page, "a")
        assert {r.version for r in recorder.requests} == {1}


# ---- What fails around it ----

def test_an_outage_with_kills_of_both_sides_loses_no_scrape(agent, programs):
    counts = iter(range(10_000))
    with Page(lambda: f"now {next(counts)}\n") as page:
        recorder = Recorder()
        port = recorder.port
        options = ["--scrape.interval", "200ms", "--remote-write.interval", "1s"]
        sidecar = agent(page, recorder.url, *options)
        recorder.wait_for_series("now")
        recorder.stop()  # The receiver dies.
        before = [s.values()[0] for s in recorder.series("now")]
        wait_for("scrapes without a receiver", lambda: page.hits >= 15, 20)
        hits = page.hits
        os.kill(monitor_of(sidecar), signal.SIGKILL)  # The monitor dies; the proxy starts another.
        wait_for("scrapes by the new monitor", lambda: page.hits >= hits + 5, 20)
        sidecar.kill()  # The whole sidecar dies.
        sidecar.start()
        hits = page.hits
        wait_for("scrapes after the kill", lambda: page.hits >= hits + 5, 20)
        with Recorder(port=port) as again:
            goal = float(page.hits)
            again.wait_until("what came last", lambda _: any(
                s.values()[0] >= goal for r in again.taken for s in r.series if s.name == "now"), 30)
            after = [s.values()[0] for s in again.series("now")]
        got = {*before, *after}
        missing = sorted(set(range(int(max(got)))) - got)
        # A scrape that was under way at one of the kills was not taken yet: at most one a kill.
        assert len(missing) <= 2, missing
        assert after == sorted(after)


def monitor_of(sidecar):
    """The process id of the sidecar's monitor."""
    found = subprocess.run(["pgrep", "-P", str(sidecar.process.pid)], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def test_a_queue_that_is_full_drops_the_oldest_and_says_so(agent):
    big = "".join(f'wide{{n="{i}",pad="{"x" * 50}{i * 7919 % 10007}"}} {i}\n' for i in range(1500))
    counts = iter(range(10_000))
    page = Page(lambda: f"now {next(counts)}\n{big}")
    with page:
        recorder = Recorder()
        port = recorder.port
        recorder.stop()
        sidecar = agent(page, recorder.url, "--scrape.interval", "200ms", "--remote-write.queue-max-bytes", "64KiB")
        wait_for("the limit", lambda: sidecar.metrics().sum(
            "outrider_remote_write_samples_dropped_total", reason="queue_full") > 0, 30)
        assert sidecar.metrics().sum("outrider_remote_write_queue_bytes") <= 64 << 10
        with Recorder(port=port) as again:
            goal = float(page.hits)
            again.wait_until("the newest", lambda _: any(
                s.values()[0] >= goal for r in again.taken for s in r.series if s.name == "now"), 30)


def test_a_full_disk_is_survived_in_memory(agent, tmp_path):
    """The queue's folder is a file system of 1 MiB that something else has filled."""
    mount = tmp_path / "data" / "remote-write"
    mount.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True,
                      check=False).returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here; the unit test of the queue has a disk that fails")
    try:
        counts = iter(range(10_000))
        with Page(lambda: f"now {next(counts)}\n") as page:
            recorder = Recorder()
            port = recorder.port
            recorder.stop()
            filler = os.open(mount / "filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(filler, b"x" * 4096)
            except OSError:
                os.close(filler)
            sidecar = agent(page, recorder.url, "--scrape.interval", "200ms")
            wait_for("memory is used", lambda: sidecar.metrics().sum(
                "outrider_remote_write_queue_memory_bytes") > 0, 20)
            assert sidecar.metrics().sum("outrider_remote_write_queue_disk_up") == 0
            assert sidecar.metrics().sum("outrider_remote_write_queue_write_errors_total") > 0
            wait_for("some scrapes", lambda: page.hits >= 10, 20)
            os.unlink(mount / "filler")
            wait_for("the disk is back", lambda: sidecar.metrics().sum(
                "outrider_remote_write_queue_disk_up") == 1, 20)
            with Recorder(port=port) as again:
                goal = float(page.hits)
                again.wait_until("the newest", lambda _: any(
                    s.values()[0] >= goal for r in again.taken for s in r.series if s.name == "now"), 30)
                values = [s.values()[0] for s in again.series("now")]
                assert values == list(range(len(values)))
            sidecar.stop()
    finally:
        subprocess.run(["umount", "-l", mount], check=False)


# ---- The agent program ----


def test_the_agents_own_metrics_leave_by_remote_write_and_end_with_it(programs, binaries, tmp_path):
    port = free_port()
    with Recorder() as recorder:
        programs.start("agent", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                                 tmp_path / "agent", "--remote-write.url", recorder.url, "--remote-write.interval",
                                 "1s"])
        instance = recorder.wait_for_series("outrider_agent_incidents_open", job="outrider-agent")[0].labels["instance"]
        assert instance.endswith(f":{port}")
        assert programs.stop("agent") == 0
        assert recorder.series("outrider_agent_incidents_open")[-1].is_stale() == [True]


# ---- The page ----

def test_remote_write_and_the_page_exclude_each_other_unless_both_are_asked_for(agent, programs):
    with Page("scraped 1\n") as page, Recorder() as recorder:
        sidecar = agent(page, recorder.url)
        names = {s.name for s in sidecar.metrics().samples}
        assert names and all(name.startswith("outrider_remote_write_") for name in names)
        sidecar.stop()
        sidecar.command.append("--remote-write.keep-page")
        sidecar.start()
        wait_for("the scrape", lambda: sidecar.metrics().sum("scraped", job="test") == 1, 10)
        assert sidecar.metrics().sum("outrider_build_info") == 1


def test_without_remote_write_what_is_scraped_stands_on_the_page(programs, binaries, tmp_path):
    text = TEXT + "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 7\n"
    with Page(text) as page:
        sidecar = Sidecar(programs, binaries, "http://127.0.0.1:9", tmp_path / "data",
                          options=["--scrape.target", f"http://{page.instance}", "--scrape.interval", "1s"])
        wait_for("the scrape", lambda: sidecar.metrics().sum("up") == 1, 10)
        metrics = sidecar.metrics()
        assert metrics.sum("test_total", job="model-server", instance=page.instance) == 101.13
        assert metrics.sum("latency_seconds_count") == 3
        assert metrics.sum("process_cpu_seconds_total", job="model-server") == 7
        assert len([s for s in metrics.samples if s.name == "process_cpu_seconds_total"]) == 2
        for accept in ("text/plain", "application/openmetrics-text;version=1.0.0"):
            body = http("GET", f"{sidecar.admin}/metrics", headers={"Accept": accept})[2]
            names = re.findall(r"^# TYPE (\S+)", body, re.MULTILINE)
            assert len(names) == len(set(names))
            if shutil.which("promtool") and accept == "text/plain":
                checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True)
                assert "error while parsing" not in checked.stderr + checked.stdout, checked.stderr


# ---- Real receivers ----

def prometheus_programs():
    """Debian's, which receives 1.0, and a current one, which receives 2.0."""
    current = ROOT / "build" / "tools" / "bin" / "prometheus"
    current = pathlib.Path(os.environ.get("OUTRIDER_PROMETHEUS", current))
    return [pytest.param(shutil.which("prometheus"), 1, id="1.0"), pytest.param(str(current), 2, id="2.0", marks=pytest.mark.long)]


@pytest.fixture
def receiving(programs, tmp_path):
    """receiving(program): a Prometheus that takes remote write, and its URL."""

    def start(program):
        if not program or not pathlib.Path(program).exists():
            pytest.fail(f"no {program}: scripts/install test installs Debian's, scripts/tools prometheus builds the current one")
        config = tmp_path / "prometheus.yml"
        config.write_text("storage: {exemplars: {max_exemplars: 1000}}\n")
        port = free_port()
        programs.start("prometheus", [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                      f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                                      "--enable-feature=exemplar-storage"])
        url = f"http://127.0.0.1:{port}"
        programs.wait_until_ready("prometheus", f"{url}/-/ready")
        return url

    return start


@pytest.mark.parametrize("program, version", prometheus_programs())
def test_prometheus_stores_exactly_what_was_scraped(agent, receiving, program, version):
    url = receiving(program)
    prometheus = Prometheus(url)
    at = round(time.time(), 3)
    text = f"""# HELP req Requests.
# TYPE req counter
req_total{{path="/"}} 17.25 # {{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}} 0.5 {at}
# TYPE lat histogram
lat_bucket{{le="1.0"}} 4
lat_bucket{{le="+Inf"}} 5
lat_sum 2
lat_count 5
# TYPE ends gauge
ends 1
# EOF
"""
    with Page(text, OPENMETRICS) as page:
        sidecar = agent(page, f"{url}/api/v1/write", "--remote-write.external-label", "cluster=eu",
                        "--remote-write.flush-deadline", "5s")
        here = {"job": "test", "instance": page.instance, "cluster": "eu"}
        wait_for("the counter", lambda: prometheus.query("req_total"), 20)
        assert prometheus.query("req_total") == [({"__name__": "req_total", "path": "/", **here}, 17.25)]
        assert sorted((m["le"], v) for m, v in prometheus.query("lat_bucket")) == [("+Inf", 5), ("1.0", 4)]
        assert prometheus.scalar(f'up{{instance="{page.instance}"}}') == 1
        assert prometheus.scalar('outrider_build_info{job="outrider-sidecar",cluster="eu"}') == 1
        assert sidecar.metrics().sum("outrider_remote_write_protocol_version") == version
        exemplars = http_json("GET", f"{url}/api/v1/query_exemplars?query=req_total&start={at - 60}&end={at + 60}")
        found = exemplars["data"][0]["exemplars"][0]
        assert found["labels"] == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
        assert (float(found["value"]), found["timestamp"]) == (0.5, pytest.approx(at, abs=0.0011))
        # The series ends: a query stops seeing it at once, not after five minutes.
        page.text = text.replace("# TYPE ends gauge\nends 1\n", "")
        wait_for("the end of the series", lambda: not prometheus.query("ends"), 10)
        # Every sample that was counted as taken is stored. (Markers are no samples of a range.)
        wait_for("three scrapes", lambda: page.hits >= 5, 20)
        sidecar.stop()
        assert prometheus.query('{cluster="eu"}') == []  # All ended with the sidecar.
        stored = prometheus.scalar(f'count_over_time(up{{instance="{page.instance}"}}[5m])')
        assert stored in (page.hits, page.hits - 1)


@pytest.mark.parametrize("program, version", prometheus_programs())
def test_prometheus_that_is_killed_and_comes_back_has_every_scrape(agent, receiving, programs, program, version):
    url = receiving(program)
    prometheus = Prometheus(url)
    counts = iter(range(10_000))
    with Page(lambda: f"now {next(counts)}\n") as page:
        sidecar = agent(page, f"{url}/api/v1/write", "--scrape.interval", "250ms")
        wait_for("a sample", lambda: prometheus.query("now"), 20)
        process = programs.running.pop("prometheus")
        command = process.args
        process.kill()
        process.wait()
        hits = page.hits
        wait_for("scrapes without a receiver", lambda: page.hits >= hits + 12, 20)
        programs.start("prometheus", command)
        programs.wait_until_ready("prometheus", f"{url}/-/ready")
        wait_for("all sent", lambda: sidecar.metrics().sum("outrider_remote_write_samples_pending") <= 400 and (
            prometheus.scalar("now") or 0) >= hits + 12, 20)
        answer = http_json("GET", f"{url}/api/v1/query?query=now[5m]")["data"]["result"][0]["values"]
        values = [float(value) for _, value in answer]
        assert values == list(range(len(values)))
        assert sidecar.metrics().sum("outrider_remote_write_samples_failed_total") == 0
        assert sidecar.metrics().sum("outrider_remote_write_samples_dropped_total") == 0
