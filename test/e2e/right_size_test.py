# SPDX-License-Identifier: Apache-2.0
"""`outrider right-size`, and the agent that asks the same by itself, over a Prometheus with the series of cAdvisor,
kube-state-metrics and the sidecars."""

import json
import subprocess
import time

import pytest
from processes import free_port, http, http_json, wait_for
from stack import Program

STEP, DAYS = 300, 3
MEBIBYTE = 1 << 20


def series(now):
    """OpenMetrics: two deployments of two pods. `price` uses 0.4 of 2 cores; `idle` nothing, and was throttled and killed."""
    times = range(now - DAYS * 86_400, now + 1, STEP)
    families = {}

    def add(name, labels, value, kind="gauge"):
        text = ",".join(f'{key}="{of}"' for key, of in labels.items())
        lines = families.setdefault((name, kind), [])
        suffix = "_total" if kind == "counter" else ""
        lines.extend(f"{name}{suffix}{{{text}}} {value(at - times[0]):.12g} {at}" for at in times)

    for deployment, cpu, memory in (("price", 0.4, 1000), ("idle", 0.02, 200)):
        replicaset = f"{deployment}-7c"
        add("kube_replicaset_owner", {"namespace": "shop", "replicaset": replicaset, "owner_kind": "Deployment",
                                      "owner_name": deployment}, lambda _: 1)
        for letter in "ab":
            pod = {"namespace": "shop", "pod": f"{replicaset}-{letter}"}
            of = {**pod, "container": "model"}
            add("kube_pod_owner", {**pod, "owner_kind": "ReplicaSet", "owner_name": replicaset}, lambda _: 1)
            add("kube_pod_container_resource_requests", {**of, "resource": "cpu"}, lambda _: 2)
            add("kube_pod_container_resource_requests", {**of, "resource": "memory"}, lambda _: 4096 * MEBIBYTE)
            add("kube_pod_container_resource_limits", {**of, "resource": "memory"}, lambda _: 4096 * MEBIBYTE)
            add("container_cpu_usage_seconds", of, lambda passed, cpu=cpu: cpu * passed, "counter")
            add("container_memory_working_set_bytes", of, lambda _, memory=memory: memory * MEBIBYTE)
            add("container_cpu_cfs_periods", of, lambda passed: passed * 10, "counter")
            add("container_cpu_cfs_throttled_periods", of,
                lambda passed, deployment=deployment: passed * 4 if deployment == "idle" else 0, "counter")
            add("outrider_requests", {**pod, "code": "200"},
                lambda passed, deployment=deployment: passed if deployment == "price" else 0, "counter")
    add("kube_pod_container_status_last_terminated_reason",
        {"namespace": "shop", "pod": "idle-7c-a", "container": "model", "reason": "OOMKilled"}, lambda _: 1)
    lines = []
    for (name, kind), samples in families.items():
        lines += [f"# TYPE {name} {kind}", *samples]
    return "\n".join([*lines, "# EOF", ""])


