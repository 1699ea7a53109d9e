"""The page Ingest: events by way in, and refusals at the door with their remedies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from referrals import access
from referrals.admin import code_samples
from referrals.admin.key_admin import find_events_address
from referrals.admin.kit.base import demand_permission
from referrals.admin.sources.verdicts import REFUSED_REMEDY
from referrals.ingest import ingest_health
from referrals.ingest.counter import NO_APP, REFUSALS, IngestOutcome, WayIn
from referrals.ingest.ingest_health import IngestTraffic
from referrals.keys import KEY_START
from referrals.models import (
    ApiKey,
    App,
    IngestSample,
    Source,
    is_way_of_source,
    name_way,
)
from referrals.refusals import MEANINGS, REMEDIES, Code

if TYPE_CHECKING:
    from referrals.access import AdminUser

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)

_VIEW_EVENTS: Final = "referrals.view_referralevent"
_MOST_CAUSES: Final = 20
_WAY_LABELS: Final[Mapping[str, str]] = {
    "": "No API key",
    WayIn.TASK: "Celery task",
    WayIn.IMPORT: "Imported file",
    WayIn.PYTHON: "Python code",
    WayIn.ADMIN: "Test event",
    WayIn.OTHER: "All others",
}

_UNVERIFIED: Final = "calls that did not show that they are the platform's"
_UNVERIFIED_REMEDY: Final = (
    "Open the source, and see that the platform and the source have the same secret."
)


class _WayName(NamedTuple):
    """What a way in is called, and the page of its key or source, or ""."""

    label: str
    url: str = ""


_Names = Mapping[tuple[int, str], _WayName]


@dataclass(frozen=True, slots=True)
class TakenAndRefused:
    """Numbers of events that were taken and refused in a span of time."""

    taken: int
    refused: int

    @property
    def percent(self) -> int:
        """Return the share that was refused; 1 where it is less and not nothing."""
        share = 100 * self.refused / max(1, self.taken + self.refused)
        return round(share) or int(self.refused > 0)


@dataclass(frozen=True, slots=True)
class WayCounts:
    """One way by which events came in."""

    label: str
    #: Whether the label is the beginning of an API key.
    is_key: bool
    url: str
    day: TakenAndRefused
    week: TakenAndRefused


@dataclass(frozen=True, slots=True)
class RefusalLine:
    """One cause of refusals, by one way."""

    code: str
    meaning: str
    remedy: str
    way: WayCounts
    day: int
    week: int
    last_at: datetime
    samples: Sequence[IngestSample]


@dataclass(frozen=True, slots=True)
class AppPanel:
    """The numbers of one app; without an app, those of senders with no known API key."""

    app: App | None
    day: TakenAndRefused
    ways: Sequence[WayCounts]
    refused: Sequence[RefusalLine]
    left_out: int


@require_safe
def show_ingest(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the counts of a week, by app and way; apps with refusals first."""
    demand_permission(request, _VIEW_EVENTS)
    apps = {app.pk: app for app in access.list_apps(request.user, _VIEW_EVENTS)}
    asked = request.GET.get("app", "")
    chosen = {pk: app for pk, app in apps.items() if asked in {"", app.slug}}
    shown: dict[int, App | None] = {**chosen}
    if not asked and access.has_permission(request.user, _VIEW_EVENTS, None):
        shown[NO_APP] = None
    doors = _list_panels(shown, request.user, timezone.now())
    busy = {door.app for door in doors}
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Ingest",
        "apps": list(apps.values()),
        "asked": asked,
        "doors": doors,
        "quiet": [app for app in chosen.values() if app not in busy],
        "samples": code_samples.list_code_samples(find_events_address(request)),
    }
    return TemplateResponse(request, "referrals/ingest.html", context)


def _list_panels(
    shown: Mapping[int, App | None], person: "AdminUser", now: datetime
) -> list[AppPanel]:
    traffic = ingest_health.read_traffic(list(shown), day=now - DAY, week=now - WEEK)
    samples = ingest_health.read_samples(list(shown), now - WEEK)
    names = {**_name_keys(traffic, person), **_name_sources(traffic, person)}
    by_app: dict[int, list[IngestTraffic]] = defaultdict(list)
    for each in traffic:
        by_app[each.app_id].append(each)
    doors = [
        _build_panel(shown[app_id], found, samples, names)
        for app_id, found in by_app.items()
    ]
    # Apps with refusals first, then busy ones; the panel without an app is last.
    return sorted(
        doors, key=lambda door: (door.app is None, -door.day.refused, -door.day.taken)
    )


