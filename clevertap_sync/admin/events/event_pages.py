"""The views of the list of events, and of one event's page.

Paging is by key, so that the millionth page costs as much as the first.
"""

from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from clevertap_sync.admin.events import event_filters, event_rows, timeline
from clevertap_sync.admin.try_out.preview_form import TYPES
from clevertap_sync.insight import clevertap_destination
from referrals import access, log
from referrals.admin.kit.base import demand_permission
from referrals.admin.kit.page_keys import AFTER, BEFORE, DIGITS, read_page_key
from referrals.models import App, ReferralEvent
from referrals.vocabulary import INVITE_CHANNELS, FraudStatus

PER_PAGE: Final = 50
#: How many positions a filter looks at: no page may read the whole log.
WINDOW: Final = 20_000
SEES_EVENTS: Final = "referrals.view_referralevent"


@require_safe
def show_event_list(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the newest events of one app, filtered, by key."""
    demand_permission(request, SEES_EVENTS)
    apps = list(access.list_apps(request.user, SEES_EVENTS))
    app = choose_app(apps, request.GET.get("app", ""))
    context = {
        **site.each_context(request),
        "title": "Events",
        "apps": apps,
        "app": app,
        "types": TYPES,
        "statuses": list(FraudStatus),
        "channels": sorted(INVITE_CHANNELS),
        "not_delivered": event_filters.NOT_DELIVERED,
        "waits": event_filters.WAITS,
        "asked": request.GET,
    }
    if app is not None:
        shows = request.user.has_perm(access.VIEW_IDENTITIES, app)
        found = log.find_event(app.pk, request.GET.get("q", "").strip())
        if found is not None:
            return redirect("admin:event", app.slug, found.position)
        page = _page(app, _permitted(request, app))
        integrations = clevertap_destination.list_unarchived_integrations(app.pk)
        context |= page | {
            "sees_identities": shows,
            "integrations": integrations,
            "rows": event_rows.build_event_rows(
                app, integrations, page["events"], shows_identities=shows
            ),
            "has_key": bool(page["head"]) or app.api_keys.working().exists(),
        }
    return TemplateResponse(request, "clevertap_sync/events.html", context)


@require_safe
def show_event(
    request: HttpRequest, slug: str, position: int, site: AdminSite
) -> HttpResponse:
    """Show one event as a timeline, with what came in and what went out."""
    demand_permission(request, SEES_EVENTS)
    app = get_object_or_404(access.list_apps(request.user, SEES_EVENTS), slug=slug)
    known = len(str(position)) <= DIGITS
    found = log.read_range(app.pk, position, position) if known else []
    if not found:
        raise Http404
    shows = request.user.has_perm(access.VIEW_IDENTITIES, app)
    context = {
        **site.each_context(request),
        "title": f"Event {position:,}",
        "app": app,
        "logged": found[0],
        "shows_identities": shows,
        **timeline.build_timeline(app, found[0], shows_identities=shows),
    }
    return TemplateResponse(request, "clevertap_sync/event.html", context)


def _permitted(request: HttpRequest, app: App) -> QueryDict:
    """Return the filters, without a search by identity if the person may not see any."""
    asked = request.GET.copy()
    if asked.get("q") and not request.user.has_perm(access.VIEW_IDENTITIES, app):
        messages.warning(
            request,
            "No event of this app has exactly this ID. You may not search by identity.",
        )
        del asked["q"]
    return asked


def choose_app(apps: list[App], slug: str) -> App | None:
    """Return the chosen app, else the first."""
    return next((app for app in apps if app.slug == slug), apps[0] if apps else None)


def _page(app: App, asked: QueryDict) -> dict[str, Any]:
    head = log.read_head(app.pk)
    allowed = event_filters.find_allowed_positions(app, head, asked)
    before, after = read_page_key(asked.get(BEFORE)), read_page_key(asked.get(AFTER))
    if after:
        reach = _within(allowed, after + 1, after + WINDOW)
        events, more = _read(app, reach, asked, order="position")
        events.reverse()
        top = events[0].position if more else reach.stop - 1
        bottom = reach.start
    else:
        last = before - 1 if before else head
        reach = _within(allowed, last - WINDOW + 1, last)
        events, more = _read(app, reach, asked, order="-position")
        top = reach.stop - 1
        bottom = events[-1].position if more else reach.start
    return {
        "head": head,
        "events": events,
        "newer": _link(asked, after=top) if top < allowed.stop - 1 else "",
        "older": _link(asked, before=bottom) if bottom > allowed.start else "",
        "newest": _link(asked) if top < allowed.stop - 1 else "",
        "window": (reach.start, reach.stop - 1) if reach else None,
        "filters": _link(asked, app=app.slug, live=""),
        "filtered": event_filters.are_filters_used(asked),
        "live": top >= allowed.stop - 1 and asked.get("live") != "off",
        "pause": _link(asked, live="off"),
        "resume": _link(asked, live=""),
    }


def _within(allowed: range, first: int, last: int) -> range:
    start = min(max(first, allowed.start), allowed.stop)
    return range(start, max(start, min(last + 1, allowed.stop)))


def _read(
    app: App, reach: range, asked: QueryDict, *, order: str
) -> tuple[list[ReferralEvent], bool]:
    """Return a page of the events in `reach`, and whether there are more."""
    rows = event_filters.filter_events(app, reach, asked).order_by(order)
    identity = asked.get("q", "").strip()
    found = list(rows[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    more = len(found) > PER_PAGE
    return (
        event_filters.filter_by_identity(shown, identity) if identity else shown
    ), more


def _link(asked: QueryDict, **place: int | str) -> str:
    query = asked.copy()
    for name in (BEFORE, AFTER, *place):
        query.pop(name, None)
    for name, value in place.items():
        if value:
            query[name] = str(value)
    return f"?{query.urlencode()}"
