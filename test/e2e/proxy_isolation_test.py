# SPDX-License-Identifier: Apache-2.0
"""The proxy never waits for the monitor: killed, frozen or dying again and again, requests do not notice,
what was not observed is counted, and the sums balance exactly."""

import os
import pathlib
import random
import signal
import subprocess
import time

import pytest
from processes import http, wait_for
from raw_http import IS_SANITIZED, Load, Proxy, ScriptedUpstream, cpu_ticks, echo


@pytest.fixture
def proxy(programs, tmp_path):
    with ScriptedUpstream(echo) as upstream:
        yield Proxy(programs, tmp_path, upstream.url, "--tap.max-bytes", "1MiB")


def ready_monitor(proxy):
    """The monitor's process id once its admin port answers."""
    def up():
        pid = proxy.monitor_id()
        return pid if pid and http("GET", f"http://127.0.0.1:{proxy.admin_port}/-/healthy")[0] == 200 else None
    return wait_for("the monitor", up, 20, .02)


def test_a_killed_monitor_is_back_within_a_second_and_no_request_notices(proxy):
    ready_monitor(proxy)
    with Load(proxy, clients=4) as load:
        for _ in range(3):
            victim = ready_monitor(proxy)
            os.kill(victim, signal.SIGKILL)
            began = time.monotonic()
            wait_for("another monitor", lambda: proxy.monitor_id() not in (None, victim), 5, .005)
            assert time.monotonic() - began < 1
            ready_monitor(proxy)
        load.stop()
    assert load.bad == []
    proxy.settled(load.good)
    assert proxy.metric("outrider_monitor_restarts_total") == 3


def test_a_frozen_monitor_costs_counted_drops_and_nothing_else(proxy):
    frozen = ready_monitor(proxy)
    os.kill(frozen, signal.SIGSTOP)
    try:
        with Load(proxy, clients=8) as load:
            wait_for("more traffic than the ring holds", lambda: load.good > 6000, 60)
            load.stop()
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert load.bad == []
    found = proxy.settled(load.good)
    assert found["dropped"] > 0
    assert proxy.metric("outrider_exchanges_dropped_total", reason="ring_full") == found["dropped"]
    assert proxy.metric("outrider_monitor_restarts_total") == 0


def test_a_monitor_that_stays_frozen_is_killed_counted_and_replaced(programs, tmp_path):
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, "--monitor.frozen-timeout", "1s")
        frozen = ready_monitor(proxy)
        with Load(proxy, clients=2) as load:
            time.sleep(1.5)  # Longer than the limit: one that works is left alone.
            assert proxy.monitor_id() == frozen
            os.kill(frozen, signal.SIGSTOP)
            began = time.monotonic()
            wait_for("another monitor", lambda: proxy.monitor_id() not in (None, frozen), 10, .02)
            assert time.monotonic() - began > .9
            ready_monitor(proxy)
            load.stop()
        assert load.bad == []
        proxy.settled(load.good)
        assert proxy.metric("outrider_monitor_hangs_total") == 1
        assert proxy.metric("outrider_monitor_restarts_total") == 1


def test_monitors_that_die_at_random_moments_leave_exact_sums(proxy):
    ready_monitor(proxy)
    moments = random.Random(7)
    with Load(proxy, clients=4) as load:
        for _ in range(12):
            wait_for("a monitor", proxy.monitor_id, 10, .005)
            time.sleep(moments.random() * .3)
            proxy.kill_monitor(moments.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]))
            time.sleep(.02)
        load.stop()
    assert load.bad == []
    proxy.settled(load.good)


