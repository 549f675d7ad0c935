# SPDX-License-Identifier: Apache-2.0
"""Remote write requests as anybody's sender makes them: Google's protobuf runtime and another snappy than
the agent's. The messages are declared here from the field numbers of Prometheus's public .proto files, so
nothing of Outrider's takes part.

    wire.post(url, wire.v2([{"labels": {"__name__": "up"}, "samples": [(1, now)]}]), version=2)
"""

import math
import struct

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from processes import http

STALE_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
V1_TYPE = "application/x-protobuf"
V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {"double": _FIELD.TYPE_DOUBLE, "int64": _FIELD.TYPE_INT64, "uint64": _FIELD.TYPE_UINT64,
          "string": _FIELD.TYPE_STRING, "uint32": _FIELD.TYPE_UINT32, "sint32": _FIELD.TYPE_SINT32,
          "sint64": _FIELD.TYPE_SINT64, "int32": _FIELD.TYPE_INT32}

# (number, name, kind, repeated); a kind with a capital is a message.
_HISTOGRAM = [(1, "count_int", "uint64", False), (2, "count_float", "double", False), (3, "sum", "double", False),
              (4, "schema", "sint32", False), (5, "zero_threshold", "double", False),
              (6, "zero_count_int", "uint64", False), (7, "zero_count_float", "double", False),
              (8, "negative_spans", "BucketSpan", True), (9, "negative_deltas", "sint64", True),
              (10, "negative_counts", "double", True), (11, "positive_spans", "BucketSpan", True),
              (12, "positive_deltas", "sint64", True), (13, "positive_counts", "double", True),
              (14, "reset_hint", "int32", False), (15, "timestamp", "int64", False),
              (16, "custom_values", "double", True), (17, "start_timestamp", "int64", False)]
_SPAN = [(1, "offset", "sint32", False), (2, "length", "uint32", False)]
_ONEOF = {"count_int": "count", "count_float": "count", "zero_count_int": "zero_count",
          "zero_count_float": "zero_count"}
_V1 = {
    "WriteRequest": [(1, "timeseries", "TimeSeries", True), (3, "metadata", "MetricMetadata", True)],
    "TimeSeries": [(1, "labels", "Label", True), (2, "samples", "Sample", True), (3, "exemplars", "Exemplar", True),
                   (4, "histograms", "Histogram", True)],
    "Label": [(1, "name", "string", False), (2, "value", "string", False)],
    "Sample": [(1, "value", "double", False), (2, "timestamp", "int64", False)],
    "Exemplar": [(1, "labels", "Label", True), (2, "value", "double", False), (3, "timestamp", "int64", False)],
    "MetricMetadata": [(1, "type", "int32", False), (2, "metric_family_name", "string", False),
                       (4, "help", "string", False), (5, "unit", "string", False)],
    "Histogram": _HISTOGRAM, "BucketSpan": _SPAN,
}
_V2 = {
    "Request": [(4, "symbols", "string", True), (5, "timeseries", "TimeSeries", True)],
    "TimeSeries": [(1, "labels_refs", "uint32", True), (2, "samples", "Sample", True),
                   (3, "histograms", "Histogram", True), (4, "exemplars", "Exemplar", True),
                   (5, "metadata", "Metadata", False), (6, "created_timestamp", "int64", False)],
    "Sample": [(1, "value", "double", False), (2, "timestamp", "int64", False),
               (3, "start_timestamp", "int64", False)],
    "Exemplar": [(1, "labels_refs", "uint32", True), (2, "value", "double", False),
                 (3, "timestamp", "int64", False)],
    "Metadata": [(1, "type", "int32", False), (3, "help_ref", "uint32", False), (4, "unit_ref", "uint32", False)],
    "Histogram": _HISTOGRAM, "BucketSpan": _SPAN,
}


def _declare(package, messages):
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, field, kind, repeated in fields:
            made = message.field.add(name=field, number=number,
                                     label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL)
            if kind[0].isupper():
                made.type, made.type_name = _FIELD.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                made.type = _KINDS[kind]
            if name == "Histogram" and field in _ONEOF:
                group = _ONEOF[field]
                declared = [one.name for one in message.oneof_decl]
                if group not in declared:
                    message.oneof_decl.add(name=group)
                    declared.append(group)
                made.oneof_index = declared.index(group)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
            for name in messages}


