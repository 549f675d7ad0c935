#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes dashboards/preview/*.png: plays a story with the real programs (played.py), asks Prometheus every panel's query,
and draws the answers where and how the dashboards say. There is no Grafana here: the pictures are ours, from the real
dashboards and the real query results, and they say so.

    build/venv/bin/python dashboards/preview.py                    # plays a quarter of an hour, then draws
    build/venv/bin/python dashboards/preview.py --answers FILE     # draws again what was kept
    build/venv/bin/python dashboards/preview.py --minutes 3 --out build/preview    # what scripts/test --all does
"""

import argparse
import json
import pathlib
import shutil
import sys
import time
import urllib.parse

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent
sys.path[:0] = [str(FOLDER), str(ROOT / "demo")]

import drawn  # noqa: E402
import played  # noqa: E402
import queries  # noqa: E402
from processes import Programs, http_json  # noqa: E402

HOUR = 3600
SHOWN = {"outrider-ahead": (-24 * HOUR, 6 * HOUR)}  # From and to beside now, where not all of the play.
SCRAPE = 15   # What Grafana takes for the scrape interval unless the data source says otherwise; the demo's is 1 s.
POINTS = 220  # Across a panel's width, as Grafana asks for about one a few pixels.


def ask_all(loop, began):
    """{"uid": {"from", "to", "panels": {id: [{legend, rows} …]}, "annotations": …}} of all dashboards."""
    now = time.time()
    answers = {}
    for board in queries.boards():
        begin, end = (now + beside for beside in SHOWN.get(board["uid"], (began - now, 0)))
        step = max(1, round((end - begin) / POINTS))
        values = queries.chosen(board, model="house-price", window="5m")

        def ask(target, values=values, begin=begin, end=end, step=step):
            expression = queries.fill(target["expr"], values, shown=end - begin, step=step, scrape=SCRAPE)
            asked, path = {"query": expression, "time": now}, "query"
            if not target.get("instant"):
                asked, path = {"query": expression, "start": begin, "end": end, "step": step}, "query_range"
            return http_json("GET", f"{loop.url('prometheus')}/api/v1/{path}?{urllib.parse.urlencode(asked)}", timeout=60)["data"]["result"]

        answers[board["uid"]] = {
            "from": begin, "to": end, "step": step, "values": values,
            "panels": {str(panel["id"]): [ask(target) for target in panel["targets"]] for panel in queries.panels(board)},
            "annotations": [ask(annotation) for annotation in board.get("annotations", {}).get("list", [])]}
    return answers


def play(folder, minutes):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Programs(folder / "logs") as programs:
        staged = played.Play(folder, programs, minutes * 60)
        try:
            loop = staged.run()
            assert len(played.models(loop)) == 4
            return ask_all(loop, staged.began + 10)
        finally:
            staged.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=pathlib.Path, help="draw these instead of playing")
    parser.add_argument("--minutes", type=float, default=15, help="how long to play (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER / "preview", help="where the pictures go")
    settings = parser.parse_args()
    if settings.answers:
        answers = json.loads(settings.answers.read_text())
    else:
        answers = play(ROOT / "build" / "preview" / "run", settings.minutes)
        (ROOT / "build" / "preview" / "answers.json").write_text(json.dumps(answers))
    settings.out.mkdir(parents=True, exist_ok=True)
    for board in queries.boards():
        picture = drawn.picture(board, answers[board["uid"]], settings.out)
        print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
