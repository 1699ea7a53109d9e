"""Grafana's dashboard: written from its description, well-formed, and of metrics that exist.

A real Prometheus is asked its queries in tests/ops/test_observability.py.
"""

import json
import re
from itertools import combinations

import pytest

from scripts.dashboard.dashboard import FILE, ROWS, render_dashboard
from scripts.dashboard.grafana import COLUMNS
from tests.documented import page
from tests.harness.commands import ROOT

DASHBOARD = json.loads(FILE.read_text("utf-8"))
PANELS = DASHBOARD["panels"]
#: What Prometheus makes of a histogram.
SUFFIXES = re.compile("_(?:bucket|count|sum)$")
#: With their kinds, as the reference has them, which is compared to the page /metrics.
DOCUMENTED = dict(
    re.findall(
        r"^\| `(\w+)[^|]*` \| (\w+) \|",
        page("reference/logs-and-metrics"),
        re.MULTILINE,
    )
)


def test_the_file_is_what_its_description_says():
    assert FILE.read_text("utf-8") == render_dashboard(), (
        "ops/grafana/dashboard.json differs: run `python -m scripts.dashboard`."
    )


def test_grafana_gives_it_a_number_and_keeps_its_address():
    assert (DASHBOARD["id"], DASHBOARD["uid"]) == (None, "referrals")
    numbers = [panel["id"] for panel in PANELS]
    assert numbers == list(range(1, len(PANELS) + 1))


def test_every_panel_has_a_place_of_its_own():
    places = [set(fields(panel["gridPos"])) for panel in PANELS]

    assert all(not one & other for one, other in combinations(places, 2))
    assert all(x < COLUMNS for place in places for x, _ in place)


def fields(place):
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_the_rows_are_those_of_the_description():
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]

    assert rows == [row.title for row in ROWS]
    assert len(PANELS) == len(rows) + sum(len(row.panels) for row in ROWS)


def test_whoever_imports_it_chooses_the_prometheus_once():
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}

    assert list(variables) == ["datasource", "instance", "app", "integration"]
    assert variables["datasource"]["type"] == "datasource"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    users = [
        *PANELS,
        *(target for panel in PANELS for target in panel.get("targets", ())),
    ]
    asked = [user["datasource"] for user in users if user.get("type") != "row"]
    asked += [
        variables[name]["datasource"] for name in ("instance", "app", "integration")
    ]
    assert asked == [chosen] * len(asked)


@pytest.mark.parametrize(
    "file", ["ops/grafana/dashboard.json", "ops/prometheus/alerts.yml"]
)
def test_every_metric_of_a_file_is_in_the_reference(file):
    text = (ROOT / file).read_text("utf-8")
    named = set(re.findall(r"\b(?:clevertap|referrals)_\w+", text)) - {"referrals_docs"}

    assert named
    unknown = {
        name
        for name in named
        if name not in DOCUMENTED
        and DOCUMENTED.get(SUFFIXES.sub("", name)) != "histogram"
    }
    assert unknown == set(), f"{file} asks for what nobody measures."
