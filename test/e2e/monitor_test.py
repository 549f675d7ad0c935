# SPDX-License-Identifier: Apache-2.0
"""The monitor behind a real proxy, before a small model server: what it measures, takes and refuses."""

import base64
import gzip
import json
import random
import subprocess
import uuid

import pytest
from processes import free_port, http, http_json
from processes import wait_for as wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from stack import Metrics, ModelServer, Sidecar


def wait_for(what, holds, seconds=30):
    return wait_until(what, holds, seconds)


def price(row):
    return row["size"] * 0.05


def answer(path, body):
    """Houses by V1 in rows, by flat JSON and by query; what is broken answers 400."""
    try:
        if "?" in path:
            result = {"price": float(path.split("size=")[1].split("&")[0]) * 0.05}
        else:
            request = json.loads(body)
            if "instances" in request:
                result = {"predictions": [price(row) for row in request["instances"]]}
            else:
                result = {"price": price(request)}
        return 200, "application/json", json.dumps(result).encode()
    except (KeyError, ValueError, TypeError) as error:
        return 400, "text/plain", str(error).encode()


CONFIG = """
model: {name: house, version: "3"}
accuracy: {provisional_labels: 400}
truth: {tolerance: 10%}
log: {keep_features: true}
"""


@pytest.fixture
def model():
    with ModelServer(answer) as server:
        yield server


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "model.yaml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def sidecar(programs, binaries, model, config, tmp_path):
    return Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", config])


def ask_rows(sidecar, sizes):
    """One request of many rows; its prediction id."""
    rows = [{"size": size, "bedrooms": 3} for size in sizes]
    status, headers, _ = http("POST", f"{sidecar.proxy}/v1/models/house:predict", {"instances": rows})
    assert status == 200
    return headers["X-Prediction-Id"]


def value(sidecar, name, **labels):
    return sidecar.metrics().sum(name, **labels)


def feed(sidecar, rng, rows, accuracy):
    """Predictions and their truth, right in that share."""
    sizes = [rng.uniform(800, 3000) for _ in range(rows)]
    prediction = ask_rows(sidecar, sizes)
    truth = [size * 0.05 * (1 if rng.random() < accuracy else 1.5) for size in sizes]
    labels = [{"id": f"{prediction}_{row}", "label": label} for row, label in enumerate(truth)]
    results = sidecar.label(labels)
    if "early" in results:  # The label overtook its prediction: it is joined within the minute.
        assert set(results) <= {"early", "joined"}
    else:
        assert set(results) == {"joined"}


def test_a_fall_of_accuracy_is_detected_and_survives_a_crash_of_the_sidecar(sidecar):
    rng = random.Random(7)
    for _ in range(10):
        feed(sidecar, rng, 100, 0.95)
    wait_for("the labels", lambda: value(sidecar, "outrider_outcomes_total") == 1000)
    assert value(sidecar, "outrider_predictions_total", outcome="success", model_version="3") == 1000
    assert value(sidecar, "outrider_accuracy_provisional", model_name="house") == 1
    reference = value(sidecar, "outrider_accuracy_reference_ratio")
    assert 0.92 < reference < 0.98
    assert value(sidecar, "outrider_accuracy_alarm") == 0
    feed(sidecar, rng, 400, 0.72)
    wait_for("the alarm", lambda: value(sidecar, "outrider_accuracy_alarm") == 1)
    since = value(sidecar, "outrider_accuracy_since_change_ratio")
    assert 0.65 < since < 0.80
    assert value(sidecar, "outrider_accuracy_alarms_total") == 1

    sidecar.kill()
    sidecar.start()
    # Exported counters start at 0: by that the new monitor is told from the old one, which may answer for a moment.
    wait_for("the new monitor", lambda: value(sidecar, "outrider_outcomes_total") == 0)
    wait_for("the state", lambda: value(sidecar, "outrider_accuracy_alarm") == 1)
    assert value(sidecar, "outrider_accuracy_since_change_ratio") == pytest.approx(since)


def test_every_exchange_is_accounted_for(sidecar):
    size = {"size": 1000}
    assert http("GET", f"{sidecar.proxy}/predict?size=1000&bedrooms=2")[0] == 200
    assert http("POST", f"{sidecar.proxy}/predict", size)[0] == 200
    assert http("GET", f"{sidecar.proxy}/docs")[0] == 400           # no prediction: no query
    assert http("POST", f"{sidecar.proxy}/predict", b"{")[0] == 400  # the model's failure
    assert http("POST", f"{sidecar.proxy}/predict", gzip.compress(json.dumps(size).encode()),
                {"Content-Type": "application/json", "Content-Encoding": "gzip"})[0] == 400
    # The model takes Python's NaN; JSON has none: it is a missing value.
    assert http("POST", f"{sidecar.proxy}/predict", b'{"size": NaN}')[0] == 200
    wait_for("six exchanges", lambda: value(sidecar, "outrider_exchanges_seen_total") == 6)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_exchanges_analysed_total") == 5
    assert metrics.by("outrider_exchanges_skipped_total", "reason")["not_matched"] == 1
    assert metrics.sum("outrider_exchanges_failed_total") == 0
    assert metrics.sum("outrider_predictions_total", outcome="success") == 2
    assert metrics.sum("outrider_predictions_total", outcome="failure") == 3  # It has no price for a missing size.


