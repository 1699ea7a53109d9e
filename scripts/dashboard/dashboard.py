"""The dashboard for Grafana.

`python -m scripts.dashboard` writes ops/grafana/dashboard.json from the rows in this folder.
A test asks a real Prometheus every query, so that none names what is not measured.
"""

import json
from pathlib import Path
from typing import Final

from scripts.dashboard import delivery, ingest, machinery, overview, people
from scripts.dashboard.grafana import (
    SCHEMA_VERSION,
    Json,
    Row,
    build_datasource_variable,
    build_panels,
    build_variable,
)
from scripts.dashboard.queries import APP, HERE

FILE: Final = Path(__file__).resolve().parents[2] / "ops/grafana/dashboard.json"
ROWS: Final = (
    Row("Overview", overview.PANELS),
    Row("Ingest", ingest.PANELS),
    Row("Delivery", delivery.PANELS),
    Row("People, and what CleverTap shows", people.PANELS),
    Row("Machinery", machinery.PANELS),
)


def render_dashboard() -> str:
    """Return the file's text."""
    return json.dumps(build_dashboard(), indent=2, ensure_ascii=False) + "\n"


def build_dashboard() -> Json:
    """Return the dashboard as Grafana's provisioning and its import read it."""
    return {
        "id": None,
        "uid": "referrals",
        "title": "Referral events",
        "description": "From the door to CleverTap: what came in, what was delivered, what is not "
        "well. docs/observability.md has a section for each alert.",
        "tags": ["referrals", "clevertap"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _build_variables()},
        "panels": build_panels(ROWS),
    }


def _build_variables() -> list[Json]:
    return [
        build_datasource_variable("datasource", "Prometheus"),
        build_variable(
            "instance",
            "Installation",
            "label_values(clevertap_log_head, instance)",
            takes_all=False,
        ),
        build_variable(
            "app",
            "App",
            f"label_values(clevertap_log_head{{{HERE}}}, app)",
            takes_all=True,
        ),
        build_variable(
            "integration",
            "Integration",
            f"label_values(clevertap_log_head{{{APP}}}, integration)",
            takes_all=True,
        ),
    ]
