"""What `/metrics` tells, asked of the product itself."""

import re
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.test import RequestFactory

from integration_project.metrics import show_metrics
from scripts.reference.parts import cut_page, fill_rows, find_key

_TOLD: Final = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)


def fill_metrics(page: str) -> str:
    """Return the page with every metric and its type."""
    lines = cut_page(page, "the metrics").inside.splitlines()
    # Labels stand behind the name, and show in a measurement only.
    names = {
        find_key(line): line.split("|")[1].strip() for line in lines if "`" in line
    }
    rows = {
        name: (names.get(name, f"`{name}`"), kind, None)
        for name, kind in read_kinds().items()
    }
    return fill_rows(page, "the metrics", rows)


def read_kinds() -> dict[str, str]:
    """Return the type of each metric by its name. Needs a database with tables."""
    request = RequestFactory().get(
        "/metrics",
        headers={
            "Authorization": f"Bearer {settings.METRICS_TOKEN}",
            # Where HTTPS ends at a proxy, plain HTTP is refused.
            "X-Forwarded-Proto": "https",
        },
    )
    answer = show_metrics(request)
    if answer.status_code != HTTPStatus.OK:
        message = f"/metrics answers {answer.status_code}."
        raise RuntimeError(message)
    return dict(_TOLD.findall(answer.content.decode()))
