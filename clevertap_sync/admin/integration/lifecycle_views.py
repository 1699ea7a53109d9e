"""Check the connection, find the location, enable, pause, archive: one POST each.

CleverTap is asked outside of any transaction, within a few seconds.
"""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone

from clevertap_sync.admin.integration.check_page import build_context, show_check_page
from clevertap_sync.admin.integration.url_patterns import build_url_pattern
from clevertap_sync.clevertap import connection_check
from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.clevertap.locations import LABELS, Location, spell_in_sentence
from clevertap_sync.delivery import canary, check_integration, hold_cause, lifecycle
from clevertap_sync.delivery.lifecycle import Start
from clevertap_sync.insight import freshness
from clevertap_sync.insight.misplaced import find_misplaced
from clevertap_sync.insight.passcode_expiry import find_time_zone
from clevertap_sync.models import Account, Integration
from clevertap_sync.process import clock, doorbell
from clevertap_sync.reconciliation import switch
from referrals import log
from referrals.admin.kit.base import ListAdmin, ModelAdmin
from referrals.secret import Secret

NOW, DATE, RESUME = "now", "date", "resume"


class EnableForm(forms.Form):
    """Where delivery starts, and whether to start although the check failed."""

    start = forms.ChoiceField(
        choices=[(NOW, NOW), (DATE, DATE), (RESUME, RESUME)], widget=forms.RadioSelect
    )
    since = forms.DateField(
        required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    override = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        """Ask for the date if delivery starts from one."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("start") == DATE and not cleaned.get("since"):
            self.add_error("since", "Choose the date to start from.")
        return cleaned

    def read_starting_point(self, zone: ZoneInfo) -> Start:
        """Return the chosen start for `lifecycle`. A day begins in `zone`."""
        if self.cleaned_data["start"] == DATE:
            return datetime.combine(self.cleaned_data["since"], time(), zone)
        return "now" if self.cleaned_data["start"] == NOW else "resume"


def list_lifecycle_urls(page: ListAdmin) -> list[URLPattern]:
    """Return the addresses below an integration's own."""
    return [
        build_url_pattern(
            page, "check", handle_connection_check, is_page=True, for_viewers=True
        ),
        build_url_pattern(page, "find-location", handle_location_search),
        build_url_pattern(page, "move", handle_location_change),
        build_url_pattern(page, "enable", handle_enabling, is_page=True),
        build_url_pattern(page, "pause", handle_pause),
        build_url_pattern(page, "archive", handle_archiving, also_archived=True),
    ]


def handle_connection_check(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Check the connection on a POST, and show the diagnosis."""
    diagnosis = (
        check_integration.check_connection(integration)
        if request.method == "POST"
        else None
    )
    return show_check_page(page, request, integration, diagnosis=diagnosis)


def handle_location_search(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Ask every location for the account."""
    found = check_integration.check_all_locations(integration)
    return show_check_page(
        page,
        request,
        integration,
        searched=[(LABELS[location], found[location]) for location in Location],
        answers=[
            (place, spell_in_sentence(place))
            for place in connection_check.find_good_locations(found)
        ],
        set_to=spell_in_sentence(Location(integration.account.location)),
        everywhere=True,
    )


def handle_location_change(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Change the location to the one at which the account answers."""
    wanted = request.POST.get("location", "")
    if wanted not in set(Location):
        raise Http404
    location = Location(wanted)
    old = integration.account
    try:
        with transaction.atomic():
            integration.account, _ = Account.objects.get_or_create(
                location=location, account_id=integration.account.account_id
            )
            columns = [
                "account",
                *canary.restart_canary(integration),
                *hold_cause.note_new_credentials(integration),
                *switch.switch_reconciliation(
                    integration,
                    on=integration.reconciles,
                    now=clock.read_now(),
                    has_moved=True,
                ),
            ]
            lifecycle.lock_out_claims(integration)
            integration.save(update_fields=columns)
    except IntegrityError:
        messages.error(
            request, "Another integration of this app uses the account there already."
        )
        return redirect("admin:clevertap_sync_integration_check", integration.pk)
    lifecycle.apply_new_settings(integration)
    doorbell.ring_doorbell(integration.pk)
    before, after = old.get_location_display(), LABELS[location]
    integration.__dict__["differences"] = [("Location", before, after)]
    page.log_change(request, integration, "Changed, because the account answers there.")
    messages.success(request, f"The location is now {spell_in_sentence(location)}.")
    return redirect("admin:clevertap_sync_integration_check", integration.pk)


def handle_enabling(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Ask for the starting point; on a POST, check the connection and enable."""
    form = EnableForm(
        request.POST or None, initial={"start": _propose_start(integration)}
    )
    diagnosis = None
    if request.method == "POST" and form.is_valid():
        diagnosis = check_integration.check_connection(integration)
        if diagnosis.is_good or form.cleaned_data["override"]:
            start = form.read_starting_point(find_time_zone(integration))
            return _enabled(
                page, request, integration, start, although_failed=not diagnosis.is_good
            )
    head, after = log.read_head(integration.app_id), integration.cursor + 1
    waiting = freshness.measure_range_freshness(integration.app_id, after, head)
    verb = "Resume" if integration.first_enabled_at else "Enable"
    context = build_context(page, request, integration) | {
        "title": f"{verb} delivery",
        "form": form,
        "chosen": form["start"].value(),
        "diagnosis": diagnosis,
        "zone": find_time_zone(integration),
        "waiting": waiting,
        "misplaced": find_misplaced(integration),
    }
    return TemplateResponse(request, "clevertap_sync/enable.html", context)


def _propose_start(integration: Integration) -> str:
    """Return what loses nothing; after a restored backup, what repeats nothing."""
    is_older = integration.hold_reason == RESTORED_BACKUP
    return RESUME if integration.first_enabled_at and not is_older else NOW


def handle_pause(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Stop delivery; the log goes on."""
    lifecycle.pause_integration(integration)
    page.log_change(request, integration, "Paused.")
    messages.success(
        request,
        "Paused. New events are kept and wait; none is lost. Resume when you like.",
    )
    return redirect("admin:clevertap_sync_integration_change", integration.pk)


def handle_archiving(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Archive: pause for good and wipe the passcode. The books stay."""
    if not integration.archived_at:
        lifecycle.pause_integration(integration)
        integration.archived_at = timezone.now()
        integration.passcode = Secret()
        integration.save(update_fields=["archived_at", "passcode"])
        page.log_change(request, integration, "Archived.")
        messages.success(request, "Archived. Its passcode is wiped.")
    return redirect("admin:clevertap_sync_integration_changelist")


def _enabled(
    page: ModelAdmin,
    request: HttpRequest,
    integration: Integration,
    start: Start,
    *,
    although_failed: bool,
) -> HttpResponse:
    lifecycle.enable_integration(integration, start=start)
    doorbell.ring_doorbell(integration.pk)
    chosen = start if isinstance(start, str) else f"{start:%Y-%m-%d}"
    although = " The check of the connection had failed." if although_failed else ""
    page.log_change(request, integration, f"Enabled, from: {chosen}.{although}")
    messages.success(request, "Enabled. New events are delivered as they arrive.")
    return redirect("admin:index")
