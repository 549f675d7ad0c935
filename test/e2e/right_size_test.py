# SPDX-License-Identifier: Apache-2.0
"""`outrider right-size` over a Prometheus with the series of cAdvisor, kube-state-metrics and the sidecars."""

import json
import subprocess
import time

import pytest
from processes import free_port

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


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("usage")
    (folder / "usage.om").write_text(series(int(time.time()) // STEP * STEP))
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "usage.om", folder / "tsdb"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "tsdb"


def right_size(binaries, *arguments):
    return subprocess.run([binaries / "outrider", "right-size", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_requests_are_proposed_from_what_was_used_and_idle_throttled_and_killed_ones_are_named(programs, binaries, blocks, tmp_path):
    port = free_port()
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    programs.start("prometheus", ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={blocks}",
                                  f"--web.listen-address=127.0.0.1:{port}"])
    programs.wait_until_ready("prometheus", f"http://127.0.0.1:{port}/-/ready")
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


def test_a_prometheus_that_does_not_answer_is_named(binaries):
    done = right_size(binaries, "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "prometheus=http://127.0.0.1:" in done.stderr
