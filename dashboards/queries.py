# SPDX-License-Identifier: Apache-2.0
"""The dashboards as they are imported: their panels, and their queries with the variables filled in as Grafana does.

    for board in boards():
        for panel in panels(board):
            for target in panel["targets"]:
                expression = fill(target["expr"], chosen(board, model="house-price"), shown=900, step=2, scrape=1)
"""

import json
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parent
ALL = ".+"
NONE = {"cluster", "namespace"}  # Where no series has such a label there is nothing to choose, and Grafana fills in nothing.


def boards():
    """The committed dashboards, in the order in which people look at them."""
    names = ("fleet", "model", "ahead", "agent", "sidecar")
    return [json.loads((FOLDER / f"outrider-{name}.json").read_text()) for name in names]


def panels(board):
    """Every panel that is not a row's heading."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def chosen(board, **values):
    """{variable: value}: what was chosen, else All where that can be, else what the dashboard opens with."""
    found = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            continue
        opened = variable.get("allValue") or variable.get("current", {}).get("value")
        found[name] = values.get(name, opened or ("" if name in NONE else ALL))
    return found


def duration(seconds):
    return f"{max(1, round(seconds))}s"


def fill(expression, values, *, shown, step, scrape):
    """The query that Grafana sends: `shown` seconds of time range, one point each `step`, samples each `scrape`."""
    # Four scrapes at least, so that a rate has samples to work with, and no sample falls between two points.
    builtin = {"__rate_interval": duration(max(step + scrape, 4 * scrape)), "__interval": duration(step),
               "__range": duration(shown), "__range_s": str(round(shown))}

    def value(match):
        name = match.group(1) or match.group(2)
        if name not in builtin and name not in values:
            raise KeyError(f"${name} in {expression}")
        return builtin.get(name) or values[name]

    return re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", value, expression)  # Not $1, which is label_replace's.


def remote_write(loop):
    """Options with which the demo's sidecar also writes to the agent, so that there is something to see of either."""
    return ["--remote-write.url", loop.url("agent", "/api/v1/write"), "--remote-write.keep-page"]
