# SPDX-License-Identifier: Apache-2.0
"""docs/reference/ says what the programs say of themselves: every option, every metric. `scripts/reference` writes it anew
(it sets OUTRIDER_WRITE_REFERENCE, and these tests then write what they would compare)."""

import csv
import hashlib
import json
import os
import pathlib
import random
import re
import ssl
import subprocess
import urllib.request

import ahead_test
import pytest
import right_size_test
from processes import free_port, http, http_json, wait_for
from prometheus_client.parser import text_string_to_metric_families
from stack import ModelServer, Program, Sidecar
from tls_peers import Authority

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IN_A_CLUSTER = ("--kubernetes.watch", "--kubernetes.url", "http://127.0.0.1:1", "--actions.lease", "a/b")  # Nobody answers there.
SERVERS = ("outrider-sidecar", "outrider-agent", "outrider-predictor")  # The programs with a page of metrics.
PROGRAMS = (*SERVERS, "outrider")


def agree(name, text):
    """The committed file is this text; or becomes it."""
    path = ROOT / "docs" / "reference" / name
    if os.environ.get("OUTRIDER_WRITE_REFERENCE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"docs/reference/{name} is not what the programs say: run scripts/reference"


def test_the_configuration_reference_is_what_the_programs_say(binaries):
    text = ("# Every option\n\nWritten by `scripts/reference` from the option tables; a test compares. An option can also be an environment "
            "variable\n(`--web.listen-address` is `OUTRIDER_WEB_LISTEN_ADDRESS`) or a line of the file that `--config.file` names\n"
            "(`web: {listen-address: …}` or `web.listen-address: …`); the command line wins, then the environment, then the file.\nEvery "
            "mistake of all three is reported at once. A switch is undone by `--no-NAME`. Sizes are written `32MiB`, durations\n`250ms` or "
            "`1h30m`.\n\nOther files: [the model configuration](../model-configuration.md), [the agent's policy](../policy.md),\n"
            "[references](../reference-format.md).\n")
    for program in PROGRAMS:
        said = subprocess.run([binaries / program, "--help=markdown"], check=True, capture_output=True, text=True).stdout
        text += "\n" + said
    agree("configuration.md", text)


# The label of the series of ahead_test.py: of what is forecast, every label is kept.
OF_WHAT_IS_FORECAST = "service"


class Families:
    """What was seen of each metric: its type, help, and the names of its labels."""

    def __init__(self):
        self.seen = {}

    def add(self, program, text):
        for family in text_string_to_metric_families(text):
            name = family.name + ("_total" if family.type == "counter" else "")
            entry = self.seen.setdefault(name, {"type": family.type, "help": family.documentation, "labels": set(), "programs": set()})
            entry["programs"].add(program)
            for sample in family.samples:
                entry["labels"] |= set(sample.labels) - {"le", OF_WHAT_IS_FORECAST}

    def table(self, program):
        rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
        for name, entry in sorted(self.seen.items()):
            if program in entry["programs"]:
                labels = ", ".join(sorted(entry["labels"]))
                rows.append(f"| `{name}` | {entry['type']} | {labels} | {entry['help'].replace('|', '&#124;')} |")
        return "\n".join(rows) + "\n"


def write_houses(path):
    chance = random.Random(5)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["size", "bedrooms", "price"])
        for _ in range(2000):
            size, bedrooms = chance.uniform(500, 3000), chance.randint(1, 5)
            rows.writerow([round(size, 1), bedrooms, round(20 + size * 0.05 + bedrooms * 2 + chance.gauss(0, 3), 2)])


def churn_server():
    """A classifier: the class and its probability."""
    def answer(path, body):
        probability = json.loads(body)["visits"] / 100
        return 200, "application/json", json.dumps({"label": "stay" if probability > .5 else "leave", "probability": probability}).encode()

    return ModelServer(answer)


# A receiver and a target that are not there: what tells of them is there all the same.
SENDING = ["--remote-write.url", "http://127.0.0.1:9/api/v1/write", "--remote-write.flush-deadline", "0s"]
SCRAPING = ["--remote-write.keep-page", "--scrape.target", "http://127.0.0.1:9"]

CHURN = """
model: {name: churn, version: v1}
request: {match: {method: [POST], path: /predict}}
response: {prediction: "json:/label", score: "json:/probability", kind: classification, classes: [leave, stay]}
segments: [plan]
owner: growth
labels: {team: crm}
objectives:
  availability: 99.9%
  latency: {within: 250ms, ratio: 99%}
  saturation: {in_flight: 20}
  accuracy: {slack: 2%}
"""


BEARER = {"Authorization": "Bearer secret"}


