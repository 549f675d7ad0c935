# SPDX-License-Identifier: Apache-2.0
"""The agent as a remote write receiver: every case of the public receiver compliance suite for 2.0, and more,
asserting what was stored and not only the answer; then what a hostile or broken sender sends."""

import itertools
import math
import random
import struct
import time
import urllib.parse

import cramjam
import pytest
import remote_write_wire as wire
from processes import Programs, free_port, http, http_json
from remote_write_wire import STALE_NAN, post, same_value, v1, v2, written

HOUR_MS = 3_600_000
_numbers = itertools.count(1)


class Agent:
    def __init__(self, url):
        self.url = url

    def series(self, name, **labels):
        """The series of this name whose labels are exactly these; None when there is none."""
        query = f"/api/v1/series?limit=10000&name={urllib.parse.quote(name)}"
        listed = http_json("GET", self.url + query)["series"]
        found = [one for one in listed if one["labels"] == {"__name__": name, **labels}]
        assert len(found) <= 1, "one label set, one series"
        return found[0] if found else None

    def metric(self, name, **labels):
        wanted = "".join(f'{key}="{value}",' for key, value in sorted(labels.items())).rstrip(",")
        line = f"{name}{{{wanted}}} " if wanted else f"{name} "
        for text in http("GET", f"{self.url}/metrics")[2].splitlines():
            if text.startswith(line):
                return float(text[len(line):])
        raise KeyError(line)

    def refused(self, reason):
        return self.metric("outrider_agent_remote_write_refused_total", reason=reason)