def make_blocks(folder):
    """What was used, as a folder that Prometheus starts from."""
    (folder / "usage.om").write_text(series(int(time.time()) // STEP * STEP))
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "usage.om", folder / "tsdb"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "tsdb"


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    return make_blocks(tmp_path_factory.mktemp("usage"))


def start_prometheus(programs, blocks, folder, name="prometheus"):
    port = free_port()
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    programs.start(name, ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={blocks}",
                                  f"--web.listen-address=127.0.0.1:{port}"])
    programs.wait_until_ready(name, f"http://127.0.0.1:{port}/-/ready")
    return port


def right_size(binaries, *arguments):
    return subprocess.run([binaries / "outrider", "right-size", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_requests_are_proposed_from_what_was_used_and_idle_throttled_and_killed_ones_are_named(programs, binaries, blocks, tmp_path):
    port = start_prometheus(programs, blocks, tmp_path)
    at = ["--prometheus", f"http://127.0.0.1:{port}"]

    done = right_size(binaries, *at, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    rows = {row["workload"]: row for row in said["containers"]}
    price, idle = rows["price"], rows["idle"]
    assert price["pods"] == 2
    assert price["cpu"]["proposed"] == pytest.approx(0.4, abs=0.002)
    assert price["memory_bytes"]["proposed"] == 1150 * MEBIBYTE
    assert price["saved"]["cpu"] == pytest.approx(3.2, abs=0.01)
    assert not price["idle"]
    assert price["notes"] == []
    assert idle["idle"]
    assert idle["cpu"]["throttled"] == pytest.approx(0.4, abs=0.01)
    assert idle["cpu"]["proposed"] == 2
    assert idle["memory_bytes"]["killed"]
    assert idle["memory_bytes"]["proposed"] == 5120 * MEBIBYTE

    table = right_size(binaries, *at, "--namespace", "sh.*")
    assert "shop/price/model" in table.stdout
    assert "of CPU" in table.stdout.splitlines()[-1]
    nobody = right_size(binaries, *at, "--namespace", "elsewhere")
    assert nobody.returncode == 1
    assert "has no container; expected series of cAdvisor" in nobody.stderr


def start_agent(programs, agent_binary, folder, prometheus_port, *options, name="agent"):
    port = free_port()
    return Program(programs, name, [agent_binary, "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", folder / "data",
                                       "--prometheus.url", f"http://127.0.0.1:{prometheus_port}", *options], f"http://127.0.0.1:{port}")


def test_the_agent_asks_by_itself_and_tells_it_as_a_page_json_and_gauges(programs, agent_binary, blocks, tmp_path):
    port = start_prometheus(programs, blocks, tmp_path)
    agent = start_agent(programs, agent_binary, tmp_path, port, "--right-size.every", "6h", "--right-size.history", "3d",
                        "--right-size.namespaces", "shop")
    wait_for("the advice", lambda: http_json("GET", f"{agent.admin}/api/v1/right-size")["containers"], 60)
    said = http_json("GET", f"{agent.admin}/api/v1/right-size")
    rows = {row["workload"]: row for row in said["containers"]}
    assert set(rows) == {"price", "idle"}
    assert said["trouble"] == ""
    assert rows["price"]["cpu"]["proposed"] == pytest.approx(0.4, abs=0.002)

    page = http("GET", f"{agent.admin}/right-size")[2]
    assert "1 idle container" in page and "should be 1150Mi" in page and "throttled in 40 %" in page
    assert 'href="/right-size" aria-current="page"' in page
    assert "No container is like that" in http("GET", f"{agent.admin}/right-size?q=nobody")[2]

    metrics = agent.metrics()
    assert metrics.sum("outrider_right_size_cpu_request_cores", workload="price") == 2
    assert metrics.sum("outrider_right_size_cpu_proposed_cores", workload="price") == pytest.approx(0.4, abs=0.002)
    assert metrics.sum("outrider_right_size_memory_proposed_bytes", workload="idle") == 5120 * MEBIBYTE
    assert metrics.sum("outrider_right_size_idle", workload="idle") == 1
    assert metrics.sum("outrider_right_size_queries_total", result="failed") == 0
    checked = subprocess.run(["promtool", "check", "metrics"], input=http("GET", f"{agent.admin}/metrics")[2],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_without_the_option_the_agent_does_not_ask_and_says_what_to_give(programs, agent_binary, tmp_path):
    agent = start_agent(programs, agent_binary, tmp_path, free_port())
    status, _, body = http("GET", f"{agent.admin}/api/v1/right-size")
    assert status == 404 and "--right-size.every" in body
    assert "--right-size.every" in http("GET", f"{agent.admin}/right-size")[2]
    assert 'href="/right-size"' not in http("GET", f"{agent.admin}/")[2]
    assert "outrider_right_size" not in http("GET", f"{agent.admin}/metrics")[2]


def test_a_prometheus_that_does_not_answer_is_named(binaries):
    done = right_size(binaries, "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "prometheus=http://127.0.0.1:" in done.stderr