def secure_page(programs, name, command, ca):
    """The metrics of a program that speaks TLS and asks for tokens."""
    port = free_port()
    programs.start(name, [*command, "--web.listen-address", f"127.0.0.1:{port}"])
    request = urllib.request.Request(f"https://localhost:{port}/metrics", headers=BEARER)
    return wait_for(name, lambda: urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=ca)).read().decode(), 30)


def play(programs, binaries, folder):
    """Starts all three programs and makes each show what it has: predictions, labels, a reference, an incident."""
    families = Families()
    write_houses(folder / "houses.csv")
    registry = folder / "registry"
    subprocess.run([binaries / "outrider-predictor", "train", "--data", folder / "houses.csv", "--target", "price", "--algorithm", "ols",
                    "--name", "house-price", "--registry", registry, "--promote"], check=True, capture_output=True)
    address = f"127.0.0.1:{free_port()}"
    predictor = Program(programs, "predictor", [binaries / "outrider-predictor", "serve", "--registry", registry, "--name", "house-price",
                                                "--web.listen-address", address], f"http://{address}")
    (folder / "house.yaml").write_text("metrics: {bins: all, tests: all}\n")
    house = Sidecar(programs, binaries, predictor.admin, folder / "house", "house",
                    ["--reference", registry, "--model.config", folder / "house.yaml"])
    for i in range(40):
        status, headers, _ = http("GET", f"{house.proxy}/predict?size={800 + 50 * i}&bedrooms={1 + i % 4}")
        assert status == 200
        house.label({"id": headers["X-Prediction-Id"], "label": 90.0})
    house.wait_for_predictions(40)

    (folder / "churn.yaml").write_text(CHURN)
    with churn_server() as server:
        churn = Sidecar(programs, binaries, server.url, folder / "churn", "churn",
                        ["--model.config", folder / "churn.yaml", *SENDING, *SCRAPING])
        for i in range(40):
            _, headers, _ = http("POST", f"{churn.proxy}/predict", {"visits": 5 + 2 * i, "plan": "free" if i % 2 else "paid"})
            churn.label({"id": headers["X-Prediction-Id"], "label": "stay" if i > 20 else "leave"})
        churn.wait_for_predictions(40)

    keys = Authority(folder, "authority").sign(folder / "keys")
    tokens = folder / "tokens.yaml"
    tokens.write_text(json.dumps({"tokens": [{"name": "reader", "roles": ["read"], "sha256": hashlib.sha256(b"secret").hexdigest()}]}))
    guarded = Sidecar(programs, binaries, predictor.admin, folder / "guarded", "guarded", ["--tls.cert-dir", keys, "--web.tokens-file", tokens])
    families.add("outrider-sidecar", http("GET", f"{guarded.admin}/metrics", headers=BEARER)[2])
    for name, command in (("agent", [binaries / "outrider-agent", "--data.dir", folder / "secure-agent"]),
                          ("predictor", [binaries / "outrider-predictor", "serve", "--registry", registry, "--name", "house-price"])):
        families.add(f"outrider-{name}", secure_page(programs, f"secure-{name}", [*command, "--web.tls-cert-dir", keys, "--web.tokens-file", tokens],
                                                     keys / "ca.crt"))
    coupled = Sidecar(programs, binaries, f"h2c://127.0.0.1:{free_port()}", folder / "coupled", "coupled")

    policy = folder / "policy.yaml"
    policy.write_text((ROOT / "demo" / "policy.yaml").read_text().replace("${predictor}", predictor.admin))
    port = free_port()
    agent = Program(programs, "agent", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                                        folder / "agent", "--policy", policy, *SENDING, *IN_A_CLUSTER], f"http://127.0.0.1:{port}")
    port = free_port()
    keeper = Program(programs, "keeper", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                                          folder / "keeper", "--truth.enabled", "--truth.peer-url", "http://127.0.0.1:9"],
                     f"http://127.0.0.1:{port}")
    ships = Sidecar(programs, binaries, predictor.admin, folder / "ships", "ships",
                    ["--truth.url", keeper.admin, "--truth.workload", "house-price", "--truth.namespace", "shop",
                     "--truth.cluster", "eu-1"])
    # Nobody is there; what is said of a topic is said all the same.
    kafka = ["--truth.kafka.brokers", "127.0.0.1:1"]
    port = free_port()
    reads = Program(programs, "reads", [binaries / "outrider-agent", "--web.listen-address", f"127.0.0.1:{port}", "--data.dir",
                                        folder / "reads", "--truth.enabled", *kafka], f"http://127.0.0.1:{port}")
    writes = Sidecar(programs, binaries, predictor.admin, folder / "writes", "writes", ["--truth.workload", "house-price", *kafka])
    _, headers, _ = http("GET", f"{ships.proxy}/predict?size=900&bedrooms=2")
    wait_for("a shipped prediction", lambda: http_json("GET", f"{keeper.admin}/api/v1/truth")["received"] == 1, 10)
    assert ships.label({"id": headers["X-Prediction-Id"], "label": 90.0}) == ["joined"]
    http_json("POST", f"{keeper.admin}/api/v1/labels?workload=churn",
              {"id": "a", "label": "stay", "prediction": "stay", "model_version": "v1", "model_name": "churn"})
    http_json("POST", f"{agent.admin}/api/v1/alerts", {
        "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "outrider", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0,
        "alerts": [{"status": "firing", "fingerprint": "0123456789abcdef", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
                    "labels": {"alertname": "ModelAccuracyDropped", "model_name": "house-price", "severity": "critical"},
                    "annotations": {"summary": "Accuracy fell."}, "generatorURL": ""}]})
    wait_for("an incident", lambda: http_json("GET", f"{agent.admin}/api/v1/incidents"), 10)

    past = folder / "past"
    past.mkdir()
    port = free_port()
    ahead_test.start_prometheus(programs, past, ahead_test.make_blocks(past), port)
    foresees = ahead_test.start_agent(programs, binaries / "outrider-agent", past, port, name="foresees")
    ahead_test.wait_for_capacities(foresees)

    used = folder / "used"
    used.mkdir()
    port = right_size_test.start_prometheus(programs, right_size_test.make_blocks(used), used, "usage")
    sizes = right_size_test.start_agent(programs, binaries / "outrider-agent", used, port, "--right-size.every", "6h",
                                        "--right-size.history", "3d", name="sizes")
    wait_for("what containers use", lambda: http_json("GET", f"{sizes.admin}/api/v1/right-size")["containers"], 30)

    for program, admin in (("outrider-sidecar", ships.admin), ("outrider-agent", foresees.admin), ("outrider-agent", sizes.admin),
                           ("outrider-agent", keeper.admin),
                           ("outrider-agent", reads.admin), ("outrider-sidecar", writes.admin),
                           ("outrider-sidecar", house.admin),
                           ("outrider-sidecar", churn.admin), ("outrider-sidecar", coupled.admin),
                           ("outrider-agent", agent.admin), ("outrider-predictor", predictor.admin)):
        families.add(program, http("GET", f"{admin}/metrics")[2])
    return families


