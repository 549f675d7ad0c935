# SPDX-License-Identifier: Apache-2.0
"""Arrows point one way: an include that goes against the layering fails here, with its line."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# room -> what it may include besides itself, each a room by its whole name ("base/*": all rooms of base). A room is a
# folder with sources; decode/protocols is the one folder that belongs to the room above it.
BASE = ["base/core", "base/wire", "base/remote_write/codec", "base/net", "base/config", "base/kafka", "base/remote_write", "base/web"]
ALLOWED = {
    "base/core": [],
    "base/config": ["base/core"],
    "base/kafka": ["base/core", "base/config"],
    "base/wire": ["base/core"],
    "base/tls": ["base/core"],
    "base/net": ["base/core", "base/wire", "base/tls"],
    "base/web": ["base/core", "base/wire", "base/net", "base/config", "base/tls"],
    "base/remote_write/codec": ["base/core", "base/wire"],
    "base/remote_write": ["base/core", "base/wire", "base/remote_write/codec", "base/net", "base/config"],
    "detectors": ["base/core"],
    "detectors/forecast": ["base/core"],
    "reference": ["base/core", "base/wire", "detectors"],
    "truth": ["base/core", "base/wire", "detectors"],
    "truth/log": ["base/core", "base/wire", "truth"],
    "truth/api": ["base/core", "base/wire", "base/net", "truth", "truth/log"],

    "sidecar/http1": ["base/core"],
    "sidecar/http2": ["base/core"],
    "sidecar/tap": ["base/core"],
    "sidecar/options": ["base/core", "base/config", "base/kafka", "base/remote_write", "base/web", "sidecar/tap"],
    "sidecar/proxy": ["base/core", "base/config", "base/net", "base/tls", "sidecar/http1", "sidecar/http2", "sidecar/options", "sidecar/tap"],
    "sidecar/monitor/decode": ["base/core", "base/wire", "detectors", "sidecar/http1", "sidecar/tap"],
    "sidecar/monitor/versions": ["base/core", "base/wire", "base/config", "detectors", "reference", "truth", "sidecar/monitor/decode",
                                 "sidecar/tap"],
    "sidecar/monitor/references": ["base/core", "base/config", "reference", "sidecar/monitor/versions"],
    "sidecar/monitor/sources": ["base/core", "base/wire", "base/net", "truth", "sidecar/monitor/decode", "sidecar/tap"],
    "sidecar/monitor/slices": ["base/core", "base/wire", "base/net", "detectors", "reference", "truth", "truth/log",
                               "sidecar/monitor/versions"],
    "sidecar/monitor/state": ["base/core", "base/net", "base/config", "detectors", "truth", "truth/api", "truth/log",
                              "sidecar/monitor/versions"],
    "sidecar/monitor/shipping": ["base/core", "base/wire", "base/net", "base/config", "base/kafka", "base/remote_write", "sidecar/options",
                                 "truth", "truth/api", "truth/log"],
    "sidecar/monitor/export": [*BASE, "detectors", "sidecar/http1", "sidecar/http2", "sidecar/monitor/versions", "sidecar/options", "sidecar/tap",
                               "base/tls", "truth"],
    "sidecar/monitor/admin": ["base/core", "base/wire", "base/net", "base/config", "base/web", "sidecar/monitor/decode", "sidecar/options",
                              "sidecar/tap"],
    "sidecar/monitor": [*BASE, "detectors", "reference", "truth", "truth/log", "sidecar/options", "sidecar/tap", "sidecar/monitor/*"],

    "predictor/model": ["base/core", "base/wire", "detectors"],
    "predictor/evaluate": ["base/core", "detectors", "predictor/model"],
    "predictor/gates": ["base/core", "base/config", "predictor/evaluate", "predictor/model"],
    "predictor/protocol": ["base/core", "base/wire", "detectors", "predictor/model"],
    "predictor/registry": ["base/core", "base/wire", "base/config"],
    "predictor/train": ["base/core", "base/wire", "base/config", "detectors", "reference", "predictor/evaluate", "predictor/gates",
                        "predictor/model", "predictor/registry"],
    "predictor/retrain": ["base/core", "base/wire", "base/net", "base/config", "detectors", "predictor/evaluate", "predictor/gates",
                          "predictor/model", "predictor/registry", "predictor/train"],
    "predictor/serve": ["base/core", "base/wire", "base/net", "predictor/gates", "predictor/model", "predictor/protocol",
                        "predictor/registry", "predictor/retrain", "predictor/train"],
    "predictor/app": [*BASE, "predictor/*"],

    "agent/incident": ["base/core", "base/wire", "base/config"],
    "agent/diagnose": ["base/core"],
    "agent/series": ["base/core", "base/wire", "detectors"],
    "agent/ingest": ["base/core", "base/wire", "base/remote_write/codec", "base/net", "base/config", "detectors", "agent/incident", "agent/series"],
    "agent/forecast": ["base/core", "base/wire", "base/config", "detectors", "detectors/forecast"],
    "agent/ahead": ["base/core", "base/wire", "base/config", "detectors", "agent/forecast", "agent/query"],
    "agent/query": ["base/core", "base/wire", "base/net", "detectors", "agent/incident"],
    "agent/right_size": ["base/core", "base/wire", "agent/query"],
    "agent/suspects": ["base/core", "base/wire", "base/net", "base/config", "detectors", "reference", "agent/diagnose", "agent/incident",
                     "agent/query"],
    "agent/watch": ["base/core", "base/wire", "base/remote_write/codec", "base/config", "detectors", "agent/ingest", "agent/series"],
    "agent/decide": ["base/core", "base/wire", "base/config", "agent/incident"],
    "agent/act": ["base/core", "base/wire", "base/net", "base/config", "agent/decide", "agent/incident"],
    "agent/kubernetes": ["base/core", "base/wire", "base/net", "base/config", "base/web", "agent/decide", "agent/incident"],
    "agent/tickets": ["base/core", "base/wire", "base/net", "base/config", "agent/decide", "agent/incident"],
    "agent/dispatch": ["base/core", "base/wire", "base/config", "agent/act", "agent/decide", "agent/incident"],
    "agent/api": ["base/core", "base/wire", "base/net", "agent/act", "agent/decide", "agent/dispatch", "agent/incident",
                  "agent/ingest", "agent/models", "agent/page"],
    "agent/models": ["base/core", "base/wire", "base/config", "agent/incident", "agent/page", "agent/query", "agent/right_size"],
    "agent/page": ["base/core", "base/wire", "agent/decide", "agent/incident"],
    "agent/truth": ["base/core", "base/wire", "base/net", "base/config", "base/kafka", "base/remote_write", "truth", "truth/api", "truth/log"],
    "agent": [*BASE, "agent/*"],

    "cli/svg": ["base/core"],
    "cli/table": ["base/core", "detectors", "reference"],
    "cli/diagnose": ["base/core", "base/wire", "detectors", "agent/diagnose"],
    "cli/export": ["base/core", "base/wire"],
    "cli/forecast": ["base/core", "base/wire", "detectors", "detectors/forecast", "cli/svg"],
    "cli/inject": ["base/core", "base/wire"],
    "cli/labels": ["base/core", "base/wire", "detectors", "reference"],
    "cli/backtest": ["base/core", "base/wire", "base/config", "detectors", "reference", "agent/forecast", "agent/query", "agent/series", "cli/svg",
                     "cli/table"],
    "cli": [*BASE, "detectors", "detectors/forecast", "reference", "agent/diagnose", "agent/incident", "agent/query",
            "agent/right_size", "agent/suspects", "cli/*"],
}
PARTS = {"sidecar/monitor/decode/protocols": "sidecar/monitor/decode"}
# Files that stand beside rooms instead of in one: where a program's parts are wired.
WIRING = {
    "sidecar/monitor": {"app", "configuration", "guarded_monitor", "housekeeping", "main", "memory_limit", "pipeline", "truth_parts",
                        "waiting_predictions"},
    "agent": {"app", "commands", "main", "own_export", "parts", "settings", "ticket_parts"},
    "cli": {"backtest_command", "commands", "compare_command", "credential_files", "diagnose_command", "diagnose_live", "export_command",
            "forecast_command", "import_command", "inject_command", "inspect_command", "label_sender", "main", "profile_command",
            "right_size_command"},
}
# Of other programs `outrider` knows what judges and what asks, so that a file is judged as a fleet is.
KNOWN_TO_CLI = ("agent/diagnose", "agent/forecast", "agent/incident", "agent/query", "agent/right_size", "agent/series", "agent/suspects")
TOPS = ("base", "detectors", "reference", "truth", "sidecar", "predictor", "agent", "cli")

# What a PURE room must not touch: sockets, threads, files, databases, clocks.
PURE = ["base/core", "base/wire", "base/remote_write/codec", "detectors", "detectors/forecast", "reference", "truth", "sidecar/http1",
        "sidecar/http2",
        "sidecar/tap", "sidecar/monitor/decode", "sidecar/monitor/versions", "predictor/model", "predictor/evaluate",
        "predictor/gates", "predictor/protocol", "agent/series", "agent/incident", "agent/diagnose", "agent/forecast", "agent/decide",
        "agent/page",
        "cli/diagnose", "cli/export", "cli/forecast", "cli/inject", "cli/labels", "cli/svg"]
IMPURE_HEADERS = {"thread", "fstream", "filesystem", "sys/socket.h", "sys/epoll.h", "unistd.h", "curl/curl.h",
                  "civetweb.h", "future", "sqlite3.h", "sys/mman.h", "sys/stat.h", "fcntl.h"}
IMPURE_FOLDERS = ("rocksdb/", "librdkafka/")
# The memory that two processes share is made and handed over by system calls.
IMPURE_FILES = {"sidecar/tap/memory_file.cpp", "sidecar/tap/handover.cpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(*folders):
    for folder in folders:
        for suffix in ("*.h", "*.cpp"):
            yield from sorted((ROOT / folder).rglob(suffix))


def room_of(path):
    folder = path.parent.relative_to(ROOT).as_posix()
    return PARTS.get(folder, folder)


def below(name, rooms):
    return any(name == room or name.startswith(room + "/") for room in rooms)


def may_include(room):
    """All rooms by name that the room's files may include."""
    found = {room}
    for allowed in ALLOWED[room]:
        prefix = allowed.removesuffix("*")
        found |= {other for other in ALLOWED if other.startswith(prefix) and other != room} if allowed.endswith("*") else {allowed}
    return found


