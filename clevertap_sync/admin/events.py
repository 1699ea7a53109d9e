"""Events: the newest of an app's log, and one event's way from receipt to verdict.

Paging is by key, so that the millionth page costs what the first does.
"""

from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from clevertap_sync.admin import timeline
from referrals import access, log
from referrals.admin.base import demand
from referrals.models import App, ReferralEvent
from referrals.vocabulary import EventType, FraudStatus

PER_PAGE: Final = 50
#: How far a filter looks at once: no page may read the whole log.
WINDOW: Final = 20_000
#: A position is a number of 64 bits.
_DIGITS: Final = 18
SEES_EVENTS: Final = "referrals.view_referralevent"


@require_safe
def event_list(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the newest events of one app, filtered, by key."""
    demand(request, SEES_EVENTS)
    apps = list(access.apps_of(request.user, SEES_EVENTS))
    app = chosen_app(apps, request.GET.get("app", ""))
    context = {
        **site.each_context(request),
        "title": "Events",
        "apps": apps,
        "app": app,
        "types": list(EventType),
        "statuses": list(FraudStatus),
        "asked": request.GET,
    }
    if app is not None:
        key = request.GET.get("q", "").strip()
        if key:
            found = log.find(app.pk, key)
            if found is not None:
                return redirect("admin:event", app.slug, found.position)
            messages.warning(request, "No event of this app has exactly this ID.")
        context |= _page(app, request.GET)
    return TemplateResponse(request, "clevertap_sync/events.html", context)


@require_safe
def event(
    request: HttpRequest, slug: str, position: int, site: AdminSite
) -> HttpResponse:
    """Show one event as a timeline, with what was sent in and what went out."""
    demand(request, SEES_EVENTS)
    app = get_object_or_404(access.apps_of(request.user, SEES_EVENTS), slug=slug)
    known = len(str(position)) <= _DIGITS
    found = log.read(app.pk, position, position) if known else []
    if not found:
        raise Http404
    shows = request.user.has_perm(access.VIEW_IDENTITIES, app)
    context = {
        **site.each_context(request),
        "title": f"Event {position:,}",
        "app": app,
        "logged": found[0],
        "shows_identities": shows,
        **timeline.of(app, found[0], shows_identities=shows),
    }
    return TemplateResponse(request, "clevertap_sync/event.html", context)


def chosen_app(apps: list[App], slug: str) -> App | None:
    """Return the app that was asked for, else the first."""
    return next((app for app in apps if app.slug == slug), apps[0] if apps else None)


def _page(app: App, asked: QueryDict) -> dict[str, Any]:
    head = log.head(app.pk)
    before = position_in(asked.get("before"), head + 1)
    after = position_in(asked.get("after"), 0)
    going_up = after > 0
    if going_up:
        reach = range(after + 1, min(head, after + WINDOW) + 1)
    else:
        reach = range(max(1, before - WINDOW), before)
    rows = filtered(app, reach, asked)
    order = "position" if going_up else "-position"
    events = list(rows.order_by(order).defer("body")[: PER_PAGE + 1])
    more = len(events) > PER_PAGE
    events = events[:PER_PAGE]
    if going_up:
        events.reverse()
    top = (
        events[0].position
        if events and (more or not going_up)
        else reach[-1]
        if reach
        else 0
    )
    bottom = (
        events[-1].position
        if events and (more or going_up)
        else reach[0]
        if reach
        else 0
    )
    return {
        "head": head,
        "events": events,
        "newer": _link(asked, after=top) if top < head else "",
        "older": _link(asked, before=bottom) if bottom > 1 else "",
        "newest": _link(asked) if top < head else "",
        "window": (reach[0], reach[-1]) if reach else None,
        "filters": _link(asked, app=app.slug),
        "filtered": any(asked.get(name) for name in ("type", "status", "kind")),
    }


def filtered(app: App, reach: range, asked: QueryDict) -> QuerySet[ReferralEvent]:
    """Return the events at these positions that pass the filters of the address."""
    rows = ReferralEvent.objects.filter(
        app=app, position__gte=reach.start, position__lt=reach.stop
    )
    if asked.get("type") in set(EventType):
        rows = rows.filter(type=asked["type"])
    if asked.get("status") in set(FraudStatus):
        rows = rows.filter(status=asked["status"])
    if asked.get("kind") in {"test", "production"}:
        rows = rows.filter(test=asked["kind"] == "test")
    return rows


def position_in(text: str | None, otherwise: int) -> int:
    """Return the position that `text` is, or `otherwise` where it is none."""
    digits = text or ""
    return (
        int(digits)
        if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS
        else otherwise
    )


def _link(asked: QueryDict, **place: int | str) -> str:
    query = asked.copy()
    for name in ("before", "after", "q"):
        query.pop(name, None)
    for name, position in place.items():
        query[name] = str(position)
    return f"?{query.urlencode()}"