# Gauges of judgements that take panes of minutes, which no play here can wait for, with their labels; what
# they mean is read from the source.
JUDGED_LATER = {
    "outrider_accuracy_estimated_ratio": (),
    "outrider_drift_design_effect": ("subject",),
    "outrider_drift_ratio": ("subject",),
    "outrider_drift_score": ("subject", "test"),
    "outrider_drift_threshold": ("subject", "test"),
    "outrider_version_drift_score": ("against", "subject", "test"),
    "outrider_version_drift_threshold": ("against", "subject", "test"),
    "outrider_version_drift_verdict": ("against", "state", "subject"),
}


def help_in_source(name):
    source = (ROOT / "sidecar" / "monitor" / "export" / "monitor_metrics.cpp").read_text()
    literals = re.search(rf'"{name}",\s*(?:gauge,)?\s*((?:"[^"]*"\s*)+)', source)[1]
    return "".join(re.findall(r'"([^"]*)"', literals))


NAMES_IN_SOURCES = re.compile(r'"(outrider_[a-z0-9_]+)"')


def names_in_sources():
    folders = [ROOT / f for f in ("base", "truth", "sidecar", "agent", "predictor")]
    files = (file for folder in folders for file in folder.rglob("*") if file.suffix in (".h", ".cpp"))
    return {name.removesuffix("_bucket") for file in files for name in NAMES_IN_SOURCES.findall(file.read_text())
            if not name.endswith("_")}


@pytest.mark.timeout(120)
def test_the_metrics_reference_is_what_the_programs_export(programs, binaries, tmp_path):
    families = play(programs, binaries, tmp_path)
    families.seen["outrider_kafka_lag_records"]["labels"].add("partition")  # An agent without brokers has none.
    for name, labels in JUDGED_LATER.items():
        families.seen[name] = {"type": "gauge", "help": help_in_source(name), "programs": {"outrider-sidecar"},
                               "labels": {"model_name", "model_version", *labels}}
    text = ("# Every metric\n\nWritten by `scripts/reference` from what the running programs export; a test compares. Histograms also have "
            "`le`.\nCounters and bins add up over pods: `sum without (instance, pod)` is exact. A ratio of sums is right, an average of\nratios "
            "is not.\n")
    for program in SERVERS:
        text += f"\n## {program}\n\n{families.table(program)}"
    agree("metrics.md", text)
    forgotten = names_in_sources() - set(families.seen)
    assert not forgotten, f"these names stand in the sources, and no program exported them here: {sorted(forgotten)}"
