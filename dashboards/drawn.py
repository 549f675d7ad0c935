# SPDX-License-Identifier: Apache-2.0
"""Draws a dashboard from its JSON and the answers to its queries, in Grafana's dark look, as one PNG.

What is drawn is what the JSON says: place, unit, decimals, thresholds, mappings, overrides, stacking, legend. It is no Grafana:
no interaction, and only the kinds of panels and the options that our dashboards use. Chromium takes the picture.
"""

import datetime
import html
import math
import pathlib
import re
import subprocess
import tempfile

from PIL import Image

WIDTH, CELL, GAP, EDGE = 1600, 30, 8, 16
COLOURS = {"green": "#73bf69", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2",
           "purple": "#b877d9", "transparent": "transparent", "text": "#ccccdc"}
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a",
           "#447ebc", "#c15c17", "#890f02", "#0a437c"]
RED_YELLOW_GREEN = [(0, 104, 55), (102, 189, 99), (217, 239, 139), (254, 224, 139), (244, 109, 67), (165, 0, 38)]  # Reversed.

STYLE = """
* { box-sizing: border-box; margin: 0; }
body { background: #111217; color: #ccccdc; font: 14px Inter, "DejaVu Sans", sans-serif; width: 1600px; }
header { display: flex; align-items: center; gap: 10px; padding: 12px 16px 10px; }
header h1 { font-size: 18px; font-weight: 500; margin-right: 8px; }
.chip { border: 1px solid #34363d; border-radius: 3px; font-size: 12px; line-height: 24px; padding: 0 8px; background: #181b1f; }
.chip b { font-weight: 400; color: #8e8e9a; margin-right: 6px; }
.note { margin-left: auto; color: #8e8e9a; font-size: 12px; }
main { position: relative; }
section { position: absolute; background: #181b1f; border: 1px solid #25272d; border-radius: 3px; overflow: hidden; }
h2 { font-size: 13.5px; font-weight: 500; padding: 7px 10px 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
h3 { position: absolute; font-size: 15px; font-weight: 500; padding-left: 4px; }
.stat { position: absolute; inset: 26px 0 0; display: flex; align-items: center; justify-content: center; font-weight: 500; }
.stat span { position: relative; font-size: 36px; } .stat span.words { font-size: 26px; }
.stat.solid { inset: 0; color: #fff; padding-top: 20px; } .over { position: relative; z-index: 1; color: #fff; }
svg { position: absolute; left: 0; font: 11px Inter, "DejaVu Sans", sans-serif; }
.legend { position: absolute; left: 12px; right: 12px; bottom: 6px; font-size: 12px; height: 18px; overflow: hidden; white-space: nowrap; }
.legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin: 0 6px 2px 0; vertical-align: middle; }
.legend span { margin-right: 14px; color: #b4b5c0; }
table { width: 100%; border-collapse: collapse; font-size: 13px; margin-top: 4px; }
th { text-align: right; font-weight: 500; color: #6e9fff; padding: 5px 12px; border-bottom: 1px solid #25272d; font-size: 12.5px; }
td { text-align: right; padding: 7px 12px; border-bottom: 1px solid #202228; }
th.key, td.key { text-align: left; } td.link { color: #6e9fff; } td.solid { color: #fff; text-align: center; }
"""


def colour(name):
    return COLOURS.get(name, name)


# Numbers as Grafana writes them ------------------------------------------------------------------------------------------

def figure(value, decimals):
    if decimals is None:
        size = abs(value)
        decimals = 0 if size == 0 or size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return f"{value:.{int(decimals)}f}"


def scaled(value, decimals, units, base):
    place = 0
    while abs(value) >= base and place < len(units) - 1:
        value, place = value / base, place + 1
    return f"{figure(value, decimals)}{units[place]}"


def seconds(value, decimals):
    for unit, size in ((" weeks", 604800), (" days", 86400), (" hours", 3600), (" mins", 60), (" s", 1), (" ms", 1e-3), (" µs", 1e-6)):
        if abs(value) >= size or size == 1e-6:
            return f"{figure(value / size, decimals)}{unit}" if value else "0 s"
    return ""


