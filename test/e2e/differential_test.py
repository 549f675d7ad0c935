# SPDX-License-Identifier: Apache-2.0
"""The sidecar against nginx and HAProxy, by raw requests to one recording upstream.

differential/cases.json says of each request what RFC 9112 and our strictness make of it: `forwarded`,
or the word that it is refused with. differential/differences.json names and justifies, for each case
and peer, why the peer does otherwise; a difference that is not in it fails, and so does one in it
that is not there any more, unless the table says that the peer does so only sometimes. The unit test
cases_test.cpp feeds the same cases to the parser at every split; here a sample goes through real sockets so.

The same for responses: responses.json and response_differences.json, an upstream that answers with any
bytes, and what the client gets of them.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from differential import harness
from processes import Programs, free_port

CASES = harness.load("cases.json")
# What an answer may say when it refuses for that word; 400 for every other.
STATUS = {"request_line_too_large": 414, "head_too_large": 431, "too_many_fields": 431, "trailers_too_large": 431,
          "bad_expectation": 417, "unsupported_transfer_encoding": 501, "connect_refused": 501,
          "unsupported_version": 505, "body_too_large": 413}
# How far an upstream got with a request that never ended is a matter of moments; all else is compared.
COMPARED = ("requests", "nonsense", "answers", "end")


@pytest.fixture(scope="module")
def sidecar_binary():
    folder = pathlib.Path(os.environ.get("OUTRIDER_BIN", pathlib.Path(__file__).parents[2] / "build" / "bin"))
    if not (folder / "outrider-sidecar").exists():
        pytest.fail(f"{folder} lacks outrider-sidecar: run scripts/build first")
    return folder / "outrider-sidecar"


@pytest.fixture(scope="module")
def through(sidecar_binary, tmp_path_factory):
    """through(proxy, upstream) -> (port, upstream): each pair is started once, with an upstream of its own."""
    folder = tmp_path_factory.mktemp("differential")
    running, recorders = {}, []
    with Programs(folder / "logs") as programs:

        def start(name, upstream=harness.Recorder):
            key = f"{name}-{upstream.__name__}"
            if key in running:
                return running[key]
            recorder = upstream()
            recorders.append(recorder)
            port, own_folder = free_port(), folder / key
            own_folder.mkdir()
            if name == "ours":
                command = [sidecar_binary, "--upstream", f"http://127.0.0.1:{recorder.port}",
                           "--proxy.listen-address", f"127.0.0.1:{port}",
                           "--web.listen-address", f"127.0.0.1:{free_port()}", "--data.dir", own_folder]
            else:
                command = harness.peer_command(name, own_folder, port, recorder.port)
                if command is None:
                    pytest.skip(f"{name} is not installed")
            programs.start(key, command)
            harness.wait_until_open(port)
            running[key] = port, recorder
            return running[key]

        yield start
    for recorder in recorders:
        recorder.__exit__()


def run(target, case, pieces=None, pause=0.0):
    port, recorder = target
    raw = harness.bytes_of(case["request"])
    return harness.run(port, recorder, pieces or [raw], [raw.startswith(b"HEAD ")], pause)


def expected_messages(case):
    return case.get("messages", 1 if case["expect"] == "forwarded" else 0)


def faults(case, outcome, at_once=True):
    """What of an outcome of ours is not as the case says."""
    found = []
    refused = case["expect"] != "forwarded"
    if len(outcome.messages) != expected_messages(case):
        found.append(f"{len(outcome.messages)} requests at the upstream, not {expected_messages(case)}")
    if outcome.malformed:
        found.append(f"nonsense at the upstream: {outcome.malformed}")
    # What came in one piece is judged before any of it is passed on; later pieces come too late for that.
    if outcome.partial and (at_once or not refused) and case["expect"] != "incomplete":
        found.append(f"begun at the upstream and never ended: {outcome.partial}")
    if case["expect"] == "incomplete":
        return found
    if refused and outcome.error != case["expect"]:
        found.append(f"refused for {outcome.error!r}")
    statuses = [200] * expected_messages(case) + ([STATUS.get(case["expect"], 400)] if refused else [])
    if outcome.statuses != statuses:
        found.append(f"answered {outcome.statuses}, not {statuses}")
    return found


def test_ours_forwards_what_is_proper_and_nothing_that_is_ambiguous(through):
    ours = through("ours")
    assert len(CASES) >= 300
    failed = {case["name"]: found for case in CASES if (found := faults(case, run(ours, case)))}
    assert not failed


def expected_head(raw):
    """The head that is to go upstream, told from the client's bytes by other means than the sidecar's."""
    head = raw[raw.startswith(b"\r\n") * 2:].split(b"\r\n\r\n", 1)[0]
    first, *lines = head.split(b"\r\n")

    def name(line):
        return line.split(b":", 1)[0].decode("latin-1").lower()

    options = [o.strip().lower() for line in lines if name(line) == "connection"
               for o in line.split(b":", 1)[1].decode("latin-1").split(",")]
    dropped = harness.HOP_BY_HOP | {"x-prediction-id"} | set(options)
    return [first, *(line for line in lines if name(line).replace("x_prediction_id", "x-prediction-id") not in dropped)]


def test_what_is_forwarded_is_forwarded_byte_for_byte(through):
    """But for hop-by-hop fields, the client's prediction ids, and ours at the end."""
    ours = through("ours")
    compared = 0
    for case in CASES:
        raw = harness.bytes_of(case["request"])
        if case["expect"] != "forwarded" or "messages" in case or b"://" in raw.split(b"\r\n")[0]:
            continue
        message = run(ours, case).messages[0]
        lines = message.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert lines[:-1] == expected_head(raw), case["name"]
        name, _, value = lines[-1].decode().partition(": ")
        assert name == "X-Prediction-Id" and harness.is_ours(value), case["name"]
        assert raw.endswith(message.raw_body) and (message.raw_body or not message.body), case["name"]
        compared += 1
    assert compared >= 100


