# SPDX-License-Identifier: Apache-2.0
"""Arrows point one way: an include that goes against the layering fails here, with its line."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# room -> what it may include besides itself. The longest matching prefix speaks for a file.
ALLOWED = {
    "base/core": [],
    "base/wire": ["base/core"],
    "base/net": ["base/core", "base/wire"],
    "base/config": ["base/core"],
    "base/remote_write": ["base/core", "base/wire", "base/net", "base/config"],
    "detectors": ["base/core"],
    "detectors/forecast": ["base/core"],
    "reference": ["base/core", "base/wire", "detectors"],
    "sidecar/http1": ["base/core"],
    "sidecar/tap": ["base/core"],
    "sidecar/proxy": ["base", "sidecar/http1", "sidecar/tap"],
    "sidecar/decode": ["base/core", "base/wire", "base/config", "detectors", "sidecar/http1", "sidecar/tap"],
    "sidecar/monitor": ["base/core", "base/wire", "base/config", "detectors", "reference", "sidecar/decode",
                        "sidecar/labels", "sidecar/tap"],
    "sidecar/labels": ["base", "detectors"],
    "sidecar/export": ["base", "sidecar/http1", "sidecar/labels", "sidecar/monitor", "sidecar/tap"],
    "sidecar/commands/inject": ["base/core", "base/wire"],
    "sidecar": ["base", "detectors", "reference", "sidecar"],
    "predictor/model": ["base/core", "base/wire", "detectors"],
    "predictor/evaluate": ["base/core", "detectors", "predictor/model"],
    "predictor/gates": ["base/core", "predictor/evaluate", "predictor/model"],
    "predictor/protocol": ["base/core", "base/wire", "detectors", "predictor/model"],
    "predictor/registry": ["base"],
    "predictor/train": ["base", "detectors", "reference", "predictor/evaluate", "predictor/gates", "predictor/model",
                        "predictor/registry"],
    "predictor/retrain": ["base", "detectors", "predictor/evaluate", "predictor/gates", "predictor/model", "predictor/registry",
                          "predictor/train"],
    "predictor/serve": ["base", "predictor/gates", "predictor/model", "predictor/protocol", "predictor/registry",
                        "predictor/retrain", "predictor/train"],
    "predictor": ["base", "detectors", "reference", "predictor"],
    "agent/series": ["base/core", "detectors"],
    "agent/incident": ["base/core", "base/wire"],
    "agent/diagnose": ["base/core", "detectors", "agent/incident"],
    "agent/forecast": ["base/core", "detectors"],
    "agent/decide": ["base/core", "base/wire", "base/config", "agent/incident", "agent/forecast"],
    "agent": ["base", "detectors", "reference", "agent"],
    "cli/forecast": ["base/core", "base/wire", "detectors"],
    "cli/labels": ["base/core", "base/wire", "detectors", "reference"],
    "cli": ["base", "detectors", "cli"],
}

# What a PURE room must not touch: sockets, threads, files, the wall clock.
PURE = ["base/core", "base/wire", "detectors", "reference", "sidecar/http1", "sidecar/decode", "sidecar/monitor",
        "sidecar/commands/inject",
        "predictor/model", "predictor/evaluate", "predictor/gates", "predictor/protocol",
        "agent/series", "agent/incident", "agent/diagnose", "agent/forecast", "agent/decide", "cli/forecast", "cli/labels"]
IMPURE_HEADERS = {"thread", "fstream", "filesystem", "sys/socket.h", "sys/epoll.h", "unistd.h", "curl/curl.h",
                  "civetweb.h", "future"}
PURE_EXCEPTIONS = {("base/core/bounded_queue.h", "thread")}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(*folders):
    for folder in folders:
        for suffix in ("*.h", "*.cpp"):
            yield from sorted((ROOT / folder).rglob(suffix))


def room_of(path):
    name = path.relative_to(ROOT).as_posix()
    rooms = [room for room in ALLOWED if name.startswith(room + "/")]
    return max(rooms, key=len) if rooms else None


def below(path, rooms):
    return any(path == room or path.startswith(room + "/") for room in rooms)


def forbidden_includes(path):
    room = room_of(path)
    for kind, included in INCLUDE.findall(path.read_text()):
        if kind != '"' or "/" not in included:
            continue
        if included.startswith(room + "/") or below(included, ALLOWED[room]):
            continue
        yield included


ALL_SOURCES = list(sources("base", "detectors", "reference", "sidecar", "predictor", "agent", "cli"))


def test_every_source_stands_in_a_known_room():
    assert [str(p) for p in ALL_SOURCES if room_of(p) is None] == []


def test_no_include_goes_against_the_arrows():
    wrong = [f"{p.relative_to(ROOT)} includes {i}" for p in ALL_SOURCES for i in forbidden_includes(p)]
    assert wrong == [], "see docs/architecture.md, Layout"


def test_pure_rooms_touch_no_socket_thread_file_or_clock():
    wrong = []
    for path in sources(*PURE):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        for _, included in INCLUDE.findall(text):
            if included in IMPURE_HEADERS and (name, included) not in PURE_EXCEPTIONS:
                wrong.append(f"{name} includes <{included}>")
        if "system_clock::now" in text and name != "base/core/clock.h":
            wrong.append(f"{name} reads the wall clock")
    assert wrong == []


def test_the_programs_do_not_know_each_other():
    programs = ("sidecar", "predictor", "agent", "cli")
    wrong = []
    for program in programs:
        others = [p for p in programs if p != program]
        for path in sources(program):
            wrong += [f"{path.relative_to(ROOT)} includes {i}"
                      for _, i in INCLUDE.findall(path.read_text()) if below(i, others)]
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