def written(value, unit, decimals=None):
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{figure(100 * value, decimals)}%"
    if unit == "s":
        return seconds(value, decimals)
    if unit == "bytes":
        return scaled(value, decimals, [" B", " KiB", " MiB", " GiB"], 1024)
    if unit == "short":
        return scaled(value, decimals, ["", " K", " Mil"], 1000)
    suffix = {"cps": " c/s", "reqps": " req/s"}.get(unit, "")
    return f"{figure(value, decimals)}{suffix}"


# What a panel's configuration says ---------------------------------------------------------------------------------------

def mapped(value, mappings):
    """(text, colour) of a value mapping, or None."""
    for mapping in mappings or []:
        options = mapping["options"]
        if mapping["type"] == "value" and figure(value, 0) in options and value == round(value):
            found = options[figure(value, 0)]
            return found["text"], colour(found["color"])
        if mapping["type"] == "range" and options["from"] <= value <= options["to"]:
            return options["result"]["text"], colour(options["result"]["color"])
    return None


def threshold(value, thresholds):
    found = "text"
    for step in (thresholds or {}).get("steps", []):
        if step.get("value") is None or value >= step["value"]:
            found = step["color"]
    return colour(found)


class Series:
    """A line: its name, points, and what the overrides say of it."""

    def __init__(self, name, points, place, panel):
        self.name, self.points = name, points
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        self.colour, self.dashed = PALETTE[place % len(PALETTE)], False
        self.fill = custom.get("fillOpacity", 0)
        self.stacked = custom.get("stacking", {}).get("mode") == "normal"
        for override in panel["fieldConfig"].get("overrides", []):
            if override["matcher"]["id"] == "byRegexp" and re.search(override["matcher"]["options"].strip("/"), name):
                for put in override["properties"]:
                    self.put(put["id"], put["value"])

    def put(self, key, value):
        if key == "color":
            self.colour = colour(value["fixedColor"])
        elif key == "custom.lineStyle":
            self.dashed = value["fill"] == "dash"
        elif key == "custom.fillOpacity":
            self.fill = value
        elif key == "custom.stacking":
            self.stacked = value["mode"] == "normal"


def named(labels, legend, fallback):
    if legend in ("", "__auto", None):
        rest = {key: value for key, value in labels.items() if key != "__name__"}
        return ", ".join(rest.values()) or fallback
    # A label that is not there leaves a blank, which a browser does not show.
    return " ".join(re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match.group(1), ""), legend).split())