def test_a_monitor_out_of_memory_is_replaced_and_no_request_notices(programs, tmp_path):
    if IS_SANITIZED:
        pytest.skip("a sanitizer's build takes no memory limit")
    rows = b'{"instances": [' + b",".join(b"[%d, 2, 3, 4]" % i for i in range(40_000)) + b"]}"
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, "--monitor.memory-max", "4MiB")
        first = ready_monitor(proxy)
        with Load(proxy, clients=2) as load:
            big = 0
            while proxy.monitor_id() == first and big < 50:
                assert proxy.post(rows)[0] == 200
                big += 1
                time.sleep(.5)  # One at a time: each that waits in the ring would be the next one's end.
            wait_for("the next monitor", lambda: proxy.monitor_id() is not None, 20)
            assert proxy.monitor_id() not in (None, first)
            ready_monitor(proxy)
            load.stop()
        assert load.bad == []
        proxy.settled(load.good + big)
        assert proxy.metric("outrider_monitor_restarts_total") >= 1


def test_the_exchange_that_a_monitor_died_on_is_given_to_no_other_and_those_behind_it_are(programs, tmp_path):
    count = 9000
    rows = b'{"instances": [%s], "predictions": [%s]}' % (
        b",".join(b"[%d, 2, 3, 4]" % i for i in range(count)), b",".join(b"%d" % i for i in range(count)))
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url)
        victim = ready_monitor(proxy)
        os.kill(victim, signal.SIGSTOP)
        for _ in range(30):
            assert proxy.post(rows)[0] == 200
        before = cpu_ticks(victim)
        os.kill(victim, signal.SIGCONT)
        # All of them take it some hundred ms of CPU: it is within one.
        wait_for("it to be at work", lambda: cpu_ticks(victim) > before + 2, 10, .002)
        os.kill(victim, signal.SIGKILL)
        found = proxy.settled(30)
        assert proxy.metric("outrider_exchanges_failed_total", reason="poisoned") == found["failed"] == 1
        assert found["analysed"] == 29
        assert proxy.metric("outrider_monitor_restarts_total") == 1


