# SPDX-License-Identifier: Apache-2.0
"""Looking ahead, with a real Prometheus that holds the past: how many replicas the peak ahead needs, when a disk is full,
and what is said where nobody knows."""

import json
import math
import pathlib
import random
import subprocess
import time
import urllib.parse

import pytest
from processes import free_port, http, http_json, wait_for
from stack import LocalServer, Program

MINUTE, DAY = 60, 86_400
RULES = """
step: 15m
history: 10d
horizons: [1h, 6h]
series:
  - {name: disk, query: 'disk_used', limit: 'disk_size', horizons: [1d, 7d]}
  - {name: young, query: 'young'}
capacity:
  - name: shop
    load: 'shop_load'
    replicas: 'shop_replicas'
    latency: 'shop_latency'
    mean_latency: 'shop_latency'
    objective: 500ms
    cold_start: 2m
"""


def day_course(now, at):
    """Requests a second: 25 at the moment, on the way up to 36."""
    return 20 + 16 * math.sin(2 * math.pi * (at - now) / DAY + math.asin(5 / 16))


def past(now, days=10):
    """OpenMetrics: ten days, a sample a minute. One replica of `shop` bears 9 requests a second within half a second; `calm` never
    saw a load that was too much."""
    chance, lines = random.Random(1), []
    times = range(now - days * DAY, now, MINUTE)

    def series(name, labels):
        lines.append(f"# TYPE {name} gauge")
        for label, of in labels.items():
            lines.extend(f'{name}{{service="{label}"}} {of(at):.6g} {at}' for at in times)

    load = {at: day_course(now, at) * math.exp(chance.gauss(0, 0.03)) for at in times}
    # By the time before now, as the load: three meet its rise, whenever the test runs.
    replicas = {at: 5 if (at - now + 3 * 3600) // (6 * 3600) % 2 else 3 for at in times}
    replicas.update({at: 3 for at in times if at >= now - 600})

    def latency(at):
        each = load[at] / replicas[at]
        return 1 / (11 - each) if each < 10.9 else 10

    series("shop_load", {"shop": load.get, "calm": load.get})
    series("shop_replicas", {"shop": replicas.get, "calm": lambda at: 50})
    series("shop_latency", {"shop": latency, "calm": lambda at: 0.1})
    series("disk_used", {"store": lambda at: 100 + (at - now) / DAY * 5 + chance.gauss(0, 0.1)})
    series("disk_size", {"store": lambda at: 115})
    lines.append("# TYPE young gauge")
    lines.extend(f'young{{service="new"}} 1 {at}' for at in times[-30:])
    return "\n".join([*lines, "# EOF", ""])


def make_blocks(folder):
    """The past as a folder that Prometheus starts from."""
    now = int(time.time()) // MINUTE * MINUTE
    (folder / "past.om").write_text(past(now))
    made = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "past.om", folder / "tsdb"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "tsdb"


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    return make_blocks(tmp_path_factory.mktemp("past"))


def start_prometheus(programs, folder, blocks, port):
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    programs.start("prometheus", [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={blocks}",
        f"--web.listen-address=127.0.0.1:{port}"])
    programs.wait_until_ready("prometheus", f"http://127.0.0.1:{port}/-/ready")


def start_agent(programs, binary, folder, prometheus_port, *options, name="agent"):
    port = free_port()
    (folder / "ahead.yaml").write_text(RULES)
    return Program(programs, name, [
        binary, "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", folder / "data",
        "--prometheus.url", f"http://127.0.0.1:{prometheus_port}", "--forecast.rules", folder / "ahead.yaml",
        "--forecast.learn-from", "10d", *options], f"http://127.0.0.1:{port}")


def wait_for_capacities(agent):
    wait_for("the capacities", lambda: len(report(agent)["capacity"]) == 2, 60)


def report(agent):
    return http_json("GET", f"{agent.admin}/api/v1/forecasts")


def test_the_agent_reads_the_past_and_says_what_the_peak_ahead_needs(programs, agent_binary, blocks, tmp_path):
    port = free_port()
    start_prometheus(programs, tmp_path, blocks, port)
    agent = start_agent(programs, agent_binary, tmp_path, port)
    wait_for_capacities(agent)
    said = report(agent)

    services = {item["labels"]["service"]: item for item in said["capacity"]}
    shop = services["shop"]
    assert shop["replica"]["knowledge"] == "known"
    assert abs(shop["replica"]["load"] - 9) < 0.3
    assert shop["now"]["wanted"] == 3
    assert shop["ahead"]["wanted"] == 4
    assert shop["says"].startswith("scale from 3 to 4 by "), shop["says"]
    # The load grows by 3 % of noise a minute: a fourth replica is worth having at most.
    assert shop["cold_start"]["wanted"] in (3, 4)
    assert 0 <= shop["cold_start"]["chance_short"] < 0.5
    calm = services["calm"]
    assert calm["now"]["wanted"] is None
    assert "no load was seen at which the latency is above 0.5 s" in calm["says"]

    series = {item["forecast"]: item for item in said["series"] if item["forecast"] in ("disk", "young")}
    assert abs(series["disk"]["to_limit_seconds"]["expected"] / DAY - 3) < 0.3
    assert series["young"]["horizons"] == []
    assert series["young"]["trouble"]

    metrics = agent.metrics()
    assert metrics.sum("outrider_replicas_wanted", service="shop", when="ahead") == 4
    assert metrics.sum("outrider_replicas_wanted", service="shop", when="cold_start") == shop["cold_start"]["wanted"]
    assert metrics.sum("outrider_replicas_wanted", service="calm") == 0
    middle = metrics.sum("outrider_forecast", forecast="shop", service="shop", horizon="6h", bound="estimate")
    assert abs(middle - day_course(0, 6 * 3600)) < 3
    assert metrics.sum("outrider_forecast_queries_total", result="failed") == 0
    checked = subprocess.run(["promtool", "check", "metrics"], input=http("GET", f"{agent.admin}/metrics")[2],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


class PlayedPrometheus(LocalServer):
    """Of the minutes it tells 20 requests a second at three replicas; of this moment what is set."""

    def __init__(self):
        self.load, self.replicas = 20, 3
        super().__init__(self.respond)

    def respond(self, request):
        path = urllib.parse.urlsplit(request.path)
        asked = urllib.parse.parse_qs(path.query) | urllib.parse.parse_qs(request.body.decode())
        query, result = asked["query"][0], []
        labels = {"__name__": query, "service": "shop"}
        if path.path.endswith("/query_range"):
            values = {"shop_load": "20", "shop_replicas": "3", "shop_latency": "0.1"}
            times = range(int(float(asked["start"][0])), int(float(asked["end"][0])) + 1, MINUTE)
            if query in values and float(asked["step"][0]) == MINUTE:
                result = [{"metric": labels, "values": [[at, values[query]] for at in times]}]
            kind = "matrix"
        else:
            value = {"shop_load": self.load, "shop_replicas": self.replicas}.get(query)
            result = [] if value is None else [{"metric": labels, "value": [time.time(), str(value)]}]
            kind = "vector"
        request.answer(200, {"status": "success", "data": {"resultType": kind, "result": result}},
                       [("Content-Type", "application/json")])


def test_between_two_minutes_the_load_of_the_moment_is_asked_for(programs, agent_binary, tmp_path):
    with PlayedPrometheus() as prometheus:
        port = int(prometheus.url.rsplit(":", 1)[1])
        agent = start_agent(programs, agent_binary, tmp_path, port, "--forecast.every", "1s")

        def service():
            return next(iter(report(agent)["capacity"]), {})

        wait_for("what the minutes tell", lambda: service().get("load") == 20, 60)
        prometheus.load, prometheus.replicas = 31, 5
        wait_for("what this moment tells", lambda: (service()["load"], service()["replicas"]) == (31, 5), 30)
        assert agent.metrics().sum("outrider_forecast_queries_total", result="failed") == 0


def test_while_prometheus_is_away_the_agent_serves_and_counts_then_catches_up(programs, agent_binary, blocks, tmp_path):
    port = free_port()
    agent = start_agent(programs, agent_binary, tmp_path, port, "--forecast.every", "1s")
    wait_for("a failed question", lambda: agent.metrics().sum("outrider_forecast_queries_total", result="failed") > 0, 30)
    assert report(agent)["series"] == []
    start_prometheus(programs, tmp_path, blocks, port)
    wait_for_capacities(agent)


def test_past_the_limit_series_are_turned_away_and_counted(programs, agent_binary, blocks, tmp_path):
    port = free_port()
    start_prometheus(programs, tmp_path, blocks, port)
    agent = start_agent(programs, agent_binary, tmp_path, port, "--forecast.max-series", "2")
    wait_for("the forecasts", lambda: len(report(agent)["series"]) == 2, 60)
    assert agent.metrics().sum("outrider_forecast_series_refused_total") > 0


def test_without_a_prometheus_nothing_is_forecast_and_the_answer_says_why(programs, agent_binary, tmp_path):
    port = free_port()
    Program(programs, "agent", [agent_binary, "--web.listen-address", f"127.0.0.1:{port}", "--data.dir", tmp_path / "data"],
            f"http://127.0.0.1:{port}")
    status, _, body = http("GET", f"http://127.0.0.1:{port}/api/v1/forecasts")
    assert status == 404
    assert "--prometheus.url" in json.loads(body)["message"]


def test_a_file_with_mistakes_stops_the_start_with_all_of_them(agent_binary, tmp_path):
    rules = pathlib.Path(tmp_path / "ahead.yaml")
    rules.write_text("step: 1s\nseries: [{name: a}]\n")
    done = subprocess.run([agent_binary, "--data.dir", tmp_path / "data", "--prometheus.url", "http://127.0.0.1:1",
                           "--forecast.rules", rules, "--web.listen-address", f"127.0.0.1:{free_port()}"],
                          capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "ahead.yaml:1: step: expected between 1m and 24h" in done.stderr
    assert "query is missing" in done.stderr


def test_the_command_forecasts_each_series_of_a_query(programs, binaries, blocks, tmp_path):
    port = free_port()
    start_prometheus(programs, tmp_path, blocks, port)
    at = ["--prometheus", f"http://127.0.0.1:{port}", "--history", "9d", "--horizon", "8"]

    def run(*arguments):
        return subprocess.run([binaries / "outrider", "forecast", *at, *arguments], capture_output=True, text=True,
                              check=False, timeout=60)

    one = run("--query", 'shop_load{service="shop"}', "--output", "-")
    assert one.returncode == 0, one.stderr
    rows = one.stdout.splitlines()
    assert rows[0].startswith("timestamp,forecast,lower_50")
    assert len(rows) == 9
    assert rows[1].split(",")[0].endswith("Z")
    several = run("--query", "shop_load", "--output", tmp_path / "ahead", "--plot", tmp_path / "pictures")
    assert several.returncode == 0, several.stderr
    assert sorted(file.name for file in (tmp_path / "ahead").iterdir()) == [
        "__name__=shop_load,service=calm.csv", "__name__=shop_load,service=shop.csv"]
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    none = run("--query", "nothing_here", "--output", "-")
    assert none.returncode == 1
    assert "has no series in the last 9d" in none.stderr
    wrong = run("--query", "sum(", "--output", "-")
    assert wrong.returncode == 1
    assert "parse error" in wrong.stderr
    lonely = subprocess.run([binaries / "outrider", "forecast", "--output", "-", "--horizon", "8"], capture_output=True, text=True,
                            check=False, timeout=60)
    assert lonely.returncode != 0
    assert "expected --input, or --prometheus with --query" in lonely.stderr


def test_the_backtest_replays_a_range_of_a_prometheus_beside_what_came(programs, binaries, blocks, tmp_path):
    port = free_port()
    start_prometheus(programs, tmp_path, blocks, port)
    (tmp_path / "ahead.yaml").write_text(RULES.replace("'disk_size'", "'disk_size - 18'"))    # Full 15 hours ago.

    def run(*arguments):
        return subprocess.run([binaries / "outrider", "backtest", "--prometheus", f"http://127.0.0.1:{port}", *arguments],
                              capture_output=True, text=True, check=False, timeout=120)

    done = run("--from", "now-3d", "--to", "now", "--forecast.rules", tmp_path / "ahead.yaml", "--forecast.learn-from", "6d",
               "--output", tmp_path / "told.json", "--plot", tmp_path / "told.svg")
    assert done.returncode == 0, done.stderr
    assert "steps replayed" in done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    series = {(one["forecast"], one["labels"]["service"]): one for one in told["series"]}
    load = series["shop", "shop"]["horizons"][0]
    assert load["horizon_seconds"] == 3600
    assert load["checked"] > 200
    assert 0.8 < load["inside"] / load["checked"] <= 1
    assert load["mase"] < load["naive_mase"]
    course = series["shop", "shop"]["course"]
    assert len(course) == 3 * 96
    said = [point for point in course if point["expected"] is not None]
    assert len(said) == len(course) - 4    # Of the first hour nothing was said within the range.
    assert all(point["low"] <= point["expected"] <= point["high"] for point in said)
    disk = series["disk", "store"]["full"]
    assert len(disk) == 1, disk
    assert disk[0]["fired"] < disk[0]["came"]
    shop = next(one for one in told["capacity"] if one["labels"]["service"] == "shop")
    assert abs(shop["replica"]["load"] - 9) < 0.3
    assert shop["alerts"], "three replicas were too few at noon"
    assert all(step["ahead"] >= step["now"] for step in shop["course"] if step["now"] and step["ahead"])
    assert shop["checks"]["enough"] > 5 * shop["checks"]["short"]
    assert "ModelCapacityAhead  shop{service=\"shop\"}: it came" in done.stdout
    soon = shop["cold_start"]
    assert soon["checked"] > 200
    assert abs(soon["outgrown"] - soon["expected"]) < 0.1 * soon["checked"]
    assert any(step["cold_start"] for step in shop["course"])
    assert "replica-hours: had" in done.stdout
    assert "worth having until a new one serves: " in done.stdout
    picture = (tmp_path / "told.svg").read_text()
    assert picture.count("class='band'") >= 2
    assert "class='alert'" in picture

    nothing = run("--from", "now-2d")    # What the agent forecasts by itself: none of it is there.
    assert nothing.returncode == 1
    assert "none of the 6 queries has a series in that range" in nothing.stderr
    when = run()
    assert when.returncode == 2
    assert "expected --prometheus and --from (or --start) together" in when.stderr