def forbidden_includes(path):
    allowed = may_include(room_of(path))
    for kind, included in INCLUDE.findall(path.read_text()):
        folder = included.rpartition("/")[0]
        if kind == '"' and folder and PARTS.get(folder, folder) not in allowed:
            yield included


ALL_SOURCES = list(sources(*TOPS))


def test_every_source_stands_in_a_listed_room():
    assert [str(p.relative_to(ROOT)) for p in ALL_SOURCES if room_of(p) not in ALLOWED] == [], "list its folder in ALLOWED"


def test_every_listed_room_has_sources():
    lived_in = {room_of(p) for p in ALL_SOURCES}
    assert sorted(set(ALLOWED) - lived_in) == []


def test_beside_the_rooms_stand_only_the_files_that_wire_a_program():
    wrong = [str(p.relative_to(ROOT)) for p in ALL_SOURCES if p.stem not in WIRING.get(room_of(p), {p.stem})]
    assert wrong == [], "put them into a room"


def test_the_arrows_between_rooms_form_no_circle():
    open_rooms, done = [], set()

    def visit(room):
        assert room not in open_rooms, " -> ".join([*open_rooms, room])
        if room in done:
            return
        open_rooms.append(room)
        for other in sorted(may_include(room) - {room}):
            assert other in ALLOWED, f"{room} may include {other}, which is no room"
            visit(other)
        done.add(open_rooms.pop())

    for room in ALLOWED:
        visit(room)


