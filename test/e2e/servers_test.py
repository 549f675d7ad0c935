# SPDX-License-Identifier: Apache-2.0
"""Model servers and frameworks that people run, each unchanged behind the sidecar: what they really send and answer."""

import json
import os
import subprocess

import pandas
import pytest
import requests
from conftest import ROOT
from processes import Programs, free_port, wait_for
from stack import Sidecar

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

VENV = ROOT / "build" / "servers" / "bin"
AZURE = ROOT / "build" / "azure" / "bin"
SERVERS = ROOT / "test" / "e2e" / "servers"
HOUSES = [{"size": 1800.0, "rooms": 3.0}, {"size": 1000.0, "rooms": 2.0}]
FEATURES = [(1800.0, 3.0), (1000.0, 2.0)]
PRICES = [90.0, 50.0]
COLUMNS = {"id", "timestamp", "model_version", "prediction", "label", "size", "rooms"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """server(name, command, ready path): starts it once a module, and gives its URL. {port} in the command is its port."""
    for folder in (VENV, AZURE):
        if not folder.exists():
            pytest.fail(f"{folder.parent} is absent: scripts/test --all installs test/{folder.parent.name}-requirements.txt into it")
    urls = {}
    with Programs(tmp_path_factory.mktemp("servers")) as programs:
        def start(name, command, ready, venv=VENV):
            if name not in urls:
                port = free_port()
                environment = {"PATH": f"{venv}:{os.environ['PATH']}", "MLFLOW_TRACKING_URI": "sqlite://"}
                programs.start(name, [str(word).format(port=port) for word in command], folder=SERVERS, environment=environment)
                programs.wait_until_ready(name, f"http://127.0.0.1:{port}{ready}", 120)
                urls[name] = f"http://127.0.0.1:{port}"
            return urls[name]

        yield start


@pytest.fixture
def watch(programs, binaries, tmp_path):
    """watch(url, configuration): a Watched before that server."""
    def start(url, configuration=""):
        (tmp_path / "model.yaml").write_text("log: {keep_features: true}\n" + configuration)
        return Watched(Sidecar(programs, binaries, url, tmp_path / "data", options=["--model.config", tmp_path / "model.yaml"]))

    return start


class Watched:
    def __init__(self, sidecar):
        self.sidecar = sidecar

    def post(self, path, body, content_type="application/json"):
        text = body if isinstance(body, str) else json.dumps(body)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(self.sidecar.proxy + path, data=text.encode(), headers={"Content-Type": content_type}, timeout=30)
        self.id = answer.headers["X-Prediction-Id"]
        return answer

    def settle(self):
        """The metrics, once the exchange has its class."""
        def counted():
            metrics = self.sidecar.metrics()
            return metrics if sum(self.count(metrics).values()) else None

        return wait_for("the exchange", counted, 20)

    @staticmethod
    def count(metrics):
        return {word: int(metrics.sum(f"outrider_exchanges_{word}_total")) for word in ("analysed", "skipped", "dropped", "failed")}

    def fate(self):
        return next(word for word, count in self.count(self.settle()).items() if count)

    def reason(self, word):
        return [reason for reason, count in self.settle().by(f"outrider_exchanges_{word}_total", "reason").items() if count]

    def outcomes(self):
        metrics = self.settle()
        return {word: int(metrics.sum("outrider_predictions_total", outcome=word)) for word in ("success", "failure")}

    def rows(self):
        """The rows of the exchange that are predictions, as a trainer gets them."""
        count = sum(self.outcomes().values())
        self.sidecar.label([{"id": self.id if count == 1 else f"{self.id}_{row}", "label": 0} for row in range(count)])
        return self.sidecar.training_data()

    def predictions(self):
        return [row["prediction"] for row in self.rows()]

    def numbers(self):
        return [round(float(prediction), 3) for prediction in self.predictions()]

    def assert_houses(self):
        """Both houses with their two features, and their prices; nothing else."""
        rows = self.rows()
        assert [(float(row["size"]), float(row["rooms"]), round(float(row["prediction"]), 3)) for row in rows] == [
            (*features, price) for features, price in zip(FEATURES, PRICES)]
        assert not set(rows[0]) - COLUMNS


# ---- Flask ----

@pytest.fixture
def flask(server, watch):
    def start(configuration=""):
        return watch(server("flask", [VENV / "flask", "--app", "flask_views", "run", "--port", "{port}"], "/health"), configuration)

    return start


@pytest.mark.parametrize("view", ["dict", "dumps", "number-as-text"])
def test_a_flask_view_that_returns_a_dict_or_a_text_of_json_has_a_prediction(flask, view):
    """A view that returns a text is sent as text/html."""
    watched = flask()
    watched.post(f"/{view}", HOUSES[0])
    assert watched.numbers() == [90.0]


@pytest.mark.parametrize("view", ["list", "list-as-text"])
def test_a_flask_view_that_returns_a_list_has_a_prediction_a_row(flask, view):
    watched = flask()
    watched.post(f"/{view}", HOUSES)
    watched.assert_houses()


def test_flasks_jsonify_sorts_keys_and_the_prediction_is_found_by_its_name(flask):
    watched = flask()
    watched.post("/jsonify", HOUSES[0])
    assert watched.numbers() == [90.0]


def test_a_nan_in_a_list_is_one_failure(flask):
    watched = flask()
    watched.post("/nan", HOUSES)
    assert watched.outcomes() == {"success": 1, "failure": 1}
    assert watched.numbers() == [50.0]


def test_a_decimal_that_json_has_as_a_text_is_a_number_where_the_kind_says_so(flask):
    watched = flask("response: {kind: regression}\n")
    watched.post("/decimal", HOUSES[0])
    assert watched.numbers() == [90.1]


def test_two_values_of_which_either_could_be_meant_are_refused_until_one_is_named(flask):
    watched = flask()
    watched.post("/two-numbers", HOUSES[0])
    assert watched.outcomes() == {"success": 0, "failure": 0} and watched.reason("failed") == ["ambiguous_prediction"]


def test_the_value_that_the_configuration_names_counts(flask):
    watched = flask("response: {prediction: 'json:/longitude'}\n")
    watched.post("/two-numbers", HOUSES[0])
    assert watched.numbers() == [13.4]


@pytest.mark.parametrize("view", ["error", "no-success", "abort"])
def test_an_error_is_a_failure_of_the_model_with_any_status(flask, view):
    watched = flask()
    watched.post(f"/{view}", HOUSES[0])
    assert watched.outcomes() == {"success": 0, "failure": 1}


def test_a_page_is_no_prediction(flask):
    watched = flask()
    watched.post("/page", HOUSES[0])
    assert watched.outcomes() == {"success": 0, "failure": 0} and watched.fate() in ("failed", "skipped")


# ---- pandas behind Flask ----

@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "values", "table", "list"])
def test_a_dataframe_sent_by_any_orient_of_to_json_has_its_rows_and_columns(flask, orient):
    """"list" is to_dict(orient="list"): columns of values."""
    frame = pandas.DataFrame(HOUSES)
    configuration = "request: {features: [{name: size}, {name: rooms}]}\n" if orient == "values" else ""  # It sends no names.
    watched = flask(configuration)
    watched.post(f"/frame/{orient}/list", json.dumps(frame.to_dict(orient="list")) if orient == "list" else frame.to_json(orient=orient))
    watched.assert_houses()


