"""The filtered events of an app as a CSV file, newest first."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, QueryDict, StreamingHttpResponse
from django.views.decorators.http import require_safe

from clevertap_sync.admin.events import event_filters
from clevertap_sync.admin.events.event_pages import choose_app
from referrals import access, log
from referrals.admin.kit import csv_download
from referrals.admin.kit.base import demand_permission
from referrals.csv_limits import CUT_NOTE, KEYS_PER_READ, MOST_KEYS, MOST_ROWS
from referrals.models import App, ReferralEvent
from referrals.schema import Event

SEES: Final = "referrals.view_referralevent"
_OPEN: Final = (
    *("position", "key", "type", "name", "channel", "status", "test"),
    *("occurred_at", "received_at"),
)
_HEADER: Final = (
    *("Position", "Event ID", "Type", "Name", "Channel", "Status", "Test"),
    *("Happened", "Received"),
)
#: Columns for people with the permission to see identities and payloads.
_PRIVATE: Final = ("User", "Referrer", "Content", "Event data", "Metadata")


@require_safe
def export_events(request: HttpRequest, site: AdminSite) -> StreamingHttpResponse:
    """Answer with the app's events under the filters of the list."""
    demand_permission(request, SEES)
    mine = list(access.list_apps(request.user, SEES))
    app = choose_app(mine, request.GET.get("app", ""))
    if app is None:
        raise Http404
    shows = request.user.has_perm(access.VIEW_IDENTITIES, app)
    header = (*_HEADER, *_PRIVATE) if shows else _HEADER
    asked = request.GET.copy()
    if not shows:
        asked.pop("q", None)
    rows = _rows(app, asked, shows_identities=shows)
    return csv_download.stream_csv(f"events-{app.slug}", header, rows)


def _rows(
    app: App, asked: QueryDict, *, shows_identities: bool
) -> Iterator[list[object]]:
    for number, event in enumerate(_events(app, asked)):
        if number == MOST_ROWS:
            yield [CUT_NOTE]
            return
        private = _private(event) if shows_identities else ()
        yield [*(getattr(event, name) for name in _OPEN), *private]


def _events(app: App, asked: QueryDict) -> Iterator[ReferralEvent]:
    allowed = event_filters.find_allowed_positions(app, log.read_head(app.pk), asked)
    identity = asked.get("q", "").strip()
    last = allowed.stop - 1
    for top in range(last, max(allowed.start - 1, last - MOST_KEYS), -KEYS_PER_READ):
        reach = range(max(allowed.start, top - KEYS_PER_READ + 1), top + 1)
        found = event_filters.filter_events(app, reach, asked).order_by("-position")
        yield from (
            event_filters.filter_by_identity(found, identity) if identity else found
        )


def _private(event: ReferralEvent) -> Iterator[object]:
    body = _decode(event.body)
    for person in (body.user, body.referrer):
        yield _text(person.identities) if person else ""
    yield body.content or ""
    yield _text(body.event_data)
    yield _text(body.metadata)


def _text(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode() if value else ""


_decode: Final = msgspec.json.Decoder(Event).decode
