# SPDX-License-Identifier: Apache-2.0
"""`outrider diagnose` on faults of a made Sock Shop, in the columns that RCAEval publishes: a row a second, COMPONENT_METRIC."""

import csv
import random

import pytest
from diagnose_test import diagnose

AT, BEFORE, WINDOW = 1_700_000_000, 720, 600
CALLS = {"front-end": ["carts", "catalogue", "orders", "user"], "orders": ["orders-db", "carts", "payment", "shipping", "user"],
         "carts": ["carts-db"], "catalogue": ["catalogue-db"], "user": ["user-db"], "shipping": ["rabbitmq"], "queue-master": ["rabbitmq"],
         "payment": [], "orders-db": [], "carts-db": [], "catalogue-db": [], "user-db": [], "rabbitmq": [], "session-db": []}
SERVED = {"front-end": (60.0, 0.030), "orders": (4.0, 0.060), "carts": (20.0, 0.009), "catalogue": (25.0, 0.004), "user": (12.0, 0.005),
          "shipping": (4.0, 0.003), "payment": (4.0, 0.002)}  # Requests a second, seconds at p50.
INJECTED = ("carts", "catalogue", "orders", "payment", "user")
KINDS = ("cpu", "mem", "disk", "delay", "loss")


def callers_of(component):
    """How much of its own slowness each component sees: all of it itself, some of it whoever calls it, up to the entry."""
    share, to_do = {component: 1.0}, [component]
    for one in to_do:
        for caller, callees in CALLS.items():
            if one in callees and caller not in share:
                share[caller] = share[one] * 0.6
                to_do.append(caller)
    return share


class Shop:
    """Slow noise, so that neighbouring seconds are alike, of a tenth."""

    def __init__(self, seed):
        self.chance, self.state = random.Random(seed), {}

    def noisy(self, column, normal, spread=0.1):
        self.state[column] = 0.95 * self.state.get(column, 0.0) + self.chance.gauss(0, 0.3)
        return max(0.0, normal * (1 + spread * self.state[column]))

    def row(self, second, kind, cause):
        now = {"time": AT + second}
        wrong = kind if second >= 0 else None
        share = callers_of(cause) if wrong else {}
        for component in CALLS:
            is_cause = component == cause
            cpu, memory = self.noisy(component + "_cpu", 5 + 2 * len(component)), self.noisy(component + "_mem", 2e8, 0.01)
            if is_cause and wrong == "cpu":
                cpu += self.noisy("stress", 80)
            if is_cause and wrong == "mem":
                cpu, memory = cpu * 1.3, memory * (1 + 3 * min(1.0, second / 240))
            now |= {component + "_cpu": cpu, component + "_mem": memory, component + "_socket": self.chance.randrange(8, 12)}
            now[component + "_diskio"] = self.noisy(component + "_diskio", 4e3) * (30 if is_cause and wrong == "disk" else 1)
            if component not in SERVED:
                continue
            requests, latency = SERVED[component]
            slower = {"cpu": (0.02, 0.08), "mem": (0.002, 0.004), "disk": (0.03, 0.15), "delay": (0.2, 0.2), "loss": (0.002, 0.8)}
            p50, p90 = slower[wrong] if component in share else (0, 0)
            requests, seen = self.noisy(component + "_workload", requests), share.get(component, 0)
            now |= {component + "_workload": requests,
                    component + "_latency-50": self.noisy(component + "_latency-50", latency) + self.noisy("p50", p50 * seen),
                    component + "_latency-90": self.noisy(component + "_latency-90", 2.5 * latency) + self.noisy("p90", p90 * seen),
                    component + "_error": requests * 0.06 * seen if wrong == "loss" else 0}
        return now


