"""The pages that send test events for real, announce events, and follow them.

They are ordinary events: appended to the log, delivered and booked like any other.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_safe

from clevertap_sync.admin.overview.status_light import describe_state
from clevertap_sync.admin.try_out import record_previews, sent_events
from clevertap_sync.admin.try_out.preview_page import (
    SEES,
    SENDS,
    list_permitted_integrations,
)
from clevertap_sync.admin.try_out.sending_form import (
    AnnounceForm,
    SendingForm,
    TestEventForm,
)
from clevertap_sync.clevertap.account_faults import describe_hold_cause
from clevertap_sync.clevertap.hold_reasons import describe_hold
from clevertap_sync.insight.mapping_settings import build_settings, read_settings
from clevertap_sync.insight.seen_sights import describe_account_delay
from clevertap_sync.models import EventKinds, Integration
from referrals import log
from referrals.admin.kit.base import demand_permission
from referrals.ingest.counter import WayIn
from referrals.log import ArchivedAppError, Status
from referrals.schema import check_object
from referrals.words import format_count

#: More events than any batch has.
_MOST_FOLLOWED: Final = 200


@require_safe
def start_test_event(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Go on to the first integration's page, or say what is missing."""
    first = list_permitted_integrations(request, SENDS).first()
    if first is not None:
        return redirect("admin:test_event", first.pk)
    context = {**site.each_context(request), "title": "Test event"}
    return TemplateResponse(request, "clevertap_sync/no_integration.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def show_test_event(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Ask for one event, show what it would send, and on confirmation append it."""
    return _page(request, pk, site, TestEventForm, "clevertap_sync/test_event.html")


@require_http_methods(["GET", "HEAD", "POST"])
def show_announcement(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Ask for events and a test profile; on confirmation append one of each."""
    return _page(request, pk, site, AnnounceForm, "clevertap_sync/announce.html")


@require_safe
def show_sent_events(
    request: HttpRequest, pk: int, first: int, last: int, site: AdminSite
) -> HttpResponse:
    """Follow events that were sent from here, until each has its verdict."""
    integration = get_object_or_404(list_permitted_integrations(request, SEES), pk=pk)
    demand_permission(request, "referrals.view_referralevent", integration.app)
    if not 0 < first <= last < first + _MOST_FOLLOWED or last > sent_events.LATEST:
        raise Http404
    events = log.read_range(integration.app_id, first, last)
    if not events:
        raise Http404
    context = {
        **site.each_context(request),
        "title": "Follow the test event" if len(events) == 1 else "Follow the events",
        "integration": integration,
        "may_send": request.user.has_perm(SENDS, integration.app),
        "state": describe_state(integration),
        "hold": _describe_hold(integration),
        "how_soon": describe_account_delay(integration.account_id),
        **sent_events.follow_events(integration, events),
    }
    return TemplateResponse(request, "clevertap_sync/sent.html", context)


def _describe_hold(integration: Integration) -> tuple[str, ...]:
    """Return the hold's meaning and remedy; empty without a hold."""
    if not integration.hold_reason:
        return ()
    return describe_hold(integration.hold_reason, describe_hold_cause(integration))


def _page(
    request: HttpRequest,
    pk: int,
    site: AdminSite,
    make: Callable[..., SendingForm],
    template: str,
) -> HttpResponse:
    mine = list_permitted_integrations(request, SENDS)
    integration = get_object_or_404(mine, pk=pk)
    form = partial(make, integration=integration)(request.POST or None)
    previews: list[record_previews.EventPreview] = []
    if form.is_bound and form.is_valid():
        if request.POST.get("confirmed"):
            answer = _append_events(request, site, integration, form)
            if answer is not None:
                return answer
        previews = _preview_events(integration, form)
    context = {
        **site.each_context(request),
        "title": "Announce events" if make is AnnounceForm else "Send a test event",
        "integration": integration,
        "integrations": list(mine),
        "page": "admin:announce" if make is AnnounceForm else "admin:test_event",
        "form": form,
        "previews": previews,
        "sendable": any(preview.outcomes for preview in previews),
        "others": _list_other_receivers(integration, form) if previews else [],
    }
    return TemplateResponse(request, template, context)


def _preview_events(
    integration: Integration, form: SendingForm
) -> list[record_previews.EventPreview]:
    events = [check_object(event) for event in form.list_events()]
    settings = read_settings(build_settings(integration))
    return record_previews.preview_sent_events(integration.app, events, settings)


def _append_events(
    request: HttpRequest, site: AdminSite, integration: Integration, form: SendingForm
) -> HttpResponse | None:
    """Append the events and go on to follow them; None where the log refuses them."""
    try:
        results = log.append(
            integration.app, form.list_events(), strict=True, way=WayIn.ADMIN
        )
    except ArchivedAppError:
        form.add_error(None, "The app is archived: it accepts no events.")
        return None
    problems = [
        each
        for each in results
        if each.position is None or each.status in {Status.REJECTED, Status.CONFLICT}
    ]
    if problems:
        form.add_error(None, problems[0].detail or "The log refused the event.")
        return None
    positions = [result.position or 0 for result in results]
    first, last = min(positions), max(positions)
    where = f"event {first:,}" if first == last else f"events {first:,} to {last:,}"
    if any(result.status is Status.ACCEPTED for result in results):
        message = (
            f"Sent {format_count(len(results), 'event')} for real: {where} of the log."
        )
        site.get_model_admin(Integration).log_change(request, integration, message)
    return redirect("admin:sent", integration.pk, first, last)


def _list_other_receivers(
    integration: Integration, form: SendingForm
) -> list[Integration]:
    """Return the app's other integrations that would deliver the events too."""
    kinds = (form.cleaned_data["kind"], EventKinds.BOTH.value)
    found = Integration.objects.enabled().select_related("app", "account")
    others = found.filter(app=integration.app_id, event_kinds__in=kinds)
    return list(others.exclude(pk=integration.pk))