V1 = _declare("prometheus", _V1)
V2 = _declare("io.prometheus.write.v2", _V2)


def histogram(kind, fields):
    """A Histogram message of `kind` (V1 or V2) from a dictionary of its fields; spans are pairs."""
    made = kind["Histogram"]()
    for name, value in fields.items():
        if name.endswith("_spans"):
            for offset, length in value:
                getattr(made, name).add(offset=offset, length=length)
        elif isinstance(value, list):
            getattr(made, name).extend(value)
        else:
            setattr(made, name, value)
    return made


def _pairs(labels):
    return labels.items() if isinstance(labels, dict) else labels


def v1(series, metadata=()):
    """A 1.0 message. A series is {labels, samples: [(value, ms)], exemplars: [(labels, value, ms)],
    histograms: [fields]}; labels come in the order given. metadata: [(type, family, help, unit)]."""
    request = V1["WriteRequest"]()
    for one in series:
        made = request.timeseries.add()
        for name, value in _pairs(one["labels"]):
            made.labels.add(name=name, value=value)
        for value, at in one.get("samples", ()):
            made.samples.add(value=value, timestamp=at)
        for labels, value, at in one.get("exemplars", ()):
            exemplar = made.exemplars.add(value=value, timestamp=at)
            for name, text in _pairs(labels):
                exemplar.labels.add(name=name, value=text)
        for fields in one.get("histograms", ()):
            made.histograms.append(histogram(V1, fields))
    for kind, family, text, unit in metadata:
        request.metadata.add(type=kind, metric_family_name=family, help=text, unit=unit)
    return request.SerializeToString()


def v2(series):
    """A 2.0 message; as v1, and a series may have metadata (type, help, unit), start (ms of its samples)
    and created (ms, the reserved field 6)."""
    request = V2["Request"]()
    symbols = {"": 0}

    def reference(text):
        return symbols.setdefault(text, len(symbols))

    for one in series:
        made = request.timeseries.add()
        for name, value in _pairs(one["labels"]):
            made.labels_refs.extend([reference(name), reference(value)])
        for value, at in one.get("samples", ()):
            made.samples.add(value=value, timestamp=at, start_timestamp=one.get("start", 0))
        for labels, value, at in one.get("exemplars", ()):
            exemplar = made.exemplars.add(value=value, timestamp=at)
            for name, text in _pairs(labels):
                exemplar.labels_refs.extend([reference(name), reference(text)])
        for fields in one.get("histograms", ()):
            made.histograms.append(histogram(V2, fields))
        if "metadata" in one:
            kind, text, unit = one["metadata"]
            made.metadata.type = kind
            made.metadata.help_ref, made.metadata.unit_ref = reference(text), reference(unit)
        made.created_timestamp = one.get("created", 0)
    request.symbols.extend(symbols)
    return request.SerializeToString()


def compress(message):
    return bytes(cramjam.snappy.compress_raw(message))


def headers(version):
    return {"Content-Type": V1_TYPE if version == 1 else V2_TYPE, "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0" if version == 1 else "2.0.0"}


def post(url, message, version=1, extra=None, compressed=None):
    """(status, headers, text). `compressed` replaces the body; a header of `extra` that is None is left out."""
    fields = {**headers(version), **(extra or {})}
    body = compress(message) if compressed is None else compressed
    return http("POST", f"{url}/api/v1/write", body, {k: v for k, v in fields.items() if v is not None})


def written(answer_headers):
    """(samples, histograms, exemplars) of the Written headers; None for one that is missing."""
    values = [answer_headers.get(f"X-Prometheus-Remote-Write-{what}-Written")
              for what in ("Samples", "Histograms", "Exemplars")]
    return tuple(None if value is None else int(value) for value in values)


def same_value(text, value):
    """Whether the agent's text of a value is this value: the staleness marker is no ordinary NaN."""
    if struct.pack("<d", value) == struct.pack("<d", STALE_NAN):
        return text == "stale"
    return math.isnan(float(text)) if math.isnan(value) else text != "stale" and float(text) == value