def series_of(panel, answers):
    found = []
    for target, rows in zip(panel["targets"], answers):
        for row in sorted(rows, key=lambda row: sorted(row["metric"].items())):
            points = [(at, float(value)) for at, value in row.get("values") or [row["value"]]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            if points:
                found.append(Series(named(row["metric"], target.get("legendFormat"), panel["title"]), points, len(found), panel))
    return found


def pieces(points, step):
    """Runs of points without a gap."""
    run = []
    for point in points:
        if run and point[0] - run[-1][0] > 1.6 * step:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


# Panels ------------------------------------------------------------------------------------------------------------------

def ticks(low, high, wanted=4):
    step = 10 ** math.floor(math.log10((high - low) / wanted))
    step *= min((m for m in (1, 2, 2.5, 5, 10)), key=lambda m: abs((high - low) / (m * step) - wanted))
    first = math.ceil(low / step - 1e-9) * step
    return [first + i * step for i in range(20) if first + i * step <= high + step * 1e-6]


class Plot:
    """The frame of a time panel: axes, time marks, and the mapping of values to pixels."""

    def __init__(self, context, width, height, low, high, unit, names=None):
        self.context, self.width, self.height = context, width, height
        self.left = 14 + max([7 * len(name) for name in names or [written(t, unit) for t in ticks(low, high)]] or [20])
        self.right, self.top, self.bottom = width - 14, 8, height - 22
        self.low, self.high, self.parts = low, high, []

    def x(self, at):
        begin, end = self.context["from"], self.context["to"]
        return self.left + (at - begin) / (end - begin) * (self.right - self.left)

    def y(self, value):
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, -0.02), 1.05) * (self.bottom - self.top)

    def add(self, text):
        self.parts.append(text)

    def time_axis(self):
        begin, end = self.context["from"], self.context["to"]
        room = (self.right - self.left) / 75
        sizes = (60, 120, 180, 300, 600, 1800, 3600, 2 * 3600, 4 * 3600)
        every = next(size for size in sizes if (end - begin) / size <= room or size == sizes[-1])
        at = math.ceil(begin / every) * every
        while at < end:
            clock = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%H:%M")
            self.add(f'<line x1="{self.x(at):.1f}" x2="{self.x(at):.1f}" y1="{self.top}" y2="{self.bottom}" stroke="#23262c"/>'
                     f'<text x="{self.x(at):.1f}" y="{self.bottom + 15}" fill="#9a9ba8" text-anchor="middle">{clock}</text>')
            at += every

    def value_axis(self, unit):
        for tick in ticks(self.low, self.high):
            self.add(f'<line x1="{self.left}" x2="{self.right}" y1="{self.y(tick):.1f}" y2="{self.y(tick):.1f}" stroke="#23262c"/>')
            self.label(self.y(tick), written(tick, unit))

    def label(self, y, text):
        """Left of the axis, at this height."""
        self.add(f'<text x="{self.left - 7}" y="{y + 4:.1f}" fill="#9a9ba8" text-anchor="end">{html.escape(text)}</text>')

    def marks(self):
        """Annotations: a line where each begins, and a bar under the axis for as long as it lasts."""
        for marked, answers in zip(self.context["annotations"], self.context["marks"]):
            for row in answers:
                for run in pieces([(at, 1) for at, _ in row["values"]], 20):
                    first, last, tint = self.x(run[0][0]), self.x(run[-1][0]), colour(marked["iconColor"])
                    self.add(f'<line x1="{first:.1f}" x2="{first:.1f}" y1="{self.top}" y2="{self.bottom}" stroke="{tint}" '
                             f'stroke-dasharray="4 3" opacity=".85"/><rect x="{first:.1f}" y="{self.bottom}" height="3" '
                             f'width="{max(last - first, 3):.1f}" fill="{tint}" opacity=".8"/>')

    def svg(self, top):
        return f'<svg style="top:{top}px" width="{self.width}" height="{self.height}">{"".join(self.parts)}</svg>'


def lines_of(entries, width):
    """How many lines a legend takes, two at most."""
    return 2 if sum(36 + 6.6 * len(name) for name, _ in entries) > width - 24 else 1


def legend(entries, width=WIDTH):
    style = 'style="height:36px;white-space:normal;line-height:17px"' if lines_of(entries, width) == 2 else ""
    return f'<div class="legend" {style}>' + "".join(
        f'<span style="display:inline-block"><i style="background:{tint}"></i>{html.escape(name)}</span>'
        for name, tint in entries) + "</div>"


def stacked_values(found):
    """[(series, points with bottoms)]: what is stacked stands on what came before it."""
    below, out = {}, []
    for series in found:
        if not series.stacked:
            out.append((series, [(at, value, 0.0) for at, value in series.points]))
            continue
        points = []
        for at, value in series.points:
            key = round(at)
            points.append((at, below.get(key, 0) + value, below.get(key, 0)))
            below[key] = below.get(key, 0) + value
        out.append((series, points))
    return out


def span(panel, layers):
    """The value axis: what is drawn, the soft limits, and a little air."""
    custom, defaults = panel["fieldConfig"]["defaults"].get("custom", {}), panel["fieldConfig"]["defaults"]
    values = [edge for _, points in layers for _, top, bottom in points for edge in ((top, bottom) if bottom else (top,))]
    low = min([*values, custom.get("axisSoftMin", min(values, default=0))])
    high = max([*values, custom.get("axisSoftMax", max(values, default=1))])
    if defaults.get("thresholds") and custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        high = max(high, 1.1 * max(step["value"] or 0 for step in defaults["thresholds"]["steps"]))
    if high - low < 1e-12:
        high = low + 1
    air = 0.05 * (high - low)
    return (low if low == custom.get("axisSoftMin") else low - air), (high if high == custom.get("axisSoftMax") else high + air)