SLOW_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static int slowly(const char* name, int fd) {
  close(creat(getenv("SLOW_MARK"), 0600));
  usleep(700000);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
ssize_t write(int fd, const void* bytes, size_t size) {
  if (size > 512) usleep(200000);  // A file's block, no line of a log.
  return ((ssize_t (*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write"))(fd, bytes, size);
}
"""


def test_a_slow_disk_slows_no_request_and_no_count_is_lost(programs, tmp_path):
    if IS_SANITIZED:
        pytest.skip("a sanitizer must be the first library that is loaded")
    (tmp_path / "slow.c").write_text(SLOW_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "slow.so", tmp_path / "slow.c", "-ldl"], check=True)
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, wrap=["env", f"LD_PRELOAD={tmp_path}/slow.so", f"SLOW_MARK={tmp_path}/mark"])
        ready_monitor(proxy)
        times = []
        with Load(proxy, clients=2, body=b'{"prediction": 1.5}') as load:
            prober, until = proxy.connect(), time.monotonic() + 3
            while time.monotonic() < until:
                began = time.monotonic()
                prober.send(b"GET /predict?size=1 HTTP/1.1\r\nHost: m\r\n\r\n")
                assert prober.message()[0].startswith(b"HTTP/1.1 200")
                times.append(time.monotonic() - began)
            load.stop()
        assert load.bad == []
        assert sorted(times)[len(times) * 9 // 10] < .1, "nine of ten take less than one slow write"
        proxy.settled(load.good + len(times))
        assert proxy.metric("outrider_monitor_restarts_total") == 0
        assert (tmp_path / "mark").exists(), "nothing was written slowly"


# The log wants 64 MiB to stay free.
SMALL_DISK = ("unshare", "--map-root-user", "--mount", "sh", "-c",
              'mkdir -p "$0" && mount -t tmpfs -o size=160m tmpfs "$0" && exec "$@"')


def test_a_full_disk_costs_the_log_and_nothing_else(programs, tmp_path):
    probe = subprocess.run([*SMALL_DISK, tmp_path / "probe", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no namespace for a small disk may be made here")
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, wrap=[*SMALL_DISK, tmp_path / "data"])
        monitor = ready_monitor(proxy)
        disk = pathlib.Path(f"/proc/{proxy.process.pid}/root{tmp_path}/data")
        with Load(proxy, clients=2, body=b'{"prediction": 1.5}') as load:
            wait_for("some load", lambda: load.good > 200, 20)
            filler = disk / "filler"
            try:
                filler.write_bytes(b"x" * (160 << 20))
            except OSError:
                pass  # That is the point.
            wait_for("predictions that found no room",
                     lambda: proxy.metric("outrider_log_dropped_total", reason="disk_full") > 0, 30)
            load.stop()
        assert load.bad == []
        found = proxy.settled(load.good)
        assert found["analysed"] == load.good
        # With room again the log goes on by itself.
        filler.unlink()
        wait_for("the log to be available again", lambda: proxy.metric("outrider_log_available") == 1, 30)
        stored = proxy.metric("outrider_log_stored_total")
        assert proxy.post(b'{"prediction": 1.5}')[0] == 200
        wait_for("a stored prediction", lambda: proxy.metric("outrider_log_stored_total") > stored, 10)
        assert proxy.monitor_id() == monitor


def test_connections_that_end_while_a_monitor_starts_leave_nothing_behind(proxy):
    """A child that is being started holds copies of all sockets: a closed one must not speak any more."""
    with Load(proxy, clients=8, keep_alive=False) as load:
        for _ in range(10):
            wait_for("a monitor to kill", proxy.kill_monitor, 10, .002)
            time.sleep(.12)
        load.stop()
    assert load.bad == [] and load.good > 100
    assert proxy.process.poll() is None


def test_when_the_proxy_is_killed_the_monitor_ends_too(programs, proxy):
    monitor = ready_monitor(proxy)
    proxy.process.kill()
    proxy.process.wait()
    programs.running.pop("sidecar")
    wait_for("the monitor's end", lambda: not pathlib.Path(f"/proc/{monitor}").exists(), 15)


def test_sighup_reaches_the_monitor_and_changes_nothing_for_requests(proxy):
    monitor = ready_monitor(proxy)
    proxy.process.send_signal(signal.SIGHUP)
    time.sleep(.2)
    assert proxy.monitor_id() == monitor
    assert proxy.post(b"x")[2] == b"x"


def test_reloads_under_load_change_what_is_captured_and_no_request(programs, tmp_path):
    config = tmp_path / "model.yaml"

    def write(path):
        config.write_text(f"model: {{name: m}}\nrequest: {{match: {{path: {path}}}}}\n")
    write("/predict")
    with ScriptedUpstream(echo) as upstream:
        proxy = Proxy(programs, tmp_path, upstream.url, "--model.config", config)
        ready_monitor(proxy)

        def grows(word):
            before = proxy.exchanges()[word]
            wait_for(f"{word} exchanges", lambda: proxy.exchanges()[word] > before + 50, 20)
        with Load(proxy, clients=4, body=b'{"prediction": 1.5}') as load:
            for _ in range(2):
                grows("analysed")
                write("/other")
                proxy.process.send_signal(signal.SIGHUP)
                grows("skipped")
                write("[")  # What cannot be read changes nothing.
                proxy.process.send_signal(signal.SIGHUP)
                wait_for("the refusal", lambda: proxy.metric("outrider_config_last_reload_successful") == 0, 10)
                grows("skipped")
                write("/predict")
                proxy.process.send_signal(signal.SIGHUP)
            grows("analysed")
            load.stop()
        assert load.bad == []
        proxy.settled(load.good)
        assert proxy.metric("outrider_monitor_restarts_total") == 0


def test_the_monitor_command_is_not_for_people(programs, tmp_path):
    from raw_http import sidecar_binary
    ended = subprocess.run([sidecar_binary(), "monitor"], capture_output=True, text=True, timeout=10)
    assert ended.returncode == 2
    assert "'monitor' is no command" in ended.stderr