@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "values", "table"])
@pytest.mark.parametrize("rows", [1, 2])
def test_predictions_answered_by_any_orient_of_to_json_are_found(flask, orient, rows):
    watched = flask()
    watched.post(f"/frame/records/frame-{orient}", HOUSES[:rows])
    assert watched.numbers() == PRICES[:rows]


@pytest.mark.parametrize("orient", ["split", "records", "index", "table"])
def test_a_series_of_predictions_is_never_taken_for_its_index(flask, orient):
    watched = flask()
    watched.post(f"/frame/records/series-{orient}", HOUSES)
    assert watched.numbers() == PRICES


# ---- MLflow ----

@pytest.fixture
def mlflow(server, watch, tmp_path_factory):
    def start(configuration=""):
        folder = tmp_path_factory.getbasetemp() / "mlflow-model"
        if not folder.exists():
            subprocess.run([VENV / "python", SERVERS / "mlflow_model.py", folder], check=True, timeout=120, cwd=folder.parent)
        command = [VENV / "mlflow", "models", "serve", "--model-uri", folder, "--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}"]
        return watch(server("mlflow", command, "/ping"), configuration)

    return start


@pytest.mark.parametrize("body", [
    {"dataframe_split": {"columns": ["size", "rooms"], "data": [[1800.0, 3.0], [1000.0, 2.0]]}},
    {"dataframe_split": {"columns": ["size", "rooms"], "index": [7, 3], "data": [[1800.0, 3.0], [1000.0, 2.0]]}},
    {"dataframe_records": HOUSES},
    {"instances": HOUSES},
    {"inputs": HOUSES},
    {"inputs": {"size": [1800.0, 1000.0], "rooms": [3.0, 2.0]}},
    {"dataframe_records": HOUSES, "params": {"how": "column"}},
], ids=["split", "split with an index", "records", "instances", "inputs by rows", "inputs by columns", "records with params"])
def test_mlflow_is_understood_in_every_form_that_it_takes(mlflow, body):
    watched = mlflow()
    assert watched.post("/invocations", body).status_code == 200
    watched.assert_houses()