def written(folder, seed, kind=None, cause=None):
    shop = Shop(seed)
    rows = [shop.row(second, kind, cause) for second in range(-BEFORE, WINDOW)]
    with open(folder / "data.csv", "w", newline="") as file:
        table = csv.writer(file)
        # Some of the published files have two columns `time`.
        table.writerow([*rows[0], "time"])
        table.writerows([*(f"{value:.6g}" if name != "time" else value for name, value in row.items()), row["time"]] for row in rows)
    (folder / "graph.csv").write_text("caller,callee\n" + "".join(f"{a},{b}\n" for a, of in CALLS.items() for b in of))


def asked(binaries, folder, *more, late=0, graph=True):
    calls = ("--graph", folder / "graph.csv") if graph else ()
    return diagnose(binaries, "--metrics", folder / "data.csv", *calls, "--at", AT + late, "--window", f"{WINDOW - late}s", "--json", *more)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_the_injected_service_comes_first_and_is_named(binaries, tmp_path, kind):
    ranks, named = [], 0
    for seed, cause in enumerate(INJECTED):
        written(tmp_path, 100 + seed, kind, cause)
        for late in (0, 60):
            found = asked(binaries, tmp_path, late=late)
            assert len(found["causes"]) == len(CALLS)
            ranks.append(1 + [one["component"] for one in found["causes"]].index(cause))
            named += found["verdict"] == "cause"
    average = sum(sum(rank <= k for rank in ranks) / len(ranks) for k in range(1, 6)) / 5
    print(f"{kind}: ranks {ranks}, mean of top-1 to 5 {average:.2f}, named {named} of {len(ranks)}")
    assert average >= 0.95 and named >= 0.8 * len(ranks)


def test_the_kind_follows_from_the_columns(binaries, tmp_path):
    kinds = {}
    for kind in KINDS:
        written(tmp_path, 7, kind, "catalogue")
        kinds[kind] = asked(binaries, tmp_path)["causes"][0]["kind"]
    # One side's latency tells no disk from a network, and a rank says nothing of errors' source.
    assert kinds["cpu"] == "cpu" and kinds["mem"] == "memory" and kinds["disk"] == kinds["delay"] == "latency"


def test_in_normal_windows_no_cause_is_named(binaries, tmp_path):
    named = 0
    for seed in range(20):
        written(tmp_path, 1000 + seed)
        named += asked(binaries, tmp_path, graph=seed % 2 == 0)["verdict"] == "cause"
    assert named <= 2


def test_a_symptom_is_named_by_the_metric_that_the_column_became(binaries, tmp_path):
    written(tmp_path, 3, "delay", "carts")
    found = asked(binaries, tmp_path, "--symptom", "front-end:latency_p90_s")
    assert found["causes"][0]["component"] == "carts" and found["verdict"] == "cause"
    missing = diagnose(binaries, "--metrics", tmp_path / "data.csv", "--at", AT, "--window", "60s", "--symptom", "carts:latency-90", status=1)
    assert "carts has no metric 'latency-90', it has cpu, errors, latency_p50_s, latency_p90_s, memory, requests" in missing


def test_the_rows_of_another_day_may_be_the_baseline_and_a_baseline_of_other_names_is_refused(binaries, tmp_path):
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    written(quiet, 5)
    written(tmp_path, 4, "cpu", "user")
    lines = (quiet / "data.csv").read_text().splitlines()
    shifted = [lines[0], *(",".join([str(int(line.split(",")[0]) - 86400), *line.split(",")[1:]]) for line in lines[1:])]
    (quiet / "data.csv").write_text("\n".join(shifted) + "\n")
    found = asked(binaries, tmp_path, "--baseline", quiet / "data.csv")
    assert found["causes"][0]["component"] == "user" and found["verdict"] == "cause"
    (quiet / "data.csv").write_text("time,cart_cpu\n1,2\n")
    assert "none of its components has metrics in" in diagnose(
        binaries, "--metrics", tmp_path / "data.csv", "--at", AT, "--window", "60s", "--baseline", quiet / "data.csv", status=1)