def check_table(table, peer, cases, differences):
    """The differences of each case are in the table where there are any, and only there."""
    named = {name: reason for reason, row in table.items() for name in row.get(peer, ())}
    sometimes = {name for row in table.values() if row.get("sometimes") for name in row.get(peer, ())}
    assert len(named) == sum(len(row.get(peer, ())) for row in table.values()), "a case has two reasons"
    assert set(named) <= {case["name"] for case in cases}
    assert all(len(row["why"]) >= 15 for row in table.values())
    wrong = {}
    for case in cases:
        if case["name"] in sometimes:
            continue
        # A peer that streams may decide by what it happened to have read; it gets a second and a third try.
        for _ in range(3):
            differs = differences(case)
            if bool(differs) == (case["name"] in named):
                break
        else:
            wrong[case["name"]] = differs or "is in the table, but does not differ"
    assert not wrong


# The peers that the tables of differences are about, Debian 12's. Newer ones mend some and make others.
TABLED = {"nginx": r"nginx/1\.22\.", "haproxy": r"version 2\.6\."}


@pytest.fixture(params=TABLED)
def peer(request):
    program = shutil.which(request.param) or shutil.which(request.param, path="/usr/sbin")
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    if not re.search(TABLED[request.param], said.stdout + said.stderr):
        pytest.skip(f"the table is of another version than {(said.stdout + said.stderr).splitlines()[0]}")
    return request.param


def test_every_difference_to_a_peer_is_named_and_justified(through, peer):
    ours, theirs = through("ours"), through(peer)

    def differences(case):
        a, b = run(ours, case).describe(), run(theirs, case).describe()
        return {aspect: (a[aspect], b[aspect]) for aspect in COMPARED if a[aspect] != b[aspect]}

    check_table(harness.load("differences.json"), peer, CASES, differences)


RESPONSES = harness.load("responses.json")


def fetch(target, case):
    port, script = target
    request = harness.bytes_of(case.get("request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    return harness.fetch(port, script, request, harness.bytes_of(case["response"]))


def test_a_response_that_could_be_read_in_two_ways_is_answered_with_502(through):
    """A proper one comes through whole with nothing behind it, one that breaks off never looks whole."""
    ours = through("ours", harness.Script)
    failed = {}
    for case in RESPONSES:
        got = fetch(ours, case)
        is_head = case.get("request", "").startswith("HEAD ")  # Then the word of our 502 is not sent either.
        as_expected = {
            "forwarded": got["end"] == "whole" and got["error"] == "" and got["more"] == "b''",
            "truncated": got["end"] in ("cut short", "reset") and got["status"] == "200",
            "closed": (got["status"], got["error"]) == ("502", "upstream_closed"),
        }.get(case["expect"], (got["status"], got["error"]) == ("502", "" if is_head else "upstream_invalid_response"))
        if not as_expected:
            failed[case["name"]] = got
    assert not failed


def test_every_difference_in_responses_is_named_and_justified(through, peer):
    ours, theirs = through("ours", harness.Script), through(peer, harness.Script)

    def differences(case):
        a, b = fetch(ours, case), fetch(theirs, case)
        if a["status"] == b["status"] == "502":
            return {}  # The pages differ.
        return {k: (a[k], b[k]) for k in a if k != "error" and a[k] != b[k]}

    check_table(harness.load("response_differences.json"), peer, RESPONSES, differences)


SPLIT = ["a length", "chunked", "several chunks", "extension: two", "trailer: two fields", "an absolute target",
         "Connection names a field", "a body and a request", "two lengths, equal", "length and encoding: length first",
         "encoding folded", "a semicolon and LF", "data longer than the size", "trailer: Content-Length", "no Host"]


@pytest.mark.parametrize("name", SPLIT)
def test_splits_change_nothing_through_real_sockets(through, name):
    """Each sample byte by byte, and in two pieces at every byte, each piece a packet of its own."""
    ours = through("ours")
    case = next(case for case in CASES if case["name"] == name)
    raw = harness.bytes_of(case["request"])
    bytewise = [raw[i:i + 1] for i in range(len(raw))]
    assert not faults(case, run(ours, case, bytewise), at_once=False)
    assert not faults(case, run(ours, case, bytewise, pause=0.001), at_once=False)
    for i in range(1, len(raw)):
        assert not faults(case, run(ours, case, [raw[:i], raw[i:]], pause=0.001), at_once=False), f"split at {i}"