@pytest.mark.parametrize("index", [False, True], ids=["without the index", "with the index"])
def test_mlflow_is_understood_by_csv_as_pandas_writes_it(mlflow, index):
    watched = mlflow()
    assert watched.post("/invocations", pandas.DataFrame(HOUSES).to_csv(index=index), "text/csv").status_code == 200
    watched.assert_houses()


@pytest.mark.parametrize("how", ["array", "column", "series", "frame", "columns"])
def test_what_an_mlflow_model_returns_is_its_prediction(mlflow, how):
    watched = mlflow()
    assert watched.post("/invocations", {"dataframe_records": HOUSES, "params": {"how": how}}).status_code == 200
    assert watched.numbers() == PRICES


def test_classes_and_probabilities_of_an_mlflow_model_are_classes(mlflow):
    watched = mlflow()
    watched.post("/invocations", {"dataframe_records": HOUSES, "params": {"how": "classes"}})
    assert watched.predictions() == ["dear", "cheap"]


def test_an_mlflow_models_probabilities_are_the_most_probable_class(mlflow):
    watched = mlflow("response: {classes: [cheap, dear]}\n")
    watched.post("/invocations", {"dataframe_records": HOUSES, "params": {"how": "probabilities"}})
    assert watched.predictions() == ["dear", "dear"]


@pytest.mark.parametrize("how", ["nan", "nan frame"])
def test_a_nan_of_an_mlflow_model_is_one_failure(mlflow, how):
    """MLflow writes NaN, which JSON does not have."""
    watched = mlflow()
    assert "NaN" in watched.post("/invocations", {"dataframe_records": HOUSES, "params": {"how": how}}).text
    assert watched.outcomes() == {"success": 1, "failure": 1}
    assert watched.numbers() == [90.0]


def test_of_an_mlflow_models_two_columns_the_one_that_is_named_counts(mlflow):
    watched = mlflow("response: {prediction: 'json:/price'}\n")
    watched.post("/invocations", {"dataframe_records": HOUSES, "params": {"how": "two columns"}})
    assert watched.numbers() == PRICES


def test_mlflows_errors_are_failures(mlflow):
    watched = mlflow()
    assert watched.post("/invocations", {"dataframe_records": [{"area": 3}]}).status_code == 400
    assert watched.outcomes() == {"success": 0, "failure": 1}


# ---- Vertex AI ----

@pytest.fixture
def vertex(server, watch):
    def start(configuration=""):
        return watch(server("vertex", [VENV / "python", "vertex_routine.py", "{port}"], "/health"), configuration)

    return start


def test_a_custom_container_of_vertex_ai_is_understood(vertex):
    """Its answer names the deployed model and its version beside the predictions."""
    watched = vertex()
    assert watched.post("/predict", {"instances": HOUSES, "parameters": {"how": "prices"}}).status_code == 200
    watched.assert_houses()


def test_vertex_ais_classes_and_scores_are_the_most_probable_class(vertex):
    watched = vertex()
    watched.post("/predict", {"instances": HOUSES, "parameters": {"how": "classes"}})
    assert watched.predictions() == ["dear", "cheap"]


def test_vertex_ais_value_counts_and_its_interval_does_not(vertex):
    watched = vertex()
    watched.post("/predict", {"instances": HOUSES, "parameters": {"how": "interval"}})
    assert watched.numbers() == PRICES


# ---- Azure Machine Learning ----

@pytest.fixture
def azure(server, watch):
    def start(configuration=""):
        command = [AZURE / "azmlinfsrv", "--entry_script", "azure_score.py", "--port", "{port}"]
        return watch(server("azure", command, "/", AZURE), configuration)

    return start


@pytest.mark.parametrize("body", [
    {"data": HOUSES},
    {"input_data": {"columns": ["size", "rooms"], "index": [0, 1], "data": [list(row) for row in FEATURES]}},
    {"Inputs": {"data": HOUSES}, "GlobalParameters": "list"},
    {"Inputs": {"WebServiceInput0": HOUSES}, "GlobalParameters": "result"},
    {"Inputs": {"data": HOUSES}, "GlobalParameters": "result"},
    {"Inputs": {"data": HOUSES}, "GlobalParameters": "json text"},
], ids=["data", "input_data", "Inputs data", "Inputs of the designer", "an object of results", "a text of JSON"])
def test_azures_inference_server_is_understood_in_every_form_of_its_examples(azure, body):
    watched = azure()
    assert watched.post("/score", body).status_code == 200
    watched.assert_houses()


def test_rows_as_lists_have_the_features_that_the_configuration_names(azure):
    watched = azure("request: {features: [{name: size}, {name: rooms}]}\n")
    watched.post("/score", {"data": [list(row) for row in FEATURES]})
    watched.assert_houses()


def test_an_error_that_a_scoring_script_returns_is_a_failure(azure):
    watched = azure()
    watched.post("/score", {"Inputs": {"data": HOUSES}, "GlobalParameters": "error"})
    assert watched.outcomes() == {"success": 0, "failure": 1}
