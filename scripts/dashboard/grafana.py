"""Grafana's JSON model, as much of it as a dashboard of ours needs. Pure.

A panel is described in a few words, and laid out from left to right, row by row.
Reference: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal

#: Of Grafana 10.0. Newer ones bring a dashboard up to date when they load it.
SCHEMA_VERSION: Final = 38
#: How many columns a dashboard has.
COLUMNS: Final = 24
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]
Kind = Literal["stat", "timeseries", "table", "state-timeline"]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and the words of its legend, as `{{app}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What one panel shows. `warn` and `alarm` are where a value turns yellow, and red."""

    title: str
    about: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    warn: float | None = None
    alarm: float | None = None
    stacked: bool = False
    #: Where a graph begins; None where values may be below 0.
    lowest: float | None = 0
    #: Labels that a table does not show.
    hidden: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


def build_panels(rows: Iterable[Row]) -> list[Json]:
    """Return the panels of all rows with their places and numbers."""
    numbers = count(1)
    built: list[Json] = []
    top = 0
    for row in rows:
        heading = {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        inside, top = _lay_out(row.panels, top + 1, numbers)
        # Grafana keeps the panels of an open row behind it.
        built += [heading, *inside]
    return built


def _lay_out(
    panels: Iterable[Panel], top: int, numbers: Iterable[int]
) -> tuple[list[Json], int]:
    """Place panels from left to right; return them, and the first line below."""
    placed: list[Json] = []
    left = tallest = 0
    for panel, number in zip(panels, numbers, strict=False):
        if left + panel.width > COLUMNS:
            left, top, tallest = 0, top + tallest, 0
        place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": place, **_build_panel(panel)})
        left, tallest = left + panel.width, max(tallest, panel.height)
    return placed, top + tallest


def _build_panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": [
            _build_target(panel, query, chr(ord("A") + index))
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _build_defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"transformations": _hide(panel.hidden)} if panel.kind == "table" else {}),
    }


def _build_target(panel: Panel, query: Query, ref_id: str) -> Json:
    instant = panel.kind in {"stat", "table"}
    return {
        "refId": ref_id,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": "table" if panel.kind == "table" else "time_series",
        "instant": instant,
        "range": not instant,
        "legendFormat": query.legend or "__auto",
    }


def _build_defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.warn is not None:
        steps.append({"color": "yellow", "value": panel.warn})
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    defaults: Json = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.kind == "timeseries":
        stacking = "normal" if panel.stacked else "none"
        defaults |= {
            **({} if panel.lowest is None else {"min": panel.lowest}),
            "custom": {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 20 if panel.stacked else 5,
                "showPoints": "never",
                # A scrape that failed once is no gap.
                "spanNulls": 300_000,
                "stacking": {"mode": stacking, "group": "A"},
            },
        }
    if panel.kind in {"stat", "state-timeline"}:
        defaults["color"] = {"mode": "thresholds"}
    return defaults


def _hide(labels: Sequence[str]) -> list[Json]:
    hidden = dict.fromkeys(("Time", "__name__", "instance", "job", *labels), True)
    return [{"id": "organize", "options": {"excludeByName": hidden}}]


_OPTIONS: Final[dict[Kind, Json]] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {
        "showValue": "never",
        "mergeValues": True,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
    },
}


def build_stat(
    title: str,
    about: str,
    expr: str,
    *,
    unit: str = "short",
    warn: float | None = None,
    alarm: float | None = None,
) -> Panel:
    """Return a panel with one number, coloured by its thresholds."""
    return Panel(
        title=title,
        about=about,
        queries=[Query(expr)],
        kind="stat",
        unit=unit,
        width=4,
        height=4,
        warn=warn,
        alarm=alarm,
    )


def build_datasource_variable(name: str, label: str) -> Json:
    """Return the variable by which people choose among their Prometheus servers."""
    return {
        "name": name,
        "label": label,
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "current": {},
        "options": [],
    }


def build_variable(name: str, label: str, query: str, *, takes_all: bool) -> Json:
    """Return a variable with the values of a label. All of them match an empty label, too."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": query,
        "regex": "",
        # With each change of the time range.
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": takes_all,
        "includeAll": takes_all,
        **({"allValue": ".*"} if takes_all else {}),
        "current": {"text": "All", "value": "$__all"} if takes_all else {},
        "options": [],
    }
