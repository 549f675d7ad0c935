# SPDX-License-Identifier: Apache-2.0
"""The golden messages, by a protobuf encoder of its own: forty lines on the public encoding rules, which
share nothing with the C++ classes, neither the .proto files nor the library.

    python3 test/base/remote_write/codec/make_golden.py        writes golden/*.bin beside this file
"""

import pathlib
import struct

STALE = 0x7FF0000000000002


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def whole(field, n):
    return varint(field << 3) + varint(n) if n else b""


def double(field, bits):
    """Of a value's 64 bits; proto3 leaves out +0.0 only."""
    return varint(field << 3 | 1) + struct.pack("<Q", bits) if bits else b""


def block(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field, string):
    return block(field, string.encode()) if string else b""


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


# Each series: labels, [(time, bits, start)], [exemplar (labels, value, time)], (type, family, help, unit).
SERIES = [
    ([("__name__", "requests_total"), ("job", "shop")],
     [(1700000000000, bits(17.5), 1699999000000), (1700000001000, bits(18.0), 1699999000000)],
     [([("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")], 0.25, 1700000000500)],
     (1, "requests_total", "Requests.", "")),
    ([("__name__", "latency_seconds_bucket"), ("job", "shop"), ("le", "+Inf")],
     [(1700000000000, bits(3.0), 0)], [], (3, "latency_seconds", "Zeit bis zur Antwort, \u00fcber alles.", "seconds")),
    ([("__name__", "gone"), ("job", "shop")], [(1700000002000, STALE, 0)], [], (2, "gone", "", "")),
    ([("__name__", "odd")], [(-5, bits(float("-inf")), 0), (0, bits(0.0), 0), (7, bits(-0.0), 0),
                             (8, 0x7FF8000000000001, 0)], [], (0, "odd", "", "")),
]


def message_v2():
    symbols = [""]

    def ref(string):
        if string not in symbols:
            symbols.append(string)
        return symbols.index(string)

    def refs(labels):
        packed = b"".join(varint(ref(s)) for pair in labels for s in pair)
        return block(1, packed)

    blocks = []
    for labels, samples, exemplars, (kind, _, help_text, unit) in SERIES:
        series = refs(labels)
        for time, value, start in samples:
            series += block(2, double(1, value) + whole(2, time) + whole(3, start))
        for exemplar_labels, value, time in exemplars:
            series += block(4, refs(exemplar_labels) + double(2, bits(value)) + whole(3, time))
        metadata = whole(1, kind) + whole(3, ref(help_text)) + whole(4, ref(unit))
        blocks.append(block(5, series + block(5, metadata)))
    return b"".join(block(4, s.encode()) for s in symbols) + b"".join(blocks)


def message_v1():
    def pairs(labels):
        return b"".join(block(1, text(1, name) + text(2, value)) for name, value in labels)

    out, metadata = b"", b""
    for labels, samples, exemplars, (kind, family, help_text, unit) in SERIES:
        series = pairs(labels)
        for time, value, _ in samples:
            series += block(2, double(1, value) + whole(2, time))
        for exemplar_labels, value, time in exemplars:
            series += block(3, pairs(exemplar_labels) + double(2, bits(value)) + whole(3, time))
        out += block(1, series)
        if kind or help_text or unit:
            metadata += block(3, whole(1, kind) + text(2, family) + text(4, help_text) + text(5, unit))
    return out + metadata


def messages():
    return {"v1.bin": message_v1(), "v2.bin": message_v2()}


if __name__ == "__main__":
    folder = pathlib.Path(__file__).resolve().parent / "golden"
    folder.mkdir(exist_ok=True)
    for name, content in messages().items():
        (folder / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")
