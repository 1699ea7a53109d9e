"""The page Seen in CleverTap of an integration, and *Compare now*."""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from clevertap_sync.admin.integration.check_page import build_context
from clevertap_sync.admin.integration.url_patterns import build_url_pattern
from clevertap_sync.admin.reconciliation import differences, seen_export
from clevertap_sync.admin.reconciliation.seen_cells import build_row, name_day
from clevertap_sync.admin.reconciliation.seen_light import describe_light
from clevertap_sync.admin.reconciliation.sight_rows import build_sight_row
from clevertap_sync.insight.seen_failures import NO_SCHEMA, describe_failure
from clevertap_sync.insight.seen_in_clevertap import (
    SeenAccount,
    has_open_comparison,
    list_sharing,
    read_seen,
)
from clevertap_sync.insight.seen_sights import describe_delays
from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import nightly
from clevertap_sync.reconciliation.orders import order_comparison
from clevertap_sync.reconciliation.reconciling_account import find_whole_day
from referrals.admin.kit.base import ListAdmin, ModelAdmin
from referrals.admin.kit.csv_download import stream_csv

_PAGE = "admin:clevertap_sync_integration_seen"
_SIGHTS_SHOWN = 60
#: An account has up to 512 event types, and an app may send more names than that.
_NAMES_SHOWN = 200
#: When nightly comparisons begin, by the account's clock: at the earliest, and the latest.
_NIGHT = (
    nightly.BEGINS,
    (datetime.combine(date.min, nightly.BEGINS) + nightly.SPREAD).time(),
)


def list_seen_urls(page: ListAdmin) -> list[URLPattern]:
    """Return the addresses below an integration's own."""
    return [
        build_url_pattern(page, "seen", handle_seen, is_page=True, for_viewers=True),
        build_url_pattern(
            page, "seen-export", export_seen, is_page=True, for_viewers=True
        ),
    ]


def handle_seen(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Show what the account counts; a POST orders a comparison now."""
    if request.method == "POST":
        return _order(page, request, integration)
    now = clock.read_now()
    sharing = list_sharing(integration)
    sees_all = request.user.is_superuser
    seen = read_seen(integration, sharing, now, only_own_names=not sees_all)
    shown = seen.differences[: differences.MOST_SHOWN]
    explained = frozenset(each.pk for each in shown)
    context = build_context(page, request, integration) | {
        "title": "Seen in CleverTap",
        "light": describe_light(seen, integration),
        "night": _NIGHT,
        "first_night": _describe_first_night(seen),
        "failure": describe_failure(seen.failed.error) if seen.failed else "",
        "no_schema": NO_SCHEMA,
        "seen": seen,
        "delays": describe_delays(seen.delays),
        "days": [name_day(day) for day in seen.days],
        "rows": [build_row(each, explained) for each in seen.names[:_NAMES_SHOWN]],
        "names_left_out": max(0, len(seen.names) - _NAMES_SHOWN),
        "states": {state.value: count for state, count in seen.states.items()},
        "differences": list(differences.describe_differences(shown, integration)),
        "left_out": len(seen.differences) - len(shown),
        "sights": [build_sight_row(each) for each in seen.sights[:_SIGHTS_SHOWN]],
        "sights_left_out": max(0, len(seen.sights) - _SIGHTS_SHOWN),
        "may_change": page.has_change_permission(request, integration),
        "hides_names": not sees_all,
        "uncompared": sum(each.enabled and not each.reconciles for each in seen.others),
        "now": now,
    }
    return TemplateResponse(request, "clevertap_sync/seen.html", context)


def _describe_first_night(seen: SeenAccount) -> str:
    """Return in words which day is compared first, and when; "" once there is one."""
    if seen.counts_since is None:
        return ""
    first = find_whole_day(seen.counts_since, seen.zone)
    if first < seen.today:
        return ""
    night, (begins, ends) = first + timedelta(days=1), _NIGHT
    return (
        f"The first day that is compared is {name_day(first)}: in the night after it, on "
        f"{name_day(night)} between {begins:%H:%M} and {ends:%H:%M} in {seen.zone}."
    )


def export_seen(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> Any:
    """Answer with the page's statements as a CSV file."""
    if request.method == "POST":
        return HttpResponseNotAllowed(["GET", "HEAD"])
    sharing = list_sharing(integration)
    seen = read_seen(
        integration,
        sharing,
        clock.read_now(),
        only_own_names=not request.user.is_superuser,
    )
    name = f"seen-in-clevertap-{integration.app.slug}-{integration.name}"
    return stream_csv(name, seen_export.HEADER, seen_export.list_lines(seen.names))


def _order(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    if not integration.reconciles:
        messages.error(request, "Turn the comparison with CleverTap on first.")
        return redirect(_PAGE, integration.pk)
    if has_open_comparison(integration.account_id):
        messages.info(request, "A comparison waits or runs already.")
        return redirect(_PAGE, integration.pk)
    order_comparison(
        integration.account_id, request.user.get_username(), clock.read_now()
    )
    page.log_change(request, integration, "Ordered a comparison with CleverTap.")
    messages.success(request, "A worker compares now. This page shows how far it is.")
    return redirect(_PAGE, integration.pk)
