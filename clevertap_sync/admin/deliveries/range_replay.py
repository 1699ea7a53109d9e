"""The page that sends a range of the log again: a form, its plan, and the order by a POST.

It is for events that CleverTap lost or never got, such as after its project was made anew.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from clevertap_sync.admin.deliveries import replay_plan
from clevertap_sync.admin.integration.check_page import build_context
from clevertap_sync.delivery.replay import COUNTS_TWICE
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.insight import freshness
from clevertap_sync.insight.freshness import Freshness
from clevertap_sync.insight.passcode_expiry import find_time_zone
from clevertap_sync.models import Integration, Replay
from referrals import log
from referrals.admin.kit.base import ModelAdmin

DAYS, POSITIONS = "days", "positions"
#: A position is a number of 64 bits.
_LARGEST: Final = 2**63 - 1
#: No event is older or newer, and in no time zone do these leave the calendar.
_FIRST_DAY: Final = date(2000, 1, 1)
_LAST_DAY: Final = date(9000, 1, 1)


class RangeForm(forms.Form):
    """Which events: those received on given days, or those at given positions."""

    by = forms.ChoiceField(choices=[(DAYS, DAYS), (POSITIONS, POSITIONS)])
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)
    first = forms.IntegerField(required=False, min_value=1, max_value=_LARGEST)
    last = forms.IntegerField(required=False, min_value=1, max_value=_LARGEST)

    def clean(self) -> dict[str, Any]:
        """Ask for a beginning, and for an end that is not before it."""
        cleaned = super().clean() or self.cleaned_data
        low, high = (
            ("since", "until") if cleaned.get("by") == DAYS else ("first", "last")
        )
        begin, end = cleaned.get(low), cleaned.get(high)
        if begin is None and low not in self.errors:
            self.add_error(low, "Choose where it begins.")
        if begin is not None and end is not None and end < begin:
            self.add_error(high, "The end is before the beginning.")
        return cleaned

    def find_positions(self, integration: Integration) -> range:
        """Return the positions asked for, up to the integration's cursor."""
        asked = self.cleaned_data
        if asked["by"] == DAYS:
            first, last = _positions_of_days(
                integration, asked["since"], asked["until"]
            )
        else:
            first, last = asked["first"], asked["last"] or integration.cursor
        first = max(first, integration.tail + 1)
        return range(first, max(first, min(last, integration.cursor) + 1))


@dataclass(frozen=True, slots=True)
class RangePlan:
    """What the replay of a range would send, and its consequences."""

    positions: range
    freshness: Freshness

    @property
    def events(self) -> int:
        """Return the number of events. Each makes one record or two."""
        return len(self.positions)

    @property
    def last(self) -> int:
        """Return the last position."""
        return self.positions.stop - 1

    @property
    def sentences(self) -> list[str]:
        """Return the consequences in sentences, for the person who may order it."""
        return [COUNTS_TWICE, *self.freshness.sentences]

    @property
    def uploads(self) -> int:
        """Return the least number of requests."""
        return -(-self.events // EVENTS_PER_UPLOAD)


def show_range_replay(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Ask for a range, show its plan, and order it on a POST."""
    asked = request.POST if request.method == "POST" else request.GET
    form = RangeForm(asked if "by" in asked else None, initial={"by": DAYS})
    plan = plan_range_replay(integration, form) if form.is_valid() else None
    if request.method == "POST" and plan and plan.events:
        keeper = page.admin_site.get_model_admin(Replay)
        ordered = replay_plan.order_range_replay(
            request, keeper, integration, plan.positions
        )
        return redirect("admin:clevertap_sync_replay_change", ordered.pk)
    context = build_context(page, request, integration) | {
        "title": "Replay a range",
        "form": form,
        "by": form["by"].value(),
        "plan": plan,
        "zone": find_time_zone(integration),
    }
    return TemplateResponse(request, "clevertap_sync/replay_range.html", context)


def plan_range_replay(integration: Integration, form: RangeForm) -> RangePlan:
    """Return the plan for a valid form."""
    positions = form.find_positions(integration)
    first, last = positions.start, positions.stop - 1
    return RangePlan(
        positions, freshness.measure_range_freshness(integration.app_id, first, last)
    )


def _positions_of_days(
    integration: Integration, since: date, until: date | None
) -> tuple[int, int]:
    zone, app_id = find_time_zone(integration), integration.app_id
    first = log.find_position(app_id, _midnight(since, zone)) + 1
    if until is None:
        return first, integration.cursor
    day_after = min(until, _LAST_DAY) + timedelta(days=1)
    return first, log.find_position(app_id, _midnight(day_after, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(min(max(day, _FIRST_DAY), _LAST_DAY), time(), zone)
