"""The page Referrals: events by type and channel, suspect ones, the best referrers.

The log may be long, so the page counts a bounded stretch of it, and says which.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from clevertap_sync.admin.events.event_pages import choose_app
from referrals import access, log, referral_statistics
from referrals.admin.kit import charts
from referrals.admin.kit.base import demand_permission
from referrals.models import App
from referrals.vocabulary import FraudStatus

#: The most events that are counted.
EVENTS: Final = 10_000
_SEES: Final = "referrals.view_referralevent"
_LINES: Final = 15
_REFERRERS: Final = 20


class DaysForm(forms.Form):
    """The days to count, in UTC, both included; without them, the newest events."""

    since = forms.DateField(required=False)
    until = forms.DateField(required=False)


@dataclass(frozen=True, slots=True)
class LogStretch:
    """The positions to count: the newest of the chosen days."""

    first: int
    last: int
    asked: int

    @property
    def left_out(self) -> int:
        """Return how many older events of the chosen days are left out."""
        return self.asked - (self.last - self.first + 1)


@require_safe
def show_referrals(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the referrals of one app."""
    demand_permission(request, _SEES)
    apps = list(access.list_apps(request.user, _SEES))
    app = choose_app(apps, request.GET.get("app", ""))
    form = DaysForm(request.GET)
    context = {
        **site.each_context(request),
        "title": "Referrals",
        "apps": apps,
        "app": app,
        "form": form,
        "limit": EVENTS,
    }
    if app is not None and form.is_valid():
        shows = request.user.has_perm(access.VIEW_IDENTITIES, app)
        stretch = _stretch(app, **form.cleaned_data)
        context |= _count_events(app, stretch, shows_identities=shows)
    return TemplateResponse(request, "clevertap_sync/referrals.html", context)


def _stretch(app: App, since: date | None, until: date | None) -> LogStretch:
    head = log.read_head(app.pk)
    last = (
        min(head, _find_last_position_before(app, until + timedelta(days=1)))
        if until
        else head
    )
    start = _find_last_position_before(app, since) if since else 0
    first = max(start + 1, last - EVENTS + 1)
    return LogStretch(first, last, max(0, last - start))


def _find_last_position_before(app: App, day: date) -> int:
    """Return the last position received before a day began."""
    return log.find_position(app.pk, datetime.combine(day, time(), UTC))


def _count_events(
    app: App, stretch: LogStretch, *, shows_identities: bool
) -> dict[str, Any]:
    events = log.read_range(app.pk, stretch.first, stretch.last)
    counted = referral_statistics.count_referral_events(events)
    referrers = counted.referrers()
    kinds = {status.value: status.value for status in FraudStatus}
    shown = [
        (rank, referrer if shows_identities else _without_identity(referrer))
        for rank, referrer in enumerate(referrers[:_REFERRERS], start=1)
    ]
    return {
        "stretch": stretch,
        "oldest": events[0] if events else None,
        "newest": events[-1] if events else None,
        "tally": counted,
        "types": referral_statistics.list_statistics_lines(
            counted.types, counted.events
        )[:_LINES],
        "channels": referral_statistics.list_statistics_lines(
            counted.channels, counted.events
        )[:_LINES],
        "chart": charts.draw_bars(
            "Events received, UTC",
            kinds,
            referral_statistics.list_periods(counted.hours),
        ),
        "brought": sum(each.brought for each in referrers),
        "referrers": shown,
        "referrer_count": len(referrers),
        "shows_identities": shows_identities,
    }


def _without_identity(
    referrer: referral_statistics.Referrer,
) -> referral_statistics.Referrer:
    return referral_statistics.Referrer(
        "", referrer.brought, referrer.events, referrer.doubtful
    )
