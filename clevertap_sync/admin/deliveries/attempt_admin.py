"""Attempts: each HTTP request, its outcome, and how long it took."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.hold_reasons import describe_hold
from clevertap_sync.clevertap.unknown_causes import (
    CAUSES,
    UnknownCause,
    describe_cause,
)
from clevertap_sync.models import Attempt, Integration
from referrals import words
from referrals.admin.kit.base import ReadOnlyInline
from referrals.admin.kit.date_range import filter_by_date
from referrals.admin.kit.export import CsvExport
from referrals.admin.kit.keyset import KeysetAdmin


def show_app(integration: Integration) -> str:
    """Return the app's name, with the integration's on hover."""
    return format_html('<span title="{}">{}</span>', integration, integration.app)


def show_outcome(attempt: Attempt) -> str:
    """Return the attempt's outcome as a light."""
    if attempt.ended_at is None:
        return words.render_light("busy", "Under way")
    if attempt.outcome == "ok":
        if attempt.refused:
            return words.render_light("busy", "Accepted in part")
        return words.render_light("good", "Accepted")
    colour: words.Colour = "busy" if attempt.outcome_unknown else "bad"
    meaning, _ = describe_hold(attempt.outcome)
    cause = describe_cause(attempt.unknown_cause).one if attempt.unknown_cause else ""
    unknown = f" (outcome unknown: {cause})" if cause else " (outcome unknown)"
    unknown = unknown if attempt.outcome_unknown else ""
    return format_html(
        '<span title="{}">{}</span>',
        meaning if attempt.outcome else CleverTapError.meaning(),
        words.render_light(
            colour, attempt.outcome.replace("_", " ").capitalize() + unknown
        ),
    )


class UnknownCauseFilter(admin.SimpleListFilter):
    """Filters by why the outcome is unknown. The choices are known: no table is read."""

    title = "cause of an unknown outcome"
    parameter_name = "unknown_cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the causes and what they are called."""
        return [(cause.value, said.one.capitalize()) for cause, said in CAUSES.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Attempt]
    ) -> QuerySet[Attempt]:
        """Keep those of the chosen cause, by the index of unknown outcomes."""
        if self.value() not in set(UnknownCause):
            return queryset
        return queryset.filter(outcome_unknown=True, unknown_cause=self.value())


class _Shown:
    """Columns that the list and the inline share."""

    @admin.display(description="outcome")
    def result(self, attempt: Attempt) -> str:
        return show_outcome(attempt)

    @admin.display(description="began")
    def began(self, attempt: Attempt) -> str:
        return words.format_instant(attempt.began_at)

    @admin.display(description="duration")
    def duration(self, attempt: Attempt) -> str:
        """Return how long it took."""
        return words.format_milliseconds(attempt.duration_ms)

    @admin.display(description="body")
    def size(self, attempt: Attempt) -> str:
        """Return how large the request was."""
        return f"{attempt.body_bytes / 1024:,.1f} KB"


class AttemptInline(_Shown, ReadOnlyInline):
    """An upload's attempts, oldest first."""

    model = Attempt
    fields = (
        *("began", "result", "status", "duration", "accepted", "refused"),
        *("detail", "worker"),
    )
    readonly_fields = fields
    ordering = ("pk",)


@admin.register(Attempt)
class AttemptAdmin(_Shown, CsvExport, KeysetAdmin):
    """Every request that went to CleverTap, dry runs included."""

    app_path = "integration__app"
    intro = (
        "Every request to CleverTap. A dry run carries one made-up record, which CleverTap "
        "does not store."
    )
    list_display = (
        *("id", "result", "kind", "app", "status", "duration", "records"),
        *("accepted", "refused", "begun"),
    )
    indexed_lookups = frozenset({"integration__id__exact"})
    list_filter = (
        filter_by_date("began_at"),
        "integration",
        "dry_run",
        "outcome_unknown",
        UnknownCauseFilter,
    )
    list_select_related = ("integration__app", "integration__account")
    search_fields = ("upload__id__exact",)
    search_help_text = "An upload's number"
    empty_state = (
        "No request went to CleverTap yet. Checking a connection makes the first."
    )
    next_step = ("admin:clevertap_sync_integration_changelist", "Check a connection")
    csv_columns = (
        ("Attempt", "pk"),
        ("App", "integration.app.slug"),
        ("Integration", "integration.name"),
        ("Upload", "upload_id"),
        ("Dry run", "dry_run"),
        ("Outcome", "outcome"),
        ("Outcome unknown", "outcome_unknown"),
        ("Cause", "unknown_cause"),
        ("HTTP status", "status"),
        ("Milliseconds", "duration_ms"),
        ("Records", "records"),
        ("Accepted", "accepted"),
        ("Refused", "refused"),
        ("Bytes", "body_bytes"),
        ("Detail", "detail"),
        ("Worker", "worker"),
        ("Began", "began_at"),
        ("Ended", "ended_at"),
    )
    fields = (
        *("integration", "kind", "result", "meaning", "status", "detail", "duration"),
        *("began", "ended", "records", "accepted", "refused", "size", "worker"),
    )

    @admin.display(description="app")
    def app(self, attempt: Attempt) -> str:
        """Return the app's name, and the whole integration's on hover."""
        return show_app(attempt.integration)

    @admin.display(description="began")
    def begun(self, attempt: Attempt) -> str:
        """Return how long ago it began."""
        return words.format_age(attempt.began_at)

    @admin.display(description="for")
    def kind(self, attempt: Attempt) -> str:
        """Return whether it was an upload or a dry run, with a link to the upload."""
        if attempt.upload_id is None:
            return "Dry run"
        url = reverse("admin:clevertap_sync_upload_change", args=[attempt.upload_id])
        return format_html('<a href="{}">Upload {}</a>', url, attempt.upload_id)

    @admin.display(description="ended")
    def ended(self, attempt: Attempt) -> str:
        return words.format_instant(attempt.ended_at)

    @admin.display(description="what it means")
    def meaning(self, attempt: Attempt) -> str:
        """Return the outcome in words, with what to do."""
        if attempt.outcome in {"", "ok"}:
            return words.NOTHING
        words_of_outcome = describe_hold(attempt.outcome)
        cause = attempt.unknown_cause
        return " ".join(
            [*words_of_outcome, describe_cause(cause).advice if cause else ""]
        )
