# SPDX-License-Identifier: Apache-2.0
"""The dashboards: made by their code, clean by Grafana's own linter, and no panel without data in a live loop."""

import collections
import math
import re
import shutil
import signal
import string
import subprocess
import sys
import time
import urllib.parse

import ahead_test
import pytest
from conftest import ROOT
from processes import http_json, wait_for

FOLDER = ROOT / "dashboards"
sys.path.insert(0, str(FOLDER))

import queries  # noqa: E402

BOARDS = queries.boards()
FILES = sorted(FOLDER.glob("outrider-*.json"))
# Panels whose data come later than the live loop waits.
LATER = {
    "Signals of an incident": "of incidents that have ended",
    "Intervals that held": "the first interval's time comes an hour after it was said",
    "An hour ahead": "what was said an hour before",
    "Six hours ahead": "what was said six hours before",
}
SCRAPE = 15  # Seconds: what Grafana takes for the scrape interval unless the data source says otherwise.


PANELS = [pytest.param(board, panel, id=f"{board['uid']}: {panel['title']}")
          for board in BOARDS for panel in queries.panels(board)]


def test_the_json_is_what_the_code_makes():
    done = subprocess.run([sys.executable, FOLDER / "source" / "build.py", "--check"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nrun dashboards/source/build.py"
    assert [board["uid"] for board in BOARDS] == ["outrider-fleet", "outrider-model", "outrider-ahead", "outrider-agent",
                                                  "outrider-sidecar"]
    assert {file.stem for file in FILES} == {board["uid"] for board in BOARDS}


@pytest.mark.long  # Building the linter takes minutes of CPU.
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_grafanas_linter_has_nothing_to_say(file, tool):
    done = subprocess.run([tool("dashboard-linter"), "lint", "--strict", "--config", FOLDER / ".lint", file],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_the_linter_still_finds_what_is_wrong(tmp_path, tool):
    broken = (FOLDER / "outrider-agent.json").read_text().replace('instance=~\\"$instance\\"', 'instance=~\\".+\\"', 1)
    (tmp_path / "broken.json").write_text(broken)
    done = subprocess.run([tool("dashboard-linter"), "lint", "--strict", "--config", FOLDER / ".lint",
                           tmp_path / "broken.json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "instance" in done.stdout


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_every_dashboard_follows_the_house_rules(board):
    assert board["schemaVersion"] == 42 and board["editable"] is False
    assert re.fullmatch(r"outrider-[a-z]+", board["uid"]) and "id" not in board
    names = [variable["name"] for variable in board["templating"]["list"]]
    assert names[:5] == ["datasource", "cluster", "namespace", "job", "instance"]
    # Who has no such label has nothing to choose, and must still see something; and one model is never two of a name.
    for variable in board["templating"]["list"][1:3]:
        assert variable["includeAll"] == (board["uid"] != "outrider-model")
        assert not variable["includeAll"] or variable["allValue"] == ".*"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in queries.panels(board)]
    assert not [title for title, count in collections.Counter(titles).items() if count > 2]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_panels_fill_the_grid_and_do_not_overlap(board):
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert max(x for x, _ in taken) == 23
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, sorted({(x, y) for x in range(24) for y in range(height)} - taken)[:5]


@pytest.mark.parametrize("board, panel", PANELS)
def test_every_panel_says_what_it_shows(board, panel):
    assert panel["title"] and panel["description"].endswith(".") and len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
    for target in panel["targets"]:
        for selector in re.findall(r"(?<!:)outrider_\w+\{([^}]*)\}|process_\w+\{([^}]*)\}", target["expr"]):
            assert both_match("".join(selector)), target["expr"]
        for selector in re.findall(r"(?:model:outrider_[\w:]+|ALERTS)\{([^}]*)\}", target["expr"]):
            assert OF_PLACE in selector, target["expr"]
        bare = re.findall(r"(?<!:)\b(?:outrider|process)_\w+\b(?!\{)", target["expr"])
        assert not bare, f"no matchers on {bare}"


OF_PLACE = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job"'


def both_match(matchers):
    return OF_PLACE in matchers and 'instance=~"$instance"' in matchers


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_no_dashboard_adds_up_what_two_clusters_have_of_one_name(board):
    """Where something is grouped or joined by job, instance or model, it is by cluster and namespace too."""
    queries_of = [target["expr"] for panel in queries.panels(board) for target in panel["targets"]]
    queries_of += [annotation["expr"] for annotation in board.get("annotations", {}).get("list", [])]
    for expression in queries_of:
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            named = set(labels.split(", "))
            if named & {"job", "instance", "model_name"}:
                assert {"cluster", "namespace"} <= named, expression
    links = [link["url"] for panel in board["panels"] for override in panel.get("fieldConfig", {}).get("overrides", [])
             for put in override["properties"] if put["id"] == "links" for link in put["value"]]
    assert all("to_cluster" in link and "to_namespace" in link for link in links if "outrider-model" in link)


def in_a_cluster(text):
    """The demo's scrape configuration, with a cluster and a namespace on the sidecar; the others stay without."""
    plain = '      - targets: ["${sidecar}"]\n'
    assert plain in text
    return text.replace(plain, plain + "        labels: {cluster: eu, namespace: shop}\n")


class LiveLoop:
    """The demo's programs with one incident behind them: the market turned, the alert fired, the agent acted."""

    def __init__(self, programs, folder):
        import story
        (folder / "past").mkdir()
        past = ahead_test.make_blocks(folder / "past")
        (folder / "ahead.yaml").write_text(ahead_test.RULES)

        class Loop(story.Loop):
            def render(self, name, **values):
                if name != "prometheus.yml":
                    return super().render(name, **values)
                target = self.folder / name
                shutil.copytree(past, self.folder / "prometheus")
                target.write_text(string.Template(in_a_cluster((story.DEMO / name).read_text())).substitute(values))
                return target

        self.loop = Loop(folder, programs, favour_ports=False, rate=60)
        self.loop.rules = self.hasty_rules(folder / "rules")
        self.loop.sidecar_options = queries.remote_write(self.loop)
        self.loop.agent_options = ["--forecast.rules", folder / "ahead.yaml", "--forecast.learn-from", "10d", "--forecast.every", "5s"]
        self.started = time.time()
        traffic = self.loop.start()
        wait_for("600 labels", lambda: self.loop.labels() >= 600, 60)
        traffic.send_signal(signal.SIGUSR1)
        wait_for("ModelAccuracyDropped in the agent", lambda: self.loop.prometheus.scalar(
            "sum(outrider_agent_incidents_open) >= 1"), 60)
        wait_for("the drift of the inputs", lambda: self.loop.prometheus.scalar("count(model:outrider_drift_psi:debiased15m)"), 30)
        wait_for("a look at the inputs", lambda: self.loop.prometheus.scalar("count(outrider_drift_ratio)"), 60)
        wait_for("the capacities", lambda: self.loop.prometheus.scalar("count(outrider_replicas_wanted)"), 60)
        wait_for("an action that was sent", lambda: self.loop.prometheus.scalar(
            'sum(outrider_agent_actions_total{outcome="sent"}) >= 1'), 30)

    @staticmethod
    def hasty_rules(folder):
        """The shipped rules; those on drift are evaluated each second, not each minute."""
        folder.mkdir()
        for file in (ROOT / "alerts").glob("*.rules.yml"):
            (folder / file.name).write_text(file.read_text().replace("interval: 1m", "interval: 1s"))
        return folder

    def values(self, target, board):
        """The finite values that a panel's query gives, over the time that the loop runs."""
        shown = time.time() - self.started
        expression = queries.fill(target["expr"], self.chosen(board), shown=shown, step=2, scrape=SCRAPE)
        asked, path = {"query": expression}, "query"
        if not target.get("instant"):
            asked |= {"start": self.started, "end": time.time(), "step": target.get("step", 2)}
            path = "query_range"
        answer = http_json("GET", f"{self.loop.url('prometheus')}/api/v1/{path}?{urllib.parse.urlencode(asked)}")
        found = [float(value) for row in answer["data"]["result"] for _, value in row.get("values") or [row["value"]]]
        return [value for value in found if math.isfinite(value)]

    @staticmethod
    def chosen(board):
        """A model's dashboard is of one cluster and namespace; the others show all that there are."""
        place = {"cluster": "eu", "namespace": "shop"} if board["uid"] == "outrider-model" else {}
        return queries.chosen(board, model="house-price", **place)

    def choices(self, variable, board):
        """What a variable's list would offer."""
        call = queries.fill(variable["query"], self.chosen(board), shown=600, step=2, scrape=SCRAPE)
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", call).groups()
        asked = urllib.parse.urlencode({"match[]": metric})
        return http_json("GET", f"{self.loop.url('prometheus')}/api/v1/label/{label}/values?{asked}")["data"]


@pytest.mark.timeout(240)
def test_every_panel_has_data_in_a_live_loop(programs, binaries, tmp_path):
    assert shutil.which("prometheus") and binaries
    live = LiveLoop(programs, tmp_path)
    empty, asked = [], 0
    for board in BOARDS:
        for variable in board["templating"]["list"]:
            without = board["uid"] in ("outrider-agent", "outrider-ahead") and variable["name"] in queries.NONE
            if variable["type"] == "query" and bool(live.choices(variable, board)) == without:
                empty.append(f"{board['uid']}: ${variable['name']} offers {live.choices(variable, board)}")
        for panel in queries.panels(board):
            for target in panel["targets"]:
                asked += 1
                if not live.values(target, board) and panel["title"] not in LATER:
                    empty.append(f"{board['uid']}: {panel['title']}: {target['expr']}")
        # An alert may fire for a moment only, where a retraining mends the model at once.
        for annotation in board.get("annotations", {}).get("list", []):
            if not live.values({"expr": annotation["expr"], "step": 0.25}, board):
                empty.append(f"{board['uid']}: annotation {annotation['name']}: {annotation['expr']}")
    assert not empty, "\n".join(empty)
    assert asked > 100
    fired = live.values({"expr": 'max_over_time(ALERTS{alertname="ModelAccuracyDropped",alertstate="firing"}[5m])', "instant": True},
                        BOARDS[0])
    assert fired, "no alert was seen, so the panels about alerts were not tried"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_preview_can_be_played_and_drawn(tmp_path, binaries):
    """Three minutes of the quarter of an hour: four models, every panel drawn, each picture small enough for a README."""
    done = subprocess.run([sys.executable, FOLDER / "preview.py", "--minutes", "3", "--out", tmp_path], capture_output=True,
                          text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for board in BOARDS:
        picture = tmp_path / f"{board['uid']}.png"
        assert 30_000 < picture.stat().st_size < 300_000, picture
        assert (FOLDER / "preview" / picture.name).stat().st_size < 300_000