def test_the_page_is_clean_in_both_formats(sidecar):
    feed(sidecar, random.Random(1), 50, 0.9)
    wait_for("the labels", lambda: value(sidecar, "outrider_outcomes_total") == 50)
    status, headers, text = http("GET", f"{sidecar.admin}/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    names = {family.name for family in parse_text(text)}
    assert {"outrider_predictions", "outrider_outcomes", "outrider_labels"} <= names
    _, headers, text = http("GET", f"{sidecar.admin}/metrics",
                            headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert {"outrider_predictions", "outrider_outcomes"} <= {f.name for f in parse_openmetrics(text)}
    _, _, text = http("GET", f"{sidecar.admin}/metrics")
    check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_reload_takes_what_is_good_and_refuses_what_is_not(sidecar, config):
    config.write_text(CONFIG.replace("house,", "villa,") + "request: {match: {path: /predict}}\n")
    assert http("POST", f"{sidecar.admin}/-/reload")[0] == 200
    http("POST", f"{sidecar.proxy}/predict", {"size": 1000})
    wait_for("the new name", lambda: value(sidecar, "outrider_predictions_total", model_name="villa") >= 1
             or http("POST", f"{sidecar.proxy}/predict", {"size": 1000})[0] != 200)
    ask_rows(sidecar, [1000])  # Not /predict.
    wait_for("the skipped one", lambda: value(sidecar, "outrider_exchanges_skipped_total") >= 1)

    config.write_text("truth: {tolerance: much}\nmodle: {}\n")
    status, _, text = http("POST", f"{sidecar.admin}/-/reload")
    assert status == 500
    message = json.loads(text)["message"]
    assert "truth.tolerance: expected a number" in message and "modle: unknown key" in message
    assert value(sidecar, "outrider_config_last_reload_successful") == 0
    http("POST", f"{sidecar.proxy}/predict", {"size": 1000})
    config.write_text(CONFIG)
    assert http("POST", f"{sidecar.admin}/-/reload")[0] == 200
    assert value(sidecar, "outrider_config_last_reload_successful") == 1


def event(identity, kind, data, mode, **more):
    extensions = {"id": identity, "type": f"org.kubeflow.serving.inference.{kind}",
                  "source": "http://localhost:9081/", "specversion": "1.0",
                  "inferenceservicename": "income", "time": "2026-11-22T09:00:00Z", **more}
    if mode == "binary":
        headers = {f"ce-{key}": str(value) for key, value in extensions.items()}
        return json.dumps(data).encode(), {**headers, "Content-Type": "application/json"}
    body = {**extensions, "datacontenttype": "application/json"}
    if mode == "base64":
        body["data_base64"] = base64.b64encode(json.dumps(data).encode()).decode()
    else:
        body["data"] = data
    return json.dumps(body).encode(), {"Content-Type": "application/cloudevents+json"}


def test_exchanges_come_as_cloud_events_too(programs, binaries, model, tmp_path):
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data")
    url = f"{sidecar.admin}/api/v1/exchanges"
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for identity, mode in zip(ids, ("binary", "structured", "base64")):
        request = event(identity, "request", {"instances": [[1, 2]]}, mode)
        response = event(identity, "response", {"predictions": [7]}, mode)
        for body, headers in (response, request):  # In either order.
            assert http("POST", url, body, headers)[0] == 202
    wait_for("three predictions",
             lambda: value(sidecar, "outrider_predictions_total", model_name="income") == 3)
    assert value(sidecar, "outrider_exchanges_analysed_total") == 3
    wait_for("the label by the event's id",
             lambda: sidecar.label([{"id": ids[0], "label": 7}])[0] in ("joined", "early", "duplicate"))
    wait_for("the outcome", lambda: value(sidecar, "outrider_outcomes_total", correct="true") == 1, 90)
    status, _, text = http("POST", url, b"{}", {"Content-Type": "application/json"})
    assert status == 400 and json.loads(text)["error"] == "invalid_event"


def test_an_answer_that_the_events_call_an_error_is_the_models_failure(programs, binaries, model, config, tmp_path):
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", config])
    url = f"{sidecar.admin}/api/v1/exchanges"

    def post_pair(identity, mode, data, **attributes):
        for body, headers in (event(identity, "request", {"instances": [{"size": 1000}]}, mode),
                              event(identity, "response", data, mode, **attributes)):
            assert http("POST", url, body, headers)[0] == 202

    ids = [str(uuid.uuid4()) for _ in range(6)]
    post_pair(ids[0], "binary", {"predictions": [50]}, statuscode=200)
    post_pair(ids[1], "structured", {"predictions": [51]})  # KServe as it was: no attribute.
    post_pair(ids[2], "binary", {"error": "could not convert string to float"}, statuscode=422)
    post_pair(ids[3], "structured", {"detail": "out of memory"}, statuscode=500)
    post_pair(ids[4], "base64", {"predictions": [99]}, statuscode="503")  # Whatever else it says.
    wait_for("all five", lambda: value(sidecar, "outrider_exchanges_seen_total") == 5)
    assert sidecar.metrics().by("outrider_predictions_total", "outcome") == {"success": 2, "failure": 3}
    assert value(sidecar, "outrider_exchanges_analysed_total") == 5

    body, headers = event(ids[5], "response", {}, "binary", statuscode="4xx")
    status, _, text = http("POST", url, body, headers)
    assert status == 400 and "statuscode '4xx': expected an HTTP status" in json.loads(text)["message"]

    sidecar.label([{"id": identity, "label": 50} for identity in ids[:5]])
    wait_for("the two that are predictions", lambda: len(sidecar.training_data()) == 2, 90)
    assert sorted(float(row["prediction"]) for row in sidecar.training_data()) == [50, 51]


def test_the_status_is_json_and_names_what_it_knows(sidecar):
    feed(sidecar, random.Random(1), 20, 1.0)
    sidecar.wait_for_predictions(20)
    status = http_json("GET", f"{sidecar.admin}/api/v1/status")
    version = status["versions"][0]
    assert version["model_name"] == "house" and version["model_version"] == "3"
    assert version["accuracy"]["state"] == "warming_up"
    assert version["inputs"]["reference"] == "none" and version["inputs"]["learning"]
    assert status["log"]["available"]


def test_labels_and_training_data_can_stand_apart_behind_a_token(programs, binaries, model, config, tmp_path):
    port, token = free_port(), tmp_path / "token"
    token.write_text("secret-token\n")
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data",
                      options=["--model.config", config, "--labels.listen-address", f"127.0.0.1:{port}",
                               "--labels.bearer-token-file", token])
    prediction = ask_rows(sidecar, [1000])
    body, url = {"id": prediction, "label": 50}, f"http://127.0.0.1:{port}/api/v1/labels"
    assert http("POST", f"{sidecar.admin}/api/v1/labels", body)[0] == 404
    assert http("POST", url, body)[0] == 401
    assert http("POST", url, body, {"Authorization": "Bearer wrong"})[0] == 401
    assert http("POST", url, body, {"Authorization": "Bearer secret-token"})[0] == 200


def test_the_web_configuration_gives_basic_auth_and_says_where_tls_is_set(
        programs, binaries, model, tmp_path):
    hashed = "$2b$04$TwnEMKBrZKAwtPtBIwV2veZu8APyKMdUayBGjWqCjQF3MtzUbxrgS"  # bcrypt of "open sesame".
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: '{hashed}'}}\n")
    proxy, admin = free_port(), free_port()
    command = [binaries / "outrider-sidecar", "--upstream", model.url,
               "--proxy.listen-address", f"127.0.0.1:{proxy}", "--web.listen-address", f"127.0.0.1:{admin}",
               "--data.dir", tmp_path / "data", "--web.config.file", web]
    programs.start("guarded", command)

    def status(user):
        token = base64.b64encode(user.encode()).decode()
        return http("GET", f"http://127.0.0.1:{admin}/metrics", headers={"Authorization": f"Basic {token}"})[0]

    wait_for("the right password", lambda: status("alice:open sesame") == 200)
    assert status("alice:wrong") == 401
    assert status("bob:open sesame") == 401
    assert http("GET", f"http://127.0.0.1:{admin}/metrics")[0] == 401
    programs.stop("guarded")

    web.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
    programs.start("tls", command)
    log = tmp_path / "logs"
    wait_for("the reason", lambda: any("give --web.tls-cert-dir a directory" in f.read_text() for f in log.iterdir()))


def test_a_bad_model_configuration_stops_no_traffic(programs, binaries, model, config, tmp_path):
    sidecar = Sidecar(programs, binaries, model.url, tmp_path / "data", options=["--model.config", config])
    assert Metrics(http("GET", f"{sidecar.admin}/metrics")[2]).sum("outrider_log_up") == 1
    config.write_text("nonsense: true\n")
    sidecar.programs.running[sidecar.name].send_signal(1)  # SIGHUP
    wait_for("the refusal", lambda: value(sidecar, "outrider_config_last_reload_successful") == 0)
    assert http("POST", f"{sidecar.proxy}/predict", {"size": 1000})[0] == 200


def test_an_idle_sidecar_costs_nearly_nothing(sidecar):
    http("POST", f"{sidecar.proxy}/predict", {"size": 1000})
    wait_for("the prediction", lambda: value(sidecar, "outrider_predictions_total") == 1)
    import time
    time.sleep(2)  # Until the polling has slowed down.
    before = value(sidecar, "process_cpu_seconds_total")
    time.sleep(5)
    assert value(sidecar, "process_cpu_seconds_total") - before < 0.25
