# SPDX-License-Identifier: Apache-2.0
"""How many replicas are wanted, on real processes whose truth is known: model servers with four workers and a fixed service time,
each behind a sidecar, behind HAProxy, with Poisson arrivals. So each replica is M/D/4, and what it bears is computed. The servers
sleep: the machine's CPU is not what limits them, and its hiccups are short beside the wait that the objective allows.

Time is stretched: six seconds of the processes are a minute of Prometheus, to which their scrapes are brought as a past. Loads are
a tenth of the real ones for it; latencies are as they were. The agent reads that past as it does any."""

import asyncio
import contextlib
import heapq
import math
import random
import subprocess
import sys
import time

import aiohttp
import pytest
from ahead_test import report
from conftest import ROOT
from processes import free_port, http_json, wait_for
from stack import Metrics, Program, Sidecar

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

WORKERS, SERVICE, OBJECTIVE = 4, 0.2, 0.4  # Seconds; the objective is of the 95th percentile.
STRETCH, SCRAPE, MINUTE = 10, 1.5, 6
REPLICAS = 4
BUCKETS = ",".join(f"{0.2 + 0.02 * i:.2f}" for i in range(30))
TIMES = (0.5, 1, 2, 4)  # The load, in what one replica bears with a tenth to spare.
RULES = """
step: 15m
history: 10d
horizons: [1h]
capacity:
  - name: live
    load: sum by (service) (rate(outrider_requests_total[2m]))
    replicas: max by (service) (serving)
    latency: histogram_quantile(0.95, sum by (service, le) (rate(outrider_request_duration_seconds_bucket[2m])))
    mean_latency: |
      sum by (service) (rate(outrider_request_duration_seconds_sum[2m]))
        / sum by (service) (rate(outrider_request_duration_seconds_count[2m]))
    objective: 400ms
"""
FAMILIES = ("outrider_requests_total", "outrider_request_duration_seconds_bucket", "outrider_request_duration_seconds_sum",
            "outrider_request_duration_seconds_count")


