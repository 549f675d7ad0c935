# SPDX-License-Identifier: Apache-2.0
"""What all dashboards share: variables, selectors, thresholds, panels with house defaults, and the grid.

    board = Board("outrider-agent", "Outrider / Agent", "…", variables=[…])
    board.row("Now", 4, [(stat("Open incidents", "…", "short", query("sum(…)")), 6), …])
    board.write(folder)

A panel says one thing. Its description says what a bad value means and what to do about it, because
that is what somebody reads at night.
"""

import json

from grafana_foundation_sdk.builders import common as ui
from grafana_foundation_sdk.builders import dashboard, prometheus, statetimeline
from grafana_foundation_sdk.builders import heatmap as heatmaps
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as ui_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models import prometheus as prometheus_model

FLEET = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job"'  # Of recorded series and alerts: about all pods, no instance.
PODS = FLEET + ', instance=~"$instance"'
MODEL = PODS + ', model_name=~"$model"'

# What tells one model server, and one pod, from another (docs/decisions/0027). A label that there is none of is left out.
PLACE = "cluster, namespace, job, workload"
POD = "cluster, namespace, instance"
OF_PLACE, OF_POD = "{{cluster}} {{namespace}} {{job}}", "{{cluster}} {{namespace}} {{instance}}"

GREEN, YELLOW, ORANGE, RED, BLUE, GREY, PURPLE = (
    "green", "yellow", "orange", "red", "blue", "#8e8e8e", "purple")
SOURCE = ui_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRID = 24


def variables(metric, model=False, window=False):
    """The data source, and where `metric` is exported: clusters, namespaces, jobs, instances; a model; a window for ratios.

    A dashboard of one model is of one cluster and one namespace: two models of one name must not be added up. Without such labels
    there is nothing to choose, and an empty choice matches what has no such label.
    """
    found = [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        pick("cluster", "Cluster", f"label_values({metric}, cluster)", several=not model, every=".*"),
        pick("namespace", "Namespace", f'label_values({metric}{{cluster=~"$cluster"}}, namespace)', several=not model, every=".*"),
        pick("job", "Job", f'label_values({metric}{{cluster=~"$cluster", namespace=~"$namespace"}}, job)'),
        pick("instance", "Instance", f"label_values({metric}{{{FLEET}}}, instance)"),
    ]
    if model:
        found.append(pick("model", "Model", f"label_values(outrider_predictions_total{{{PODS}}}, model_name)", several=False))
    if window:
        found.append(dashboard.CustomVariable("window").label("Window").values("5m,15m,1h,6h,1d")
                     .current(model_option("15m")))
    return found


def model_option(text):
    return model.VariableOption(text=text, value=text, selected=True)


def pick(name, label, values, several=True, every=".+"):
    """A variable whose choices are the values of a label, read again whenever the time range changes. `every` is what All matches."""
    chosen = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(values).definition(values)
    chosen = chosen.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if several:
        chosen = chosen.multi(True).include_all(True).all_value(every).current(
            model.VariableOption(text="All", value="$__all", selected=True))
    return chosen


def query(expression, legend="", instant=False):
    """A range query; an instant one gives a table's column or a stat without a line behind it."""
    asked = prometheus.Dataquery().expr(squeeze(expression)).datasource(SOURCE).legend_format(legend or "__auto")
    if instant:
        return asked.instant().format(prometheus_model.PromQueryFormat.TABLE)
    return asked.range()


def squeeze(expression):
    """One line: the sources wrap expressions for people, Grafana shows them in a narrow box."""
    return " ".join(expression.split()).replace("( ", "(").replace(" )", ")")


def ratio(part, whole):
    """A share that is 0, and not absent or NaN, while the whole is 0."""
    return f"{part} / ({whole} > 0) or {whole} * 0"


def only_of(gauge, metric, rest=""):
    """A metric that other programs export too (`process_*` are everybody's): of those only that export `gauge`."""
    return f"({metric}{{{PODS}}}{rest} and on ({PLACE}, instance) {gauge}{{{PODS}}})"


def steps(*pairs):
    """Thresholds from (colour, from-value) pairs; the first has no lower bound."""
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(
        [model.Threshold(color=colour, value=value) for colour, value in pairs])


NEUTRAL = steps((BLUE, None))
ANY_IS_BAD = steps((GREEN, None), (RED, 1))


def words(choices):
    """Value mappings from {value: (text, colour)}."""
    return [model.ValueMap(options={str(value): model.ValueMappingResult(text=text, color=colour, index=place)
                                    for place, (value, (text, colour)) in enumerate(choices.items())})]


def bands(*choices):
    """Value mappings from (from, to, text, colour) ranges."""
    return [model.RangeMap(options=model.DashboardRangeMapOptions(
        from_val=low, to=high, result=model.ValueMappingResult(text=text, color=colour, index=place)))
        for place, (low, high, text, colour) in enumerate(choices)]


def fixed(name, colour, *more):
    """An override: this series always has this colour."""
    return name, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour}), *more]