def draw_timeseries(panel, answers, context, width, height):
    found = series_of(panel, answers)
    layers = stacked_values(found)
    low, high = span(panel, layers)
    defaults = panel["fieldConfig"]["defaults"]
    entries = [(series.name, series.colour) for series in found]
    plot = Plot(context, width, height - 32 - 8 - 18 * lines_of(entries, width), low, high, defaults["unit"])
    plot.time_axis()
    plot.value_axis(defaults["unit"])
    bars = defaults.get("custom", {}).get("drawStyle") == "bars"
    for series, points in reversed(layers):
        draw = draw_bars if bars else draw_line
        draw(plot, series, points, context["step"], defaults.get("custom", {}).get("lineWidth", 1))
    if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") == "dashed":
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is not None:
                plot.add(f'<line x1="{plot.left}" x2="{plot.right}" y1="{plot.y(step["value"]):.1f}" y2="{plot.y(step["value"]):.1f}" '
                         f'stroke="{colour(step["color"])}" stroke-dasharray="8 6" opacity=".8"/>')
    plot.marks()
    return plot.svg(30) + legend(entries, width)


def draw_line(plot, series, points, step, thick):
    for run in pieces(points, step):
        top = " ".join(f"{plot.x(at):.1f},{plot.y(value):.1f}" for at, value, _ in run)
        if series.fill:
            base = " ".join(f"{plot.x(at):.1f},{plot.y(bottom if series.stacked else max(plot.low, 0)):.1f}"
                            for at, _, bottom in reversed(run))
            plot.add(f'<polygon points="{top} {base}" fill="{series.colour}" opacity="{series.fill / 100:.2f}"/>')
        if len(run) == 1:
            plot.add(f'<circle cx="{plot.x(run[0][0]):.1f}" cy="{plot.y(run[0][1]):.1f}" r="2" fill="{series.colour}"/>')
        dash = 'stroke-dasharray="8 6"' if series.dashed else ""
        plot.add(f'<polyline points="{top}" fill="none" stroke="{series.colour}" stroke-width="{thick}" {dash}/>')


def draw_bars(plot, series, points, step, _):
    wide = max(2.0, plot.x(step) - plot.x(0) - 0.5)
    for at, value, bottom in points:
        if value - bottom > 1e-9:
            plot.add(f'<rect x="{plot.x(at) - wide / 2:.1f}" y="{plot.y(value):.1f}" width="{wide:.1f}" '
                     f'height="{plot.y(bottom) - plot.y(value):.1f}" fill="{series.colour}" opacity=".85"/>')


def draw_stat(panel, answers, context, width, height):
    found, defaults = series_of(panel, answers), panel["fieldConfig"]["defaults"]
    if not found:
        return '<div class="stat"><span class="words">No data</span></div>'
    value = found[0].points[-1][1]
    said = mapped(value, defaults.get("mappings"))
    if said:
        return f'<div class="stat solid" style="background:{said[1]}"><span class="words">{html.escape(said[0])}</span></div>'
    tint = threshold(value, defaults.get("thresholds"))
    line = sparkline(found[0].points, width, 46, tint) if panel["options"]["graphMode"] == "area" else ""
    line = f'<svg style="bottom:0" width="{width}" height="46">{line}</svg>' if line else ""
    text = html.escape(written(value, defaults["unit"], defaults.get("decimals")))
    return f'<div class="stat" style="color:{tint}"><span>{text}</span></div>{line}'


def sparkline(points, width, height, tint):
    if len(points) < 2:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    begin, end = points[0][0], points[-1][0]
    room = (high - low) or 1
    line = " ".join(f"{(at - begin) / (end - begin) * width:.1f},{height - 3 - (value - low) / room * (height - 8):.1f}"
                    for at, value in points)
    return (f'<polygon points="{line} {width},{height} 0,{height}" fill="{tint}" opacity=".14"/>'
            f'<polyline points="{line}" fill="none" stroke="{tint}" opacity=".7"/>')


