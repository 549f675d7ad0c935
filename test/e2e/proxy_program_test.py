# SPDX-License-Identifier: Apache-2.0
"""The proxy's program is small: it loads no library of the monitor's, keeps to its memory, and passes traffic where the
monitor's program is missing."""

import pathlib
import re
import shutil
import subprocess

import pytest
from processes import http, wait_for
from raw_http import IS_SANITIZED, Proxy, ScriptedUpstream, echo, sidecar_binary

# The C and C++ libraries, logging, options, TLS. What a sanitizer brings along is not ours.
LIBRARIES = {"ld-linux-x86", "libc", "libm", "libgcc_s", "libstdc++", "libspdlog", "libfmt", "libboost_program_options", "libyaml-cpp",
           "libssl", "libcrypto"}
SANITIZERS = {"libasan", "libubsan", "libtsan", "libdl", "libpthread", "librt", "libresolv"}
MIB = 1 << 20


def loaded_libraries(process):
    maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
    return set(re.findall(r"/([^/\s]+?)(?:-[\d.]+)?\.so(?:\.[\d.]+)?$", maps, re.M))


def memory_peak_bytes(process):
    """The most that was ever resident, but for the ring. Until exchanges fill it, next to nothing of that is resident."""
    status = dict(re.findall(r"^(VmHWM|RssShmem):\s+(\d+) kB$", pathlib.Path(f"/proc/{process.pid}/status").read_text(), re.M))
    assert int(status["RssShmem"]) < 1024
    return 1024 * (int(status["VmHWM"]) - int(status["RssShmem"]))


@pytest.fixture
def upstream():
    with ScriptedUpstream(echo) as upstream:
        yield upstream


@pytest.fixture
def alone(tmp_path):
    """outrider-sidecar in a folder without outrider-monitor."""
    return pathlib.Path(shutil.copy2(sidecar_binary(), tmp_path))


def test_the_proxy_loads_nothing_of_what_the_monitor_needs(programs, tmp_path, upstream):
    proxy = Proxy(programs, tmp_path, upstream.url)
    assert proxy.post(b"x")[2] == b"x"
    loaded = loaded_libraries(proxy.process)
    assert loaded - (SANITIZERS if IS_SANITIZED else set()) <= LIBRARIES, "link less, or say here why the proxy needs it"
    assert {"libc", "libstdc++"} <= loaded


def test_the_proxy_takes_at_most_12_mib_from_its_start_to_256_connections(programs, tmp_path, upstream):
    if IS_SANITIZED:
        pytest.skip("a sanitizer's build takes more")
    proxy = Proxy(programs, tmp_path, upstream.url)
    assert memory_peak_bytes(proxy.process) <= 12 * MIB
    connections = [proxy.connect() for _ in range(256)]
    for connection in connections:
        connection.send(b'POST /predict HTTP/1.1\r\nHost: m\r\nContent-Length: 8\r\n\r\n{"a": 1}')
    for connection in connections:
        assert connection.message()[1] == b'{"a": 1}'
    assert memory_peak_bytes(proxy.process) <= 12 * MIB
    for connection in connections:
        connection.close()


def test_without_the_monitors_program_traffic_passes_and_the_log_says_what_is_missing(programs, tmp_path, upstream, alone):
    proxy = Proxy(programs, tmp_path, upstream.url, program=alone)
    wait_for("two tries", lambda: programs.log("sidecar").count("the monitor cannot be started") >= 2, 10, .02)
    for i in range(20):
        assert proxy.post(b"%d" % i)[2] == b"%d" % i
    # As with a monitor that died: the proxy answers for itself, the admin port is nobody's.
    assert http("GET", proxy.url("/-/healthy"))[0] == http("GET", proxy.url("/-/ready"))[0] == 200
    with pytest.raises(OSError):
        http("GET", f"http://127.0.0.1:{proxy.admin_port}/-/healthy")
    assert (f"{tmp_path / 'outrider-monitor'}: No such file or directory; requests go on, and nothing of them is observed; "
            "install outrider-monitor beside outrider-sidecar") in programs.log("sidecar")

    # Once it is there, nothing is lost but the time: what waited in the ring is analysed, the tries are counted.
    shutil.copy2(sidecar_binary().with_name("outrider-monitor"), tmp_path / "arriving")
    (tmp_path / "arriving").rename(tmp_path / "outrider-monitor")
    proxy.settled(20)
    assert proxy.metric("outrider_monitor_restarts_total") == programs.log("sidecar").count("the monitor cannot be started") >= 2


def test_the_proxys_program_tells_its_own_options(alone):
    ended = subprocess.run([alone, "--help"], capture_output=True, text=True, timeout=10)
    assert ended.returncode == 0 and "--upstream" in ended.stdout and "--web.listen-address" in ended.stdout


@pytest.mark.parametrize("program, command, wanted", [
    ("outrider-sidecar", ["profile", "--data", "/nowhere.csv", "--out", "x.json"], "/nowhere.csv"),
    ("outrider-sidecar", ["inspect", "/nowhere.json"], "/nowhere.json"),
    ("outrider-sidecar", ["backtest", "--errors", "/nowhere.csv", "--reference-error-rate", "0.1"], "/nowhere.csv"),
    ("outrider-sidecar", ["inject", "-f", "/nowhere.yaml"], "/nowhere.yaml"),
    ("outrider-agent", ["backtest", "--input", "/nowhere.csv", "--output", "x.csv"], "/nowhere.csv"),
])
def test_a_command_works_under_its_old_name_and_says_where_it_went(program, command, wanted):
    old = subprocess.run([sidecar_binary().with_name(program), *command], capture_output=True, text=True, timeout=10)
    new = subprocess.run([sidecar_binary().with_name("outrider"), *command], capture_output=True, text=True, timeout=10)
    first, _, rest = old.stderr.partition("\n")
    assert first == (f"{program}: '{command[0]}' is a command of the program outrider now: run outrider {command[0]}; "
                     "the next release drops the old name")
    assert (old.returncode, old.stdout, rest) == (new.returncode, new.stdout, new.stderr) and wanted in rest


def test_an_old_name_without_the_program_outrider_says_what_is_missing(alone):
    ended = subprocess.run([alone, "profile"], capture_output=True, text=True, timeout=10)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.endswith(f"outrider-sidecar: cannot run {alone.with_name('outrider')}: No such file or directory; "
                                 "install outrider beside outrider-sidecar\n")


def test_the_monitors_program_sends_who_calls_it_to_the_sidecars():
    ended = subprocess.run([sidecar_binary().with_name("outrider-monitor")], capture_output=True, text=True, timeout=10)
    assert ended.returncode == 1 and "run outrider-sidecar serve" in ended.stderr