def test_no_include_goes_against_the_arrows():
    wrong = [f"{p.relative_to(ROOT)} includes {i}" for p in ALL_SOURCES for i in forbidden_includes(p)]
    assert wrong == [], "see docs/architecture.md, Layout"


def test_pure_rooms_touch_no_socket_thread_file_or_clock():
    wrong = []
    for path in (p for p in ALL_SOURCES if room_of(p) in PURE):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        for _, included in INCLUDE.findall(text):
            if (included in IMPURE_HEADERS or included.startswith(IMPURE_FOLDERS)) and name not in IMPURE_FILES:
                wrong.append(f"{name} includes <{included}>")
        if ("system_clock::now" in text or "steady_clock::now" in text) and name != "base/core/clock.h":
            wrong.append(f"{name} reads a clock")
    assert wrong == []


def test_the_programs_do_not_know_each_other():
    programs = ("sidecar", "predictor", "agent", "cli")
    wrong = []
    for program in programs:
        others = [p for p in programs if p != program]
        for path in sources(program):
            wrong += [f"{path.relative_to(ROOT)} includes {i}"
                      for _, i in INCLUDE.findall(path.read_text())
                      if below(i, others) and not (program == "cli" and below(i, KNOWN_TO_CLI))]
    assert wrong == []


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_source_file_names_its_licence():
    kinds = {".h", ".cpp", ".py", ".cmake", ".proto"}
    without = [str(p.relative_to(ROOT)) for p in tracked_files()
               if p.suffix in kinds and "SPDX-License-Identifier: Apache-2.0" not in p.read_text()[:400]]
    assert without == []


def test_nothing_large_and_no_path_of_a_machine_is_committed():
    machine = re.compile(r"(^|[^A-Za-z0-9_.])/(work|root|home)/", re.MULTILINE)
    wrong = []
    for path in tracked_files():
        if path.stat().st_size > 1 << 20:
            wrong.append(f"{path.relative_to(ROOT)} is larger than 1 MiB")
        elif path.name != pathlib.Path(__file__).name and "corpus" not in path.parts:
            if machine.search(path.read_text(errors="replace")):
                wrong.append(f"{path.relative_to(ROOT)} names a path of a machine")
    assert wrong == []


def all_includes(name):
    """Of our own, whoever includes them."""
    found, ahead = set(), [name]
    while ahead:
        for kind, included in INCLUDE.findall((ROOT / ahead.pop()).read_text()):
            if kind == '"' and "/" in included and included not in found and (ROOT / included).exists():
                found.add(included)
                ahead.append(included)
    return found


def test_an_exchange_knows_no_codec_and_no_socket():
    for name in ("sidecar/proxy/exchange.h", "sidecar/proxy/exchange.cpp"):
        forbidden = {i for i in all_includes(name) if i.startswith("sidecar/http1/") or i == "sidecar/proxy/channel.h"}
        assert not forbidden, f"{name} includes {forbidden}: an HTTP/2 connection drives exchanges too"