def shade(share):
    place = min(max(share, 0), 1) * (len(RED_YELLOW_GREEN) - 1)
    first = min(int(place), len(RED_YELLOW_GREEN) - 2)
    low, high = RED_YELLOW_GREEN[first], RED_YELLOW_GREEN[first + 1]
    return "#" + "".join(f"{round(a + (b - a) * (place - first)):02x}" for a, b in zip(low, high))


def draw_heatmap(panel, answers, context, width, height):
    found, tone = series_of(panel, answers), panel["options"]["color"]
    plot = Plot(context, width, height - 32 - 26, 0, 1, "none", [series.name for series in found])
    plot.time_axis()
    tall = (plot.bottom - plot.top) / len(found)
    wide = plot.x(context["step"]) - plot.x(0)
    for place, series in enumerate(found):
        bottom = plot.bottom - place * tall
        plot.label(bottom - tall / 2, series.name)
        for at, value in series.points:
            plot.add(f'<rect x="{plot.x(at) - wide / 2:.1f}" y="{bottom - tall + 1:.1f}" width="{wide + 0.3:.1f}" height="{tall - 2:.1f}" '
                     f'shape-rendering="crispEdges" fill="{shade((value - tone["min"]) / (tone["max"] - tone["min"]))}"/>')
    steps = "".join(f'<i style="background:{shade(i / 30)};width:6px;height:9px;border-radius:0;margin:0"></i>' for i in range(31))
    return (plot.svg(30) + f'<div class="legend"><span>{tone["min"]:g}</span>{steps}'
            f'<span style="margin-left:10px">{tone["max"]:g}</span></div>')


def draw_timeline(panel, answers, context, width, height):
    found, mappings = series_of(panel, answers), panel["fieldConfig"]["defaults"]["mappings"]
    plot = Plot(context, width, height - 32 - 26, 0, 1, "none", [series.name for series in found])
    plot.time_axis()
    tall = (plot.bottom - plot.top) / len(found)
    wide = plot.x(context["step"]) - plot.x(0)
    for place, series in enumerate(found):
        top = plot.top + place * tall
        plot.label(top + tall / 2, series.name)
        for at, value in series.points:
            _, tint = mapped(value, mappings)
            plot.add(f'<rect x="{plot.x(at) - wide / 2:.1f}" y="{top + tall * 0.12:.1f}" width="{wide + 0.3:.1f}" '
                     f'height="{tall * 0.76:.1f}" shape-rendering="crispEdges" fill="{tint}"/>')
    states = [(option["text"], colour(option["color"])) for option in mappings[0]["options"].values()]
    return plot.svg(30) + legend(states)


def cell(value, properties):
    """One of a table's cells, as the overrides of its column say."""
    unit, decimals = properties.get("unit", "none"), properties.get("decimals")
    if value is None:
        return "<td></td>"
    said = mapped(value, properties.get("mappings"))
    if said:
        return f'<td class="solid" style="background:{said[1]}">{html.escape(said[0])}</td>'
    tint = threshold(value, properties["thresholds"]) if "thresholds" in properties else "#ccccdc"
    return f'<td style="color:{tint}">{html.escape(written(value, unit, decimals))}</td>'


def draw_table(panel, answers, context, width, height):
    arrange = panel["transformations"][-1]["options"]
    names = sorted(arrange["indexByName"], key=arrange["indexByName"].get)
    values = [name for name in names if name.startswith("Value")]
    rows = {}
    for place, answer in enumerate(answers):
        for row in answer:
            labels = {key: value for key, value in row["metric"].items() if key != "__name__"}
            shared = frozenset((key, value) for key, value in labels.items() if key in common_labels(answers))
            rows.setdefault(shared, {}).update({**labels, values[place]: float(row["value"][1])})
    overrides = {override["matcher"]["options"]: {put["id"]: put["value"] for put in override["properties"]}
                 for override in panel["fieldConfig"]["overrides"] if override["matcher"]["id"] == "byName"}
    sort = panel["options"]["sortBy"][0]
    by = next(name for name in names if arrange["renameByName"][name] == sort["displayName"])
    ordered = sorted(rows.values(), key=lambda row: (row.get(by) is None, row.get(by)), reverse=sort["desc"])
    shown = [name for name in names if any(name in row for row in ordered)]
    # Every key first, then the values, as the dashboard orders them.
    head = "".join(f'<th class="{"key" if name not in values else ""}">{html.escape(arrange["renameByName"][name])}</th>' for name in shown)
    of = {name: overrides.get(arrange["renameByName"][name], {}) for name in shown}
    body = "".join("<tr>" + "".join(
        cell(row.get(name), of[name]) if name in values
        else f'<td class="key {"link" if "links" in of[name] else ""}">{html.escape(row.get(name, ""))}</td>'
        for name in shown) + "</tr>" for row in ordered)
    return f"<table><tr>{head}</tr>{body}</table>"