def start_agent(programs, binary, folder, *options):
    port = free_port()
    name = f"agent-{port}"
    programs.start(name, [str(binary), "--web.listen-address", f"127.0.0.1:{port}",
                          "--data.dir", str(folder / name), *options])
    programs.wait_until_ready(name, f"http://127.0.0.1:{port}/-/ready")
    return Agent(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def agent(agent_binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("receiver")
    with Programs(folder / "logs") as programs:
        yield start_agent(programs, agent_binary, folder, "--ingest.keep-samples", "16")


@pytest.fixture
def case():
    """A label value that makes a test's series its own."""
    return f"case{next(_numbers)}"


def now_ms():
    return int(time.time() * 1000)


def in_seconds(at_ms):
    return pytest.approx(at_ms / 1000, abs=1e-6)


# --- The compliance suite's cases, samples -------------------------------------------------------------

VALUES = {"one": 1.0, "stale": STALE_NAN, "nan": math.nan, "inf": math.inf, "-inf": -math.inf,
          # The public suite's "StaleNaN" is the marker's bits taken for an integer.
          "bits as a number": float(0x7FF0000000000002)}
SINGLE = {
    "name alone": {"__name__": "up"},
    "job and instance": {"instance": "localhost:9090", "job": "testjob", "__name__": "up"},
    "newlines": {"__name__": "up", "job": "test\njob\n", "instance": "localhost:9090"},
    "dots": {"__name__": "resource.cpu.usage", "job.name": "testjob", "instance.name": "localhost:9090"},
    "blanks": {"__name__": "resource cpu usage", "job name": "testjob", "instance name": "localhost:9090"},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("labels", SINGLE.values(), ids=SINGLE.keys())
@pytest.mark.parametrize("version", [1, 2])
def test_a_sample_of_any_value_under_any_labels_is_stored(agent, case, version, labels, value):
    at = now_ms()
    labels = {**labels, "case": case}
    make = v1 if version == 1 else v2
    status, headers, text = post(agent.url, make([{"labels": labels, "samples": [(value, at)]}]), version)
    assert (status, text) == (204, "")
    assert written(headers) == ((1, 0, 0) if version == 2 else (None, None, None))
    stored = agent.series(labels["__name__"], **{k: v for k, v in labels.items() if k != "__name__"})
    assert stored["last"][0] == in_seconds(at)
    assert same_value(stored["last"][1], value)
    assert len(stored["samples"]) == 1


@pytest.mark.parametrize("labels", [{"job": "testjob"}, {}, {"__name__": "", "job": "j"}])
def test_a_series_without_a_name_is_refused(agent, labels):
    before = agent.refused("no_metric_name")
    status, headers, text = post(agent.url, v2([{"labels": labels, "samples": [(1, now_ms())]}]), 2)
    assert status == 400 and "__name__" in text and "series 0" in text
    assert headers["Content-Type"].startswith("text/plain")
    assert written(headers) == (0, 0, 0)
    assert agent.refused("no_metric_name") == before + 1


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("nameless, stored", [(0, 4), (1, 3), (4, 0)])
def test_of_four_series_those_with_a_name_are_stored(agent, case, version, nameless, stored):
    at = now_ms()
    series = [{"labels": {"__name__": "up", "case": case, "instance": str(i)}, "samples": [(i, at)]}
              for i in range(4)]
    for one in series[:nameless]:
        del one["labels"]["__name__"]
    status, headers, text = post(agent.url, (v1 if version == 1 else v2)(series), version)
    assert status == (400 if nameless else 204)
    if version == 2:
        assert written(headers) == (stored, 0, 0)
    if nameless:
        assert f"stored {stored} samples" in text and f"refused {nameless}" in text
    for i in range(4):
        one = agent.series("up", case=case, instance=str(i))
        assert (one is None) == (i < nameless)
        assert one is None or float(one["last"][1]) == i


def test_start_timestamps_are_kept_wherever_a_sender_puts_them(agent, case):
    at = now_ms()
    for field in ("start", "created"):
        labels = {"__name__": "http_requests_total", "case": case, "field": field}
        message = v2([{"labels": labels, "samples": [(100, at)], field: at - HOUR_MS}])
        assert post(agent.url, message, 2)[0] == 204
        assert agent.series("http_requests_total", case=case, field=field)["start"] == in_seconds(at - HOUR_MS)


# --- Exemplars ----------------------------------------------------------------------------------------

EXEMPLARS = {
    "trace": {"trace_id": "abc123def456"},
    "trace and span": {"trace_id": "xyz789", "span_id": "span123"},
    "no trace": {"user_id": "user123"},
    "many": {"trace_id": "trace456", "user": "admin", "endpoint": "/login"},
    "none": {},
    "marks": {"trace_id": "trace-with-dashes_and_underscores.123"},
    "unicode": {"trace_id": "unicode_trace_测试"},
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("labels", EXEMPLARS.values(), ids=EXEMPLARS.keys())
def test_an_exemplar_is_stored_with_its_labels_value_and_time(agent, case, version, labels):
    at = now_ms()
    series = [{"labels": {"__name__": "latency", "case": case, "region": "🌍"}, "samples": [(0.125, at)],
               "exemplars": [(labels, 0.125, at - 5)]}]
    status, headers, _ = post(agent.url, (v1 if version == 1 else v2)(series), version)
    assert status == 204
    if version == 2:
        assert written(headers) == (1, 0, 1)
    stored = agent.series("latency", case=case, region="🌍")
    assert stored["exemplars"] == [{"labels": labels, "value": "0.125", "timestamp": in_seconds(at - 5)}]


@pytest.mark.parametrize("value", [0.0, -123.456, 1e10, 1e-10, math.nan, math.inf, -math.inf])
def test_an_exemplar_of_a_special_value_is_stored(agent, case, value):
    at = now_ms()
    message = v2([{"labels": {"__name__": "m", "case": case}, "samples": [(value, at)],
                   "exemplars": [({"trace_id": "t"}, value, at)]}])
    status, headers, _ = post(agent.url, message, 2)
    assert (status, written(headers)) == (204, (1, 0, 1))
    assert same_value(agent.series("m", case=case)["exemplars"][0]["value"], value)


def test_exemplars_of_several_series_and_times_go_to_their_own(agent, case):
    at = now_ms()
    series = [{"labels": {"__name__": "request_duration", "method": method, "case": case},
               "samples": [(value, at)], "exemplars": [({"trace_id": f"trace_{method}"}, value, at)]}
              for method, value in (("GET", 0.1), ("POST", 0.25))]
    # The same series three times in one request, each with a later sample.
    series += [{"labels": {"__name__": "latency_hist", "case": case}, "samples": [(value, at + offset)],
                "exemplars": [({"trace_id": f"trace{offset}"}, value, at + offset)]}
               for value, offset in ((0.05, -HOUR_MS), (0.15, -60_000), (0.08, 0))]
    status, headers, _ = post(agent.url, v2(series), 2)
    assert (status, written(headers)) == (204, (5, 0, 5))
    for method in ("GET", "POST"):
        stored = agent.series("request_duration", method=method, case=case)
        assert [e["labels"]["trace_id"] for e in stored["exemplars"]] == [f"trace_{method}"]
    stored = agent.series("latency_hist", case=case)
    assert [float(v) for _, v in stored["samples"]] == [0.05, 0.15, 0.08]
    assert len(stored["exemplars"]) == 3


@pytest.mark.parametrize("labels", [{"job": "test"}, {"__name__": ""}])
def test_exemplars_of_a_series_without_a_name_are_refused_with_it(agent, labels):
    at = now_ms()
    message = v2([{"labels": labels, "samples": [(1, at)], "exemplars": [({"trace_id": "t"}, 1, at)]}])
    status, headers, text = post(agent.url, message, 2)
    assert (status, written(headers)) == (400, (0, 0, 0)) and "__name__" in text


def test_a_bad_exemplar_is_refused_and_its_sample_is_stored(agent, case):
    at = now_ms()
    too_long = {"trace_id": "x" * 130}
    message = v2([{"labels": {"__name__": "m", "case": case}, "samples": [(1, at)],
                   "exemplars": [(too_long, 1, at), ([("", "nameless")], 1, at), ({"trace_id": "ok"}, 1, at)]}])
    status, headers, text = post(agent.url, message, 2)
    assert (status, written(headers)) == (400, (1, 0, 1))
    assert "128 characters" in text and "without a name" in text
    assert [e["labels"] for e in agent.series("m", case=case)["exemplars"]] == [{"trace_id": "ok"}]


# --- Native histograms --------------------------------------------------------------------------------


def histogram(at, total=1.0, positive=False, negative=False, zero=False, custom=False, count=None, **more):
    fields = {"sum": total, "timestamp": at, **more}
    observed = 0
    if positive:
        fields |= {"positive_spans": [(0, 3), (2, 2)], "positive_deltas": [1, 2, 1, 3, 1]}
        observed += 23
    if negative:
        fields |= {"negative_spans": [(0, 2)], "negative_deltas": [1, 1]}
        observed += 3
    if zero:
        fields["zero_count_int"] = 1
        observed += 1
    if custom:
        fields |= {"schema": -53, "custom_values": [0.1, 0.5, 1.0, 2.5, 5.0, 10.0],
                   "positive_spans": [(0, 6)], "positive_deltas": [2, 1, 2, 3, -1, -2]}
        observed = 30
    fields["count_int"] = observed if count is None else count
    return fields


SHAPES = {
    "all": {"positive": True, "negative": True, "zero": True}, "custom": {"custom": True},
    "positive": {"positive": True, "zero": True}, "negative": {"negative": True, "zero": True},
    "zero": {"zero": True}, "empty": {},
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_native_histogram_is_stored_bucket_by_bucket(agent, case, version, shape):
    at = now_ms()
    fields = histogram(at, 1.5, **shape)
    message = (v1 if version == 1 else v2)([{"labels": {"__name__": "h", "case": case}, "histograms": [fields]}])
    status, headers, _ = post(agent.url, message, version)
    assert status == 204
    if version == 2:
        assert written(headers) == (0, 1, 0)
    stored = agent.series("h", case=case)["histogram"]
    assert stored["timestamp"] == in_seconds(at)
    assert stored["count"] == str(fields["count_int"]) and stored["sum"] == "1.5"
    assert stored["zero_count"] == str(fields.get("zero_count_int", 0))
    assert stored["schema"] == fields.get("schema", 0)
    for name in ("positive_spans", "negative_spans"):
        assert [tuple(pair) for pair in stored[name]] == fields.get(name, [])
    for name in ("positive_deltas", "negative_deltas"):
        assert stored[name] == fields.get(name, [])
    assert [float(v) for v in stored.get("custom_values", [])] == fields.get("custom_values", [])


def test_a_float_histogram_is_stored(agent, case):
    at = now_ms()
    fields = {"timestamp": at, "count_float": 4.5, "sum": 9.25, "schema": 2, "zero_count_float": 0.5,
              "zero_threshold": 0.001, "positive_spans": [(-3, 2)], "positive_counts": [1.5, 2.5]}
    assert post(agent.url, v2([{"labels": {"__name__": "h", "case": case}, "histograms": [fields]}]), 2)[0] == 204
    stored = agent.series("h", case=case)["histogram"]
    assert stored["float"] and stored["count"] == "4.5" and stored["positive_counts"] == ["1.5", "2.5"]
    assert stored["positive_spans"] == [[-3, 2]]


BAD_HISTOGRAMS = {
    "count": ({"count": 99}, "count of 99"),
    "spans": ({"positive_spans": [(0, 4)]}, "spans need 4"),
    "negative bucket": ({"positive_deltas": [1, -2, 5, 3, 1]}, "negative"),
    "schema": ({"schema": 40}, "schema 40"),
    "backward span": ({"positive_spans": [(0, 3), (-2, 2)]}, "backwards"),
    "custom bounds": ({"schema": -53, "custom_values": [1.0, 1.0]}, "do not rise"),
}


@pytest.mark.parametrize("wrong, says", BAD_HISTOGRAMS.values(), ids=BAD_HISTOGRAMS.keys())
def test_a_histogram_that_contradicts_itself_is_refused(agent, case, wrong, says):
    at = now_ms()
    count = wrong.pop("count", None) if "count" in wrong else None
    fields = {**histogram(at, positive=True, count=count), **wrong}
    good = {"labels": {"__name__": "good", "case": case}, "histograms": [histogram(at, positive=True)]}
    bad = {"labels": {"__name__": "bad", "case": case}, "histograms": [fields]}
    status, headers, text = post(agent.url, v2([bad, good]), 2)
    assert (status, written(headers)) == (400, (0, 1, 0))
    assert says in text
    assert agent.series("good", case=case)["histogram"]["count"] == "23"
    bad_one = agent.series("bad", case=case)
    assert bad_one is None or "histogram" not in bad_one


def test_histograms_keep_their_own_metadata_exemplars_and_start(agent, case):
    at = now_ms()
    series = [{"labels": {"__name__": f"hist_{case}_{i}", "bucket": str(i)},
               "histograms": [histogram(at, i / 10, positive=True, zero=True, start_timestamp=at - HOUR_MS)],
               "metadata": (3, f"Histogram metric number {i}", "seconds"),
               "exemplars": [({"trace_id": f"trace_{i}"}, i / 10, at)]} for i in range(50)]
    status, headers, _ = post(agent.url, v2(series), 2)
    assert (status, written(headers)) == (204, (0, 50, 50))
    for i in range(50):
        stored = agent.series(f"hist_{case}_{i}", bucket=str(i))
        assert (stored["type"], stored["help"], stored["unit"]) == (
            "histogram", f"Histogram metric number {i}", "seconds")
        assert stored["exemplars"][0]["labels"] == {"trace_id": f"trace_{i}"}
        assert stored["start"] == in_seconds(at - HOUR_MS)


# --- Metadata -----------------------------------------------------------------------------------------

TYPES = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", range(len(TYPES)), ids=TYPES)
def test_metadata_of_every_type_is_stored(agent, case, version, kind):
    name, text, unit = f"m_{case}", 'Help with\nnewlines, "quotes" and äöü', "bytes/sec"
    series = {"labels": {"__name__": name}, "samples": [(1, now_ms())]}
    if version == 1:
        message = v1([series], [(kind, name, text, unit)])
    else:
        message = v2([{**series, "metadata": (kind, text, unit)}])
    assert post(agent.url, message, version)[0] == 204
    stored = agent.series(name)
    assert (stored["type"], stored["help"], stored["unit"]) == (TYPES[kind], text, unit)


def test_metadata_may_change_and_may_come_before_and_without_samples(agent, case):
    name = f"m_{case}"
    lone = {"labels": {"__name__": name}, "metadata": (1, "first", "")}
    status, headers, _ = post(agent.url, v2([lone]), 2)
    assert (status, written(headers)) == (204, (0, 0, 0))
    assert agent.series(name) is None, "metadata alone is no series"
    assert post(agent.url, v1([{"labels": {"__name__": name}, "samples": [(1, now_ms())]}]))[0] == 204
    assert (agent.series(name)["type"], agent.series(name)["help"]) == ("counter", "first")
    again = {"labels": {"__name__": name}, "samples": [(2, now_ms() + 1)], "metadata": (2, "second", "s")}
    assert post(agent.url, v2([again]), 2)[0] == 204
    assert (agent.series(name)["type"], agent.series(name)["help"]) == ("gauge", "second")


@pytest.mark.parametrize("labels", [{"job": "test"}, {"__name__": ""}])
def test_metadata_without_a_name_is_refused(agent, labels):
    message = v2([{"labels": labels, "samples": [(1, now_ms())], "metadata": (1, "Test help", "unit")}])
    status, headers, _ = post(agent.url, message, 2)
    assert (status, written(headers)) == (400, (0, 0, 0))


def test_exemplars_may_come_without_samples(agent, case):
    message = v2([{"labels": {"__name__": "orphan", "case": case},
                   "exemplars": [({"trace_id": "orphan_trace"}, 42.0, now_ms())]}])
    status, headers, _ = post(agent.url, message, 2)
    assert (status, written(headers)) == (204, (0, 0, 1))
    stored = agent.series("orphan", case=case)
    assert "last" not in stored and stored["exemplars"][0]["value"] == "42"


def test_fifty_series_with_everything(agent, case):
    at = now_ms()
    series = [{"labels": {"series": f"series_{i}", "__name__": f"counter_{case}_{i}"}, "samples": [(i * 100, at)],
               "metadata": (1, f"Counter metric number {i}", "count"),
               "exemplars": [({"trace_id": f"trace_{i}"}, i * 100, at)]} for i in range(50)]
    status, headers, _ = post(agent.url, v2(series), 2)
    assert (status, written(headers)) == (204, (50, 0, 50))
    for i in range(50):
        stored = agent.series(f"counter_{case}_{i}", series=f"series_{i}")
        assert float(stored["last"][1]) == i * 100 and stored["help"] == f"Counter metric number {i}"


# --- Negotiation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "image/png", "application/x-protobuf;proto=other.V3",
                                          "text/plain"])
def test_another_content_type_is_answered_415(agent, content_type):
    status, headers, text = post(agent.url, b"", 2, {"Content-Type": content_type}, compressed=b"0")
    assert status == 415 and content_type in text and "io.prometheus.write.v2.Request" in text
    assert written(headers) == (0, 0, 0), "also on failure"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_another_content_encoding_is_answered_415(agent, encoding):
    status, headers, text = post(agent.url, b"", 2, {"Content-Encoding": encoding}, compressed=b"0")
    assert status == 415 and encoding in text and written(headers) == (0, 0, 0)


@pytest.mark.parametrize("content_type, version", [
    ("application/x-protobuf", 1), ("application/x-protobuf;proto=prometheus.WriteRequest", 1), (None, 1),
    ("Application/X-Protobuf; proto=\"io.prometheus.write.v2.Request\"; charset=x", 2)])
def test_content_types_that_mean_the_same_are_taken(agent, case, content_type, version):
    series = [{"labels": {"__name__": "up", "case": case}, "samples": [(1, now_ms())]}]
    extra = {"X-Prometheus-Remote-Write-Version": None, "Content-Type": content_type, "Content-Encoding": None}
    if content_type is None:  # urllib would add its own.
        extra = {"X-Prometheus-Remote-Write-Version": None, "Content-Type": ""}
    status, headers, _ = post(agent.url, (v1 if version == 1 else v2)(series), version, extra)
    assert status == 204
    assert written(headers) == ((1, 0, 0) if version == 2 else (None, None, None))
    assert agent.series("up", case=case)


def test_a_message_under_the_other_versions_type_is_refused_and_named(agent):
    series = [{"labels": {"__name__": "up"}, "samples": [(1, now_ms())]}]
    status, _, text = post(agent.url, v2(series), 1)
    assert status == 400 and "2.0's message under 1.0's Content-Type" in text
    status, headers, text = post(agent.url, v1(series), 2)
    assert status == 400 and "1.0's message" in text and written(headers) == (0, 0, 0)


def test_an_empty_request_is_a_success(agent):
    for version, message in ((1, v1([])), (2, v2([]))):
        assert post(agent.url, message, version)[0] == 204


def test_other_methods_are_answered_405(agent):
    assert http("GET", f"{agent.url}/api/v1/write")[0] == 405


# --- Labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_unsorted_labels_are_sorted_and_the_series_is_the_same_one(agent, case, version):
    make = v1 if version == 1 else v2
    at = now_ms()
    labels = [("__name__", "up"), ("a", "1"), ("case", case), ("z", "2")]
    for i, order in enumerate(itertools.permutations(labels)):
        message = make([{"labels": list(order), "samples": [(i, at + i)]}])
        assert post(agent.url, message, version)[0] == 204
    stored = agent.series("up", a="1", case=case, z="2")
    assert float(stored["last"][1]) == math.factorial(4) - 1
    assert len(stored["samples"]) == 16


def test_a_series_has_one_identity_in_both_versions(agent, case):
    at = now_ms()
    labels = {"__name__": "up", "case": case, "job": "j"}
    assert post(agent.url, v1([{"labels": labels, "samples": [(1, at)]}]))[0] == 204
    assert post(agent.url, v2([{"labels": labels, "samples": [(2, at + 1)]}]), 2)[0] == 204
    assert [float(v) for _, v in agent.series("up", case=case, job="j")["samples"]] == [1, 2]


def test_an_empty_label_value_is_no_label(agent, case):
    message = v1([{"labels": {"__name__": "up", "case": case, "gone": ""}, "samples": [(1, now_ms())]}])
    assert post(agent.url, message)[0] == 204
    assert agent.series("up", case=case)


BAD_LABELS = {
    "duplicate_label": [("__name__", "up"), ("a", "1"), ("a", "2")],
    "empty_label_name": [("__name__", "up"), ("", "1")],
    "too_many_labels": [("__name__", "up")] + [(f"l{i}", "x") for i in range(64)],
    "label_too_long": [("__name__", "up"), ("a", "x" * 4097)],
    "no_metric_name": [("a", "1")],
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("reason, labels", BAD_LABELS.items(), ids=BAD_LABELS.keys())
def test_faulty_labels_are_refused_counted_and_named_and_the_others_stored(agent, case, version, reason, labels):
    before = agent.refused(reason)
    at = now_ms()
    series = [{"labels": {"__name__": "ok", "case": case}, "samples": [(1, at)]},
              {"labels": labels, "samples": [(1, at), (2, at + 1)]}]
    status, headers, text = post(agent.url, (v1 if version == 1 else v2)(series), version)
    assert status == 400 and "series 1" in text.splitlines()[0]
    if version == 2:
        assert written(headers) == (1, 0, 0)
    assert agent.refused(reason) == before + 2
    assert agent.series("ok", case=case)


@pytest.mark.parametrize("version", [1, 2])
def test_labels_that_are_not_utf8_are_refused(agent, version):
    before = agent.refused("invalid_utf8")
    message = (v1 if version == 1 else v2)([{"labels": {"__name__": "up", "a": "BROKEN"},
                                             "samples": [(1, now_ms())]}])
    status, _, text = post(agent.url, message.replace(b"BROKEN", b"\xff\xfe\xfdabc"), version)
    assert status == 400 and "UTF-8" in text
    assert agent.refused("invalid_utf8") == before + 1


def raw_v2(symbols, references, **more):
    request = wire.V2["Request"](symbols=symbols)
    series = request.timeseries.add(labels_refs=references)
    series.samples.add(value=1, timestamp=now_ms())
    for name, value in more.items():
        setattr(series.metadata, name, value)
    return request.SerializeToString()


def test_references_outside_the_symbols_are_refused_and_named(agent):
    status, headers, text = post(agent.url, raw_v2(["", "__name__", "up"], [1, 99]), 2)
    assert status == 400 and "reference 99" in text and "3 strings" in text and written(headers) == (0, 0, 0)
    status, _, text = post(agent.url, raw_v2(["", "__name__", "up"], [1, 2, 1]), 2)
    assert status == 400 and "pairs" in text
    status, _, text = post(agent.url, raw_v2(["", "__name__", "up"], [1, 2], help_ref=77), 2)
    assert status == 400 and "metadata" in text
    status, _, text = post(agent.url, raw_v2(["__name__", "up"], [0, 1]), 2)
    assert status == 400 and "empty string" in text


def test_samples_and_histograms_in_one_series_are_refused(agent, case):
    at = now_ms()
    message = v2([{"labels": {"__name__": "both", "case": case}, "samples": [(1, at)],
                   "histograms": [histogram(at, zero=True)]}])
    status, headers, text = post(agent.url, message, 2)
    assert (status, written(headers)) == (400, (0, 0, 0)) and "samples and histograms" in text
    assert agent.series("both", case=case) is None


# --- Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_samples_out_of_order_are_refused_and_the_rest_stored(agent, case, version):
    make = v1 if version == 1 else v2
    at = now_ms()
    labels = {"__name__": "m", "case": case}
    samples = [(1, at), (2, at + 10), (3, at + 5), (4, at + 20), (5, at + 20), (4, at + 20), (6, at + 30)]
    status, headers, text = post(agent.url, make([{"labels": labels, "samples": samples}]), version)
    assert status == 400 and "order of time" in text and "another value" in text
    if version == 2:
        assert written(headers) == (5, 0, 0), "the repetition counts as stored"
    assert [float(v) for _, v in agent.series("m", case=case)["samples"]] == [1, 2, 4, 6]
    status, _, text = post(agent.url, make([{"labels": labels, "samples": [(9, at)]}]), version)
    assert status == 400 and 'case="' in text, "the error names the series"


def test_a_request_sent_twice_stores_its_newest_samples_once(agent, case):
    message = v2([{"labels": {"__name__": "m", "case": case}, "samples": [(1, now_ms())]}])
    before = agent.metric("outrider_agent_remote_write_repeated_samples_total")
    assert [post(agent.url, message, 2)[0] for _ in range(3)] == [204, 204, 204]
    assert len(agent.series("m", case=case)["samples"]) == 1
    assert agent.metric("outrider_agent_remote_write_repeated_samples_total") == before + 2


@pytest.mark.parametrize("shape", ["in one series", "each as a series of its own"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_request_whose_answer_was_lost_is_stored_when_it_comes_again(agent, case, version, shape):
    make = v1 if version == 1 else v2
    at, labels = now_ms() - 60_000, {"__name__": "m", "case": case}
    samples = [(value, at + value) for value in range(200)]
    series = [{"labels": labels, "samples": samples}] if shape == "in one series" else [
        {"labels": labels, "samples": [sample]} for sample in samples]
    message = make(series)
    before = agent.metric("outrider_agent_remote_write_repeated_samples_total")
    for _ in range(3):
        status, headers, text = post(agent.url, message, version)
        assert status == 204, text
        if version == 2:
            assert written(headers) == (200, 0, 0)
    assert agent.metric("outrider_agent_remote_write_repeated_samples_total") == before + 400
    # Newer samples came meanwhile, and the sender cuts its batches otherwise.
    assert post(agent.url, make([{"labels": labels, "samples": [(7, at + 1000)]}]), version)[0] == 204
    assert post(agent.url, make([{"labels": labels, "samples": samples[50:60]}]), version)[0] == 204
    # Another value at a time that is known, and a time that is not, are errors still.
    for sample in ((-1, at + 50), (0, at - 1)):
        status, _, text = post(agent.url, make([{"labels": labels, "samples": [sample]}]), version)
        assert status == 400 and "in order of time" in text
    assert [float(v) for _, v in agent.series("m", case=case)["samples"]][-2:] == [199, 7]


@pytest.mark.parametrize("offset, reason", [(11 * 60_000, "too_far_ahead"), (-25 * HOUR_MS, "too_old"),
                                            (2**62, "too_far_ahead"), (-(2**62), "too_old")])
def test_time_travel_is_refused_and_makes_no_series(agent, case, offset, reason):
    before = agent.refused(reason)
    message = v1([{"labels": {"__name__": "m", "case": case}, "samples": [(1, now_ms() + offset)]}])
    status, _, text = post(agent.url, message)
    assert status == 400 and ("ahead" in text or "old" in text)
    assert agent.refused(reason) == before + 1
    assert agent.series("m", case=case) is None


def test_the_edges_of_time_are_taken(agent, case):
    at = now_ms()
    for name, offset in (("ahead", 9 * 60_000), ("old", -23 * HOUR_MS)):
        assert post(agent.url, v1([{"labels": {"__name__": name, "case": case},
                                    "samples": [(1, at + offset)]}]))[0] == 204


def test_a_staleness_marker_ends_a_series_and_a_sample_begins_it_again(agent, case):
    at = now_ms()
    for i, value in enumerate((1.0, STALE_NAN, 2.0)):
        message = v1([{"labels": {"__name__": "m", "case": case}, "samples": [(value, at + i)]}])
        assert post(agent.url, message)[0] == 204
    assert [v for _, v in agent.series("m", case=case)["samples"]] == ["1", "stale", "2"]


# --- What a broken or hostile sender sends ------------------------------------------------------------


def test_bad_snappy_is_refused(agent):
    good = wire.compress(v1([{"labels": {"__name__": "up"}, "samples": [(1, now_ms())]}]))
    for body in (b"", b"\xff" * 20, b"0" + good[1:], good[:-3], bytes([good[0] ^ 1]) + good[1:],
                 bytes(cramjam.snappy.compress(b"framed, not block"))):
        status, headers, text = post(agent.url, b"", 2, compressed=body)
        assert status == 400 and text and written(headers) == (0, 0, 0)


def test_a_decompression_bomb_is_refused_before_it_is_decompressed(agent):
    def declared(length):
        varint = b""
        while length >= 0x80:
            varint, length = varint + bytes([length & 0x7F | 0x80]), length >> 7
        return varint + bytes([length])

    status, _, text = post(agent.url, b"", compressed=declared(2**32 - 1) + b"\x00")
    assert status == 413 and "4294967295" in text
    # What it declares fits, but could never come of so few bytes.
    status, _, text = post(agent.url, b"", compressed=declared(30 << 20) + b"\x00" * 10)
    assert status == 400 and "cannot hold that" in text
    # A true one: 33 MiB of zeros in 1.6 MB.
    status, _, text = post(agent.url, bytes(33 << 20))
    assert status == 413


def test_malformed_protobuf_is_refused(agent):
    good = v2([{"labels": {"__name__": "up", "case": "cut"}, "samples": [(1, now_ms())]}])
    for message in (b"\xff" * 50, b"\x0a\xff", good[:-1], b"\x2a\x7f" + good, b"\x00" * 8):
        status, headers, text = post(agent.url, message, 2)
        assert status == 400 and written(headers) == (0, 0, 0), message
        assert "protobuf" in text


def test_random_damage_never_takes_the_agent_down(agent):
    random_source = random.Random(7)
    at = now_ms()
    makers = [(1, v1([{"labels": {"__name__": "fuzz", "i": str(i)}, "samples": [(i, at)],
                       "histograms": [histogram(at, positive=True)]} for i in range(20)], [(1, "fuzz", "h", "u")])),
              (2, v2([{"labels": {"__name__": "fuzz", "i": str(i)}, "samples": [(i, at)],
                       "exemplars": [({"trace_id": "t"}, 1, at)], "metadata": (1, "h", "u")} for i in range(20)]))]
    answers = set()
    for _ in range(300):
        version, message = random_source.choice(makers)
        damaged = bytearray(message)
        for _ in range(random_source.randint(1, 8)):
            damaged[random_source.randrange(len(damaged))] = random_source.randrange(256)
        answers.add(post(agent.url, bytes(damaged), version)[0])
    assert answers <= {204, 400, 413}
    assert http("GET", f"{agent.url}/-/ready")[0] == 200


def test_a_few_symbols_cannot_be_made_into_gigabytes_of_labels(agent):
    """One symbol of 4 KiB, referred to 64 times by each of 3 000 series: 780 MB from 20 KB compressed."""
    request = wire.V2["Request"](symbols=["", "__name__", "x" * 4096] + [f"l{i}" for i in range(63)])
    references = [1, 2] + [n for i in range(63) for n in (3 + i, 2)]
    for _ in range(3_000):
        request.timeseries.add(labels_refs=references)
    began = time.monotonic()
    status, _, text = post(agent.url, request.SerializeToString(), 2)
    assert status == 413 and "labels" in text
    assert time.monotonic() - began < 5


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def test_a_flood_of_new_series_meets_the_limit_and_the_living_stay(agent_binary, tmp_path):
    with Programs(tmp_path / "logs") as programs:
        agent = start_agent(programs, agent_binary, tmp_path, "--ingest.max-series", "1000")
        at = now_ms()
        living = [{"labels": {"__name__": "alive", "i": str(i)}, "samples": [(1, at)]} for i in range(500)]
        assert post(agent.url, v2(living), 2)[0] == 204
        stored = 0
        for batch in range(20):
            flood = [{"labels": {"__name__": "flood", "id": f"{batch}-{i}"}, "samples": [(1, at)]}
                     for i in range(1000)]
            status, headers, text = post(agent.url, v2(flood), 2)
            stored += written(headers)[0]
        assert status == 400 and "limit" in text and "raise" in text
        assert agent.metric("outrider_agent_series") <= 1000
        assert agent.metric("outrider_agent_series") == 500 + stored
        assert agent.refused("series_limit") == 20_000 - stored
        for i in range(500):
            living[i]["samples"] = [(2, at + 1)]
        assert post(agent.url, v2(living), 2)[0] == 204, "those that were there are still taken"


def test_a_flood_of_label_texts_meets_the_limit(agent_binary, tmp_path):
    with Programs(tmp_path / "logs") as programs:
        agent = start_agent(programs, agent_binary, tmp_path, "--ingest.max-label-bytes", "1MiB")
        at = now_ms()
        for batch in range(4):
            flood = [{"labels": {"__name__": "flood", "id": f"{batch}-{i}" + "x" * 2000}, "samples": [(1, at)]}
                     for i in range(500)]
            status, _, text = post(agent.url, v1(flood))
        assert status == 400 and "label texts" in text
        assert agent.refused("label_bytes_limit") > 0
        assert agent.metric("outrider_agent_series_label_bytes") <= 1 << 20


def test_the_body_limit_of_the_listener_is_answered_413(agent_binary, tmp_path):
    with Programs(tmp_path / "logs") as programs:
        agent = start_agent(programs, agent_binary, tmp_path, "--web.max-body", "64KiB")
        noise = random.Random(1).randbytes(100_000)
        assert post(agent.url, b"", compressed=noise)[0] == 413


def test_values_keep_every_bit(agent, case):
    """Doubles that a careless copy changes: signalling and payload NaNs, -0, denormals."""
    at = now_ms()
    for i, bits in enumerate((0x7FF0000000000002, 0x7FF8000000000001, 0x8000000000000000, 0x0000000000000001,
                              0x3FF0000000000001)):
        value = struct.unpack("<d", struct.pack("<Q", bits))[0]
        message = bytearray(v1([{"labels": {"__name__": "bits", "case": case, "i": str(i)},
                                 "samples": [(1.5, at)]}]))
        # The runtime may quieten a NaN, so the bits are put in by hand.
        place = message.index(struct.pack("<d", 1.5))
        message[place:place + 8] = struct.pack("<Q", bits)
        assert post(agent.url, bytes(message))[0] == 204
        text = agent.series("bits", case=case, i=str(i))["last"][1]
        assert (text == "stale") == (bits == 0x7FF0000000000002)
        if not math.isnan(value):
            assert struct.pack("<d", float(text)) == struct.pack("<Q", bits)