def p95(load, service, seed=3, requests=60_000):
    """The 95th percentile of M/D/4, request by request."""
    chance, at, free, latencies = random.Random(seed), 0.0, [0.0] * WORKERS, []
    for _ in range(requests):
        at += chance.expovariate(load)
        done = max(at, free[0]) + service
        heapq.heapreplace(free, done)
        latencies.append(done - at)
    latencies.sort()
    return latencies[requests * 95 // 100]


def borne_by_one(service):
    """Requests a second at which the objective is just kept."""
    low, high = 0.1 * WORKERS / service, 0.99 * WORKERS / service
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if p95(middle, service) <= OBJECTIVE else (low, middle)
    return low


def balancer(programs, folder, sidecars):
    """HAProxy with two frontends, over two replicas and over all of them, each request to one by chance. Their URLs."""
    ports = {2: free_port(), REPLICAS: free_port()}
    text = "defaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n"
    for count, port in ports.items():
        text += f"listen replicas{count}\n  bind 127.0.0.1:{port}\n  balance random(1)\n"
        text += "".join(f"  server r{i} {sidecar.proxy[7:]}\n" for i, sidecar in enumerate(sidecars[:count]))
    (folder / "haproxy.cfg").write_text(text)
    programs.start("haproxy", ["haproxy", "-db", "-f", folder / "haproxy.cfg"])
    return {count: f"http://127.0.0.1:{port}/predict?x=1" for count, port in ports.items()}


class Recorder:
    """Scrapes of all sidecars, with the count of replicas that the load goes to."""

    def __init__(self, sidecars):
        self.sidecars, self.serving, self.scrapes = sidecars, 2, []

    async def run(self):
        due = time.monotonic()
        while True:
            at, serving = time.monotonic(), self.serving
            pages = await asyncio.gather(*(asyncio.to_thread(sidecar.metrics) for sidecar in self.sidecars))
            self.scrapes.append((at, serving, [self.kept(page) for page in pages]))
            due += SCRAPE
            await asyncio.sleep(max(0, due - time.monotonic()))

    @staticmethod
    def kept(page: Metrics):
        kept = {}
        for sample in page.samples:
            if sample.name in FAMILIES:
                key = (sample.name, sample.labels.get("le", ""))
                kept[key] = kept.get(key, 0) + sample.value
        return kept


async def send(session, url, answers):
    async with session.post(url, json={"x": 1}) as answer:
        await answer.read()
        answers.append(answer.status)


async def load_for(session, url, rate, seconds, chance, answers):
    """Poisson arrivals that wait for no answer."""
    at = time.monotonic()
    until, sent = at + seconds, set()
    while (at := at + chance.expovariate(rate)) < until:
        await asyncio.sleep(max(0, at - time.monotonic()))
        task = asyncio.create_task(send(session, url, answers))
        sent.add(task)
        task.add_done_callback(sent.discard)
    await asyncio.gather(*sent)


async def measure(sidecars, urls, one):
    """The learning phase and then each of TIMES: (scrapes, {times: (from, to)} by monotonic time, answers)."""
    recorder, chance, answers, phases = Recorder(sidecars), random.Random(1), [], {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        recording = asyncio.create_task(recorder.run())
        for count in (2, REPLICAS):
            recorder.serving = count
            for level in range(10):  # 0.55 to 1.1 of what one replica bears.
                await load_for(session, urls[count], count * one * 0.55 * 1.08**level, 3 * MINUTE, chance, answers)
        for times in TIMES:
            recorder.serving = 2 if times <= 1 else REPLICAS
            begin = time.monotonic()
            await load_for(session, urls[recorder.serving], 0.9 * times * one, 5 * MINUTE, chance, answers)
            phases[times] = (begin, time.monotonic())
        recording.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await recording
    return recorder.scrapes, phases, answers


def past(scrapes, phases):
    """OpenMetrics: a service for each of TIMES, whose past is the learning phase and then that load, as if it were now."""
    learned_until = phases[TIMES[0]][0]
    end = int(time.time()) // 60 * 60 + 120
    families = {}
    for times, (begin, until) in phases.items():
        shown = [s for s in scrapes if s[0] < learned_until or begin <= s[0] <= until]
        # The other loads lie between: their time is taken out, their counts remain and make one rise between two scrapes.
        gap = begin - learned_until
        for at, serving, pods in shown:
            stretched = end - STRETCH * (until - at - (gap if at < learned_until else 0))
            families.setdefault("serving", []).append((f'{{service="x{times}"}}', serving, stretched))
            for pod, kept in enumerate(pods):
                for (name, le), value in kept.items():
                    bucket = f',le="{le}"' if le else ""
                    families.setdefault(name, []).append((f'{{service="x{times}",pod="{pod}"{bucket}}}', value, stretched))
    lines = []
    for name, samples in families.items():
        lines.append(f"# TYPE {name} unknown")
        samples.sort(key=lambda sample: (sample[0], sample[2]))
        lines += [f"{name}{labels} {value:.9g} {at:.3f}" for labels, value, at in samples]
    return "\n".join([*lines, "# EOF", ""])


def test_replicas_wanted_on_real_processes_are_within_one_of_the_truth_or_unknown(programs, binaries, agent_binary, tmp_path):
    servers, sidecars = [], []
    for i in range(REPLICAS):
        port = free_port()
        programs.start(f"server-{i}", [sys.executable, ROOT / "test" / "e2e" / "servers" / "fixed_service.py", port, WORKERS, SERVICE])
        servers.append(f"http://127.0.0.1:{port}")
        wait_for("the server", lambda url=servers[-1]: http_json("GET", f"{url}/stats"), 20)
        sidecars.append(Sidecar(programs, binaries, servers[-1], tmp_path / f"sidecar-{i}", f"sidecar-{i}",
                                ["--proxy.latency-buckets", BUCKETS]))
    urls = balancer(programs, tmp_path, sidecars)
    scrapes, phases, answers = asyncio.run(measure(sidecars, urls, borne_by_one(SERVICE)))
    assert answers and set(answers) == {200}

    # What a worker took in truth: its sleep, and what the machine added.
    stats = [http_json("GET", f"{url}/stats") for url in servers]
    service = sum(one["seconds"] for one in stats) / sum(one["served"] for one in stats)
    one = borne_by_one(service)

    (tmp_path / "past.om").write_text(past(scrapes, phases))
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", tmp_path / "past.om", tmp_path / "tsdb"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    prometheus, admin = free_port(), free_port()
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    Program(programs, "prometheus", ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                                     f"--web.listen-address=127.0.0.1:{prometheus}"], f"http://127.0.0.1:{prometheus}")
    (tmp_path / "ahead.yaml").write_text(RULES)
    agent = Program(programs, "agent", [
        agent_binary, "--web.listen-address", f"127.0.0.1:{admin}", "--data.dir", tmp_path / "data",
        "--prometheus.url", f"http://127.0.0.1:{prometheus}", "--forecast.rules", tmp_path / "ahead.yaml"], f"http://127.0.0.1:{admin}")
    wait_for("the capacities", lambda: len(report(agent)["capacity"]) == len(TIMES), 60)

    known = 0
    print(f"\nservice {1000 * service:.1f} ms (asked for {1000 * SERVICE:.0f}); one replica bears {one:.2f}/s")
    for said in sorted(report(agent)["capacity"], key=lambda item: float(item["labels"]["service"][1:])):
        load, replica, now = STRETCH * said["load"], said["replica"], said["now"]
        truth = math.ceil(load / one - 1e-9)
        print(f"  {said['labels']['service']}: {load:.1f}/s, {said['replicas']:.0f} replicas; one bears {STRETCH * (replica['load'] or 0):.2f}/s "
              f"({STRETCH * (replica['low'] or 0):.2f} to {STRETCH * (replica['high'] or 0):.2f}), {replica['queues']}; "
              f"wanted {now['wanted']}, truth {truth}; {said['says']}")
        if now["wanted"] is None:
            assert now["reason"]
            continue
        known += 1
        assert abs(now["wanted"] - truth) <= 1, said["says"]
    assert known >= 3