def common_labels(answers):
    """Labels that every query of a table has: it is these that rows are merged on."""
    sets = [set(row["metric"]) for answer in answers for row in answer]
    return set.intersection(*sets) if sets else set()


DRAW = {"timeseries": draw_timeseries, "stat": draw_stat, "heatmap": draw_heatmap, "state-timeline": draw_timeline,
        "table": draw_table}


# The page ----------------------------------------------------------------------------------------------------------------

def place(panel):
    unit = (WIDTH - 2 * EDGE + GAP) / 24
    grid = panel["gridPos"]
    return (EDGE + grid["x"] * unit, grid["y"] * (CELL + GAP), grid["w"] * unit - GAP, grid["h"] * (CELL + GAP) - GAP)


def drawn(panel, context, answers):
    left, top, width, height = place(panel)
    if panel["type"] == "row":
        return f'<h3 style="left:{left:.0f}px;top:{top + 6:.0f}px">{html.escape(panel["title"])}</h3>'
    inside = DRAW[panel["type"]](panel, answers, context, width - 2, height - 2)
    over = "over" if 'class="stat solid"' in inside else ""
    return (f'<section style="left:{left:.0f}px;top:{top:.0f}px;width:{width:.0f}px;height:{height:.0f}px">'
            f'<h2 class="{over}">{html.escape(panel["title"])}</h2>{inside}</section>')


def page(board, answer):
    context = {"from": answer["from"], "to": answer["to"], "step": answer["step"], "marks": answer["annotations"],
               "annotations": board.get("annotations", {}).get("list", [])}
    clock = [datetime.datetime.fromtimestamp(answer[edge], datetime.UTC).strftime("%H:%M") for edge in ("from", "to")]
    chips = "".join(f'<span class="chip"><b>{variable.get("label", variable["name"])}</b>{html.escape(chosen)}</span>'
                    for variable in board["templating"]["list"] if variable["type"] != "datasource"
                    for chosen in [answer["values"][variable["name"]].replace(".+", "All")])
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * (CELL + GAP) + EDGE
    panels = "".join(drawn(panel, context, answer["panels"].get(str(panel["id"]))) for panel in board["panels"])
    text = (f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><header><h1>{board["title"]}</h1>{chips}'
            f'<span class="chip">{clock[0]} to {clock[1]} UTC</span><span class="note">Not Grafana: drawn by dashboards/preview.py '
            f'from the dashboard and the real results of its queries</span></header><main style="height:{height}px">{panels}</main>')
    return text, height + 54


def picture(board, answer, folder):
    """Writes <folder>/<uid>.png and gives its path."""
    text, height = page(board, answer)
    target = pathlib.Path(folder) / f"{board['uid']}.png"
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / "page.html"
        source.write_text(text)
        shot = pathlib.Path(scratch) / "page.png"
        done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               f"--user-data-dir={scratch}/profile", f"--screenshot={shot}", f"--window-size={WIDTH},{height}",
                               source.as_uri()],
                              capture_output=True, text=True, timeout=120, check=False)
        if not shot.exists():
            raise RuntimeError(f"chromium took no picture: {done.stderr[-2000:]}")
        # A palette is enough for flat panels and half of the size; coverage, so that no legend's little line loses its colour.
        Image.open(shot).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            target, optimize=True)
    return target
