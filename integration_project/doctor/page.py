"""The page Machinery: what `manage.py doctor` says, for superusers.

It needs the database, as every page behind the login does. While that is away, the command
still works. The command checks all books, and the page the newest, as the overview does.
"""

from dataclasses import dataclass
from typing import Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from clevertap_sync.insight.links import build_path
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.examination import Examination, examine
from integration_project.doctor.report import TITLES, describe_counts, list_places
from referrals.words import Colour

_LIGHTS: Final[dict[State, tuple[Colour, str]]] = {
    State.ERROR: ("bad", "Error"),
    State.UNKNOWN: ("bad", "Unknown"),
    State.WARNING: ("busy", "Warning"),
    State.INFO: ("idle", "Worth knowing"),
    State.OK: ("good", "Well"),
}


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check with its light, and the address of the page that mends it."""

    check: Check
    colour: Colour
    word: str
    url: str


@dataclass(frozen=True, slots=True)
class AreaCard:
    """An area: its worst light, and its checks."""

    area: Area
    title: str
    colour: Colour
    word: str
    rows: tuple[CheckRow, ...]


@require_safe
def show_machinery(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Examine the installation now, and show everything."""
    if not request.user.is_superuser:
        raise PermissionDenied
    examination = examine(checks_all_books=False)
    colour, word = _LIGHTS[examination.state]
    context = {
        **site.each_context(request),
        "title": "Machinery",
        "at": examination.at,
        "colour": colour,
        "word": word,
        "counts": describe_counts(examination),
        "places": [(area, TITLES[area]) for area in list_places(examination)],
        "cards": build_cards(examination),
    }
    return TemplateResponse(request, "integration_project/machinery.html", context)


def build_cards(examination: Examination) -> list[AreaCard]:
    """Return a card for each area."""
    return [
        AreaCard(area, TITLES[area], *_LIGHTS[checks[0].state], _build_rows(checks))
        for area, checks in examination.list_areas()
    ]


def _build_rows(checks: list[Check]) -> tuple[CheckRow, ...]:
    return tuple(
        CheckRow(
            check, *_LIGHTS[check.state], build_path(check.link) if check.link else ""
        )
        for check in checks
    )