DASHED = model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})
NO_FILL = model.DynamicConfigValue("custom.fillOpacity", 0)
NOT_STACKED = model.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "A"})


def finish(panel, title, description, unit, queries):
    queries = queries if isinstance(queries, list) else [queries]
    panel = panel.title(title).description(description).datasource(SOURCE).unit(unit)
    for place, asked in enumerate(queries):
        panel = panel.with_target(asked.ref_id(chr(ord("A") + place)))
    return panel


def stat(title, description, unit, asked, thresholds=NEUTRAL, decimals=None, mappings=None, line=True):
    panel = stats.Panel().color_mode(ui_model.BigValueColorMode.BACKGROUND_SOLID if mappings
                                     else ui_model.BigValueColorMode.VALUE)
    panel = panel.graph_mode(ui_model.BigValueGraphMode.AREA if line else ui_model.BigValueGraphMode.NONE)
    panel = panel.reduce_options(ui.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel = panel.thresholds(thresholds).color_scheme(
        dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if decimals is not None:
        panel = panel.decimals(decimals)
    if mappings:
        panel = panel.mappings(mappings)
    return finish(panel, title, description, unit, asked)


def timeseries(title, description, unit, queries, *, stacked=False, low=0, high=None, line=None, colours=(), bars=False,
               legend="list", fill=None, log=False):
    """Lines over time. `line` draws a threshold; `colours` are overrides made by `fixed`."""
    panel = lines.Panel().line_width(1 if stacked else 2).show_points(ui_model.VisibilityMode.NEVER)
    panel = panel.fill_opacity(fill if fill is not None else 60 if bars else 35 if stacked else 0)
    panel = panel.line_interpolation(ui_model.LineInterpolation.LINEAR).span_nulls(False)
    panel = panel.tooltip(ui.VizTooltipOptions().mode(ui_model.TooltipDisplayMode.MULTI)
                          .sort(ui_model.SortOrder.DESCENDING))
    shown = ui.VizLegendOptions().show_legend(True).placement(ui_model.LegendPlacement.BOTTOM)
    if legend == "table":
        shown = shown.display_mode(ui_model.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
    else:
        shown = shown.display_mode(ui_model.LegendDisplayMode.LIST).calcs([])
    panel = panel.legend(shown)
    if bars:
        panel = panel.draw_style(ui_model.GraphDrawStyle.BARS)
    if stacked:
        panel = panel.stacking(ui.StackingConfig().mode(ui_model.StackingMode.NORMAL).group("A"))
    if log:
        panel = panel.scale_distribution(ui.ScaleDistributionConfig().type(ui_model.ScaleDistribution.LOG).log(10))
    elif low is not None:
        panel = panel.axis_soft_min(low)
    if high is not None:
        panel = panel.axis_soft_max(high)
    if line is not None:
        panel = panel.thresholds(steps(("transparent", None), (RED, line))).thresholds_style(
            ui.GraphThresholdsStyleConfig().mode(ui_model.GraphThresholdsStyleMode.DASHED))
    panel = finish(panel, title, description, unit, queries)
    for name, properties in colours:
        panel = panel.override_by_regexp(name, properties)
    return panel


def heatmap(title, description, unit, asked, low, high):
    """One line of cells a series, coloured by value: green is `low`, red is `high` or more."""
    panel = heatmaps.Panel().calculate(False).cell_gap(1).show_value(ui_model.VisibilityMode.NEVER)
    panel = panel.color(heatmaps.HeatmapColorOptions().mode(heatmap_model.HeatmapColorMode.SCHEME)
                        .scheme("RdYlGn").reverse(True).steps(64).exponent(1).fill("dark-orange").min(low).max(high))
    panel = panel.cell_values(heatmaps.CellValues().unit(unit).decimals(3))
    panel = panel.rows_frame(heatmaps.RowsHeatmapOptions().layout(ui_model.HeatmapCellLayout.AUTO))
    # Grafana leaves out cells that are almost 0 unless told otherwise; here 0 is good news.
    panel = panel.filter_values(heatmaps.FilterValueRange().le(-1))
    panel = panel.tooltip(heatmaps.HeatmapTooltip().mode(ui_model.TooltipDisplayMode.SINGLE).y_histogram(False))
    return finish(panel.show_legend(), title, description, unit, asked)


def timeline(title, description, asked, choices):
    """States over time, one line a series; `choices` as in `words`."""
    panel = statetimeline.Panel().mappings(words(choices)).show_value(ui_model.VisibilityMode.NEVER)
    panel = panel.row_height(0.8).merge_values(True).fill_opacity(80).line_width(0)
    panel = panel.legend(ui.VizLegendOptions().show_legend(True).display_mode(ui_model.LegendDisplayMode.LIST)
                         .placement(ui_model.LegendPlacement.BOTTOM).calcs([]))
    return finish(panel, title, description, "none", asked)


class Column:
    """A table's column: its heading, query, unit, and how its cells are coloured."""

    def __init__(self, heading, expression, unit="none", decimals=None, thresholds=None, mappings=None, background=False,
                 width=None):
        self.heading, self.expression, self.unit, self.decimals = heading, expression, unit, decimals
        self.thresholds, self.mappings, self.background, self.width = thresholds, mappings, background, width

    def override(self):
        properties = [model.DynamicConfigValue("unit", self.unit)]
        if self.decimals is not None:
            properties.append(model.DynamicConfigValue("decimals", self.decimals))
        if self.mappings:
            properties.append(model.DynamicConfigValue("mappings", self.mappings))
        if self.thresholds:
            properties.append(model.DynamicConfigValue("thresholds", self.thresholds.build()))
        if self.thresholds or self.mappings:
            properties.append(model.DynamicConfigValue(
                "custom.cellOptions", {"type": "color-background" if self.background else "color-text", "mode": "basic"}))
        if self.width:
            properties.append(model.DynamicConfigValue("custom.width", self.width))
        return properties


def table(title, description, keys, columns, sort_by, descending=True, links=(), hidden=()):
    """Instant queries merged on their labels. `keys` are {label: heading}; `links` {heading: (title, URL)}; `hidden` are labels that
    are there for the links alone."""
    panel = tables.Panel().show_header(True).cell_height(ui_model.TableCellHeight.SM)
    panel = panel.sort_by([ui.TableSortByFieldState().display_name(sort_by).desc(descending)])
    panel = finish(panel, title, description, "none", [query(c.expression, instant=True) for c in columns])
    values = [f"Value #{chr(ord('A') + place)}" if len(columns) > 1 else "Value" for place in range(len(columns))]
    if len(columns) > 1:
        panel = panel.with_transformation(model.DataTransformerConfig("merge", options={}))
    order = [*keys, *values]
    panel = panel.with_transformation(model.DataTransformerConfig("organize", options={
        "excludeByName": {"Time": True},
        "indexByName": {name: place for place, name in enumerate(order)},
        "renameByName": {**keys, **{value: column.heading for value, column in zip(values, columns)}},
    }))
    for column in columns:
        panel = panel.override_by_name(column.heading, column.override())
    for label in hidden:
        panel = panel.override_by_name(label, [model.DynamicConfigValue("custom.hidden", True)])
    for heading, (text, url) in dict(links).items():
        panel = panel.override_by_name(heading, [model.DynamicConfigValue("links", [{"title": text, "url": url}])])
    return panel


class Board:
    """A dashboard: rows of panels from the top, each `height` tall, widths in 24ths."""

    def __init__(self, uid, title, description, wanted, time_from="now-3h", time_to="now"):
        self.uid, self.y, self.panels = uid, 0, 0
        self.board = dashboard.Dashboard(title).uid(uid).description(description).tags(["outrider"]).readonly()
        self.board = self.board.timezone("browser").refresh("30s").time(time_from, time_to)
        self.board = self.board.tooltip(model.DashboardCursorSync.CROSSHAIR)
        self.board = self.board.link(
            dashboard.DashboardLink("Outrider").type(model.DashboardLinkType.DASHBOARDS).tags(["outrider"])
            .as_dropdown(False).include_vars(False).keep_time(True))
        for variable in wanted:
            self.board = self.board.with_variable(variable)

    def row(self, title, height, panels):
        """A heading and, under it, (panel, width) from the left; wraps when a line is full."""
        if title:
            self.board = self.board.with_row(dashboard.Row(title).id(self.next_id()).grid_pos(
                model.GridPos(h=1, w=GRID, x=0, y=self.y)))
            self.y += 1
        x = 0
        for panel, width in panels:
            if x + width > GRID:
                x, self.y = 0, self.y + height
            self.board = self.board.with_panel(panel.id(self.next_id()).grid_pos(
                model.GridPos(h=height, w=width, x=x, y=self.y)))
            x += width
        self.y += height

    def next_id(self):
        self.panels += 1
        return self.panels

    def annotate(self, name, expression, colour, title, text):
        """Marks on the time axis wherever the expression has a value."""
        self.board = self.board.annotation(
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).hide(False).icon_color(colour)
            .expr(squeeze(expression)).title_format(title).text_format(text).step("15s"))

    def text(self):
        """The importable JSON, with its keys in a stable order."""
        return json.dumps(tidy(json.loads(JSONEncoder().encode(self.board.build()))), indent=1, sort_keys=True) + "\n"


def tidy(board):
    """Without what the SDK writes though nobody asked: options of other kinds of variables, the place in a menu where
    links and annotations would not be seen, the direction of a repetition that there is none of."""
    for variable in board["templating"]["list"]:
        for option in ("auto", "auto_count", "auto_min", "allowCustomValue", "skipUrlSync"):
            variable.pop(option, None)
    for shown in [*board.get("links", []), *board.get("annotations", {}).get("list", [])]:
        shown.pop("placement", None)
    for panel in board["panels"]:
        panel.pop("repeatDirection", None)
    return board