def _name_keys(
    traffic: Iterable[IngestTraffic], person: "AdminUser"
) -> dict[tuple[int, str], _WayName]:
    """Return the pages of the keys that the person may see, by app and prefix."""
    prefixes = {each.way for each in traffic if each.way.startswith(KEY_START)}
    if not prefixes:
        return {}
    rows = ApiKey.objects.filter(prefix__in=prefixes).order_by()
    seen = access.limit_to_apps(rows, person, "app", "referrals.view_apikey")
    return {
        (app_id, prefix): _WayName(
            f"{prefix}…", reverse("admin:referrals_apikey_change", args=[pk])
        )
        for app_id, prefix, pk in seen.values_list("app_id", "prefix", "pk")
    }


def _name_sources(
    traffic: Iterable[IngestTraffic], person: "AdminUser"
) -> dict[tuple[int, str], _WayName]:
    """Return the names of the sources, by app and way; with their pages, if seen."""
    app_ids = {each.app_id for each in traffic if is_way_of_source(each.way)}
    if not app_ids:
        return {}
    rows = Source.objects.filter(app__in=app_ids).order_by()
    seen = access.limit_to_apps(rows, person, "app", "referrals.view_source")
    pages = {
        pk: reverse("admin:referrals_source_change", args=[pk])
        for pk in seen.values_list("pk", flat=True)
    }
    return {
        (app_id, name_way(pk)): _WayName(name, pages.get(pk, ""))
        for pk, app_id, name in rows.values_list("pk", "app_id", "name")
    }


def _build_panel(
    app: App | None,
    traffic: Sequence[IngestTraffic],
    samples: Mapping[tuple[int, str, str], list[IngestSample]],
    names: _Names,
) -> AppPanel:
    by_way: dict[str, list[IngestTraffic]] = defaultdict(list)
    for each in traffic:
        by_way[each.way].append(each)
    ways = {way: _count_way(way, found, names) for way, found in by_way.items()}
    refused = [
        _describe_refusal(each, ways[each.way], samples)
        for each in traffic
        if each.outcome in REFUSALS
    ]
    refused.sort(key=lambda each: (-each.day, -each.week, each.code))
    return AppPanel(
        app,
        _sum_counts(traffic, [each.day for each in traffic]),
        sorted(ways.values(), key=lambda way: (-way.week.taken, way.label)),
        refused[:_MOST_CAUSES],
        max(0, len(refused) - _MOST_CAUSES),
    )


def _count_way(way: str, traffic: Sequence[IngestTraffic], names: _Names) -> WayCounts:
    is_key = way.startswith(KEY_START)
    unnamed = _WayName(f"{way}…" if is_key else _WAY_LABELS.get(way, way))
    name = names.get((traffic[0].app_id, way), unnamed)
    return WayCounts(
        name.label,
        is_key,
        name.url,
        _sum_counts(traffic, [each.day for each in traffic]),
        _sum_counts(traffic, [each.week for each in traffic]),
    )


def _sum_counts(
    traffic: Sequence[IngestTraffic], numbers: Sequence[int]
) -> TakenAndRefused:
    refused = sum(
        number
        for each, number in zip(traffic, numbers, strict=True)
        if each.outcome in REFUSALS
    )
    return TakenAndRefused(sum(numbers) - refused, refused)


def _describe_refusal(
    each: IngestTraffic,
    way: WayCounts,
    samples: Mapping[tuple[int, str, str], list[IngestSample]],
) -> RefusalLine:
    meaning, remedy = _explain_refusal(each)
    return RefusalLine(
        each.code,
        meaning,
        remedy,
        way,
        each.day,
        each.week,
        each.last_at,
        samples.get((each.app_id, each.way, each.code), ()),
    )


def _explain_refusal(each: IngestTraffic) -> tuple[str, str]:
    """Return what a cause means and what to do about it; empty for an unknown one."""
    is_unauthorised = each.outcome == IngestOutcome.UNAUTHORISED
    if is_unauthorised and is_way_of_source(each.way):
        return _UNVERIFIED, _UNVERIFIED_REMEDY
    # A later release may have counted under a code that this one does not know.
    if each.code not in set(Code):
        return "", ""
    known = Code(each.code)
    is_ours = not is_way_of_source(each.way)
    return MEANINGS[known], REMEDIES[known] if is_ours else REFUSED_REMEDY
