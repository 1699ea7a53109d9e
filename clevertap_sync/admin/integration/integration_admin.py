"""Integrations: set up in seven steps, checked, enabled, paused, archived."""

from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from clevertap_sync.admin.deliveries.range_replay import show_range_replay
from clevertap_sync.admin.deliveries.replay_plan import REPLAY
from clevertap_sync.admin.integration import (
    check_views,
    lifecycle_views,
    setup_evidence,
    setup_steps,
)
from clevertap_sync.admin.integration.integration_form import COLUMNS, IntegrationForm
from clevertap_sync.admin.integration.url_patterns import build_url_pattern
from clevertap_sync.admin.overview.status_light import describe_state
from clevertap_sync.admin.reconciliation import seen_page
from clevertap_sync.clevertap.locations import LABELS, Location
from clevertap_sync.delivery import canary, hold_cause, lifecycle
from clevertap_sync.models import Integration
from clevertap_sync.process import clock, doorbell
from clevertap_sync.reconciliation import switch
from referrals import access, history, words
from referrals.admin import code_samples
from referrals.admin.key_admin import find_events_address
from referrals.admin.kit.base import ListAdmin
from referrals.admin.kit.export import CsvExport

ADDS: Final = "clevertap_sync.add_integration"

_CHANGES_SHOWN: Final = 5


@admin.register(Integration)
class IntegrationAdmin(CsvExport, ListAdmin):
    """The list and the page of an integration: its settings, and its lifecycle."""

    form = IntegrationForm
    change_form_template = "clevertap_sync/integration.html"
    list_display = ("__str__", "name", "state", "location", "identity_provider")
    list_filter = ("app", "enabled")
    list_select_related = ("app", "account")
    ordering = ("app", "name")
    empty_state = "No integration yet: nothing is delivered to CleverTap."
    next_step = ("admin:clevertap_sync_integration_add", "Connect CleverTap")
    csv_columns = (
        ("App", "app.slug"),
        ("Integration", "name"),
        ("Account ID", "account.account_id"),
        ("Location", "account.location"),
        ("Identity provider", "identity_provider"),
        ("Event kinds", "event_kinds"),
        ("Enabled", "enabled"),
        ("Hold", "hold_reason"),
        ("Cursor", "cursor"),
        ("Archived", "archived_at"),
    )
    fieldsets = (
        (setup_steps.APP, {"fields": ("app", "name")}),
        (setup_steps.ADDRESS, {"fields": ("dashboard_address",)}),
        (setup_steps.ACCOUNT, {"fields": ("account_id", "time_zone")}),
        (
            setup_steps.PASSCODE,
            {"fields": ("new_passcode", "passcode_kind", "passcode_expires_on")},
        ),
        (setup_steps.PROVIDER, {"fields": ("identity_provider",)}),
        (setup_steps.LOCATION, {"fields": ("location",)}),
        (
            setup_steps.SENDING,
            {
                "fields": (
                    *("sends", "event_kinds", "sends_misplaced"),
                    *("send_suspicious", "send_rejected"),
                )
            },
        ),
        (setup_steps.SEEN, {"fields": ("reconciles",)}),
        (
            setup_steps.ADVANCED,
            {
                "classes": ("collapse",),
                "fields": (
                    *("event_data_format", "send_none", "refuse_long_texts"),
                    *("send_event_id", "property_limit", "in_flight_limit"),
                    *("late_time", "falls_back_to_clevertap_id"),
                ),
            },
        ),
    )

    @admin.display(description="state", ordering="enabled")
    def state(self, integration: Integration) -> str:
        """Return the integration's light."""
        light = describe_state(integration)
        return words.render_light(light.colour, light.word)

    @admin.display(description="location", ordering="account__location")
    def location(self, integration: Integration) -> str:
        """Return where the account's data is stored."""
        return LABELS[Location(integration.account.location)]

    def get_readonly_fields(
        self,
        request: HttpRequest,
        obj: Integration | None = None,
    ) -> tuple[str, ...]:
        """Make the app read-only once it is saved: the cursor belongs to its log."""
        return ("app",) if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Integration,
        form: IntegrationForm,
        change: bool,
    ) -> None:
        """Save only the settings, and not what delivery writes; they count at once."""
        switched = switch.switch_reconciliation(
            obj,
            on=obj.reconciles,
            now=clock.read_now(),
            has_moved=form.changes_account,
        )
        if change:
            columns = [*COLUMNS, "account", "not_sent", *switched]
            if form.cleaned_data["new_passcode"]:
                columns.append("passcode")
            if form.changes_credentials:
                columns += hold_cause.note_new_credentials(obj)
            if form.changes_identities:
                columns += canary.restart_canary(obj)
            lifecycle.lock_out_claims(obj)
            obj.save(update_fields=columns)
            transaction.on_commit(lambda: _take_effect(obj.pk))
        else:
            obj.save()
        form.save_limit()
        for doubt in form.doubts:
            messages.warning(request, doubt)

    def response_add(
        self,
        request: HttpRequest,
        obj: Integration,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Go on to the next step: the check."""
        messages.success(request, "Saved. Next: check the connection, then enable it.")
        return redirect("admin:clevertap_sync_integration_check", obj.pk)

    def response_change(self, request: HttpRequest, obj: Integration) -> HttpResponse:
        """Stay on the page, which has the steps and the buttons."""
        messages.success(
            request,
            format_html(
                'Saved. <a href="{}">Check the connection</a>',
                reverse("admin:clevertap_sync_integration_check", args=[obj.pk]),
            ),
        )
        return redirect("admin:clevertap_sync_integration_change", obj.pk)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: Integration | None,
    ) -> dict[str, Any]:
        """Add the steps with their ticks, and the coverage of identities."""
        fieldsets = list(context["adminform"])
        extra: dict[str, Any] = {
            "steps": setup_steps.list_steps(fieldsets, obj),
            "rest": setup_steps.list_rest(fieldsets),
            "light": describe_state(obj) if obj else None,
        }
        if obj is not None:
            extra |= setup_evidence.read_evidence(obj, context["adminform"].form)
            extra["may_replay_range"] = (
                obj.cursor > 0
                and not obj.archived_at
                and request.user.has_perm(REPLAY, obj.app)
            )
            extra["samples"] = code_samples.list_code_samples(
                find_events_address(request)
            )
            if request.user.is_superuser:
                extra["changes"] = history.list_changes(obj)[:_CHANGES_SHOWN]
        return extra

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the identity provider that most of the app's users have."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        return (
            setup_evidence.propose_settings(access.list_apps(request.user, ADDS))
            | initial
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of the check, the lifecycle and the replay of a range."""
        range_page = build_url_pattern(
            self, "replay-range", show_range_replay, is_page=True, permission=REPLAY
        )
        own = [
            *lifecycle_views.list_lifecycle_urls(self),
            *check_views.list_check_urls(self),
            *seen_page.list_seen_urls(self),
            range_page,
        ]
        return [*own, *super().get_urls()]


def _take_effect(integration_id: int) -> None:
    integration = Integration.objects.get(pk=integration_id)
    lifecycle.apply_new_settings(integration)
    doorbell.ring_doorbell(integration_id)
