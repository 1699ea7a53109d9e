"""Uploads: ranges of the log sent as one request, with their attempts."""

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from clevertap_sync.admin.deliveries.attempt_admin import AttemptInline, show_app
from clevertap_sync.models import Attempt, Upload
from referrals import words
from referrals.admin.kit.date_range import filter_by_date
from referrals.admin.kit.export import CsvExport
from referrals.admin.kit.keyset import KeysetAdmin


def show_state(upload: Upload) -> str:
    """Return the upload's state as a light."""
    match upload.state:
        case Upload.State.OPEN:
            return words.render_light(
                "busy", "Under way" if upload.leased_until else "Waits"
            )
        case Upload.State.SKIPPED:
            return words.render_light("idle", "Skipped")
        case Upload.State.SPLIT:
            return words.render_light("idle", "Split")
    if upload.dead:
        return words.render_light("busy", "Some refused")
    if not upload.records:
        return words.render_light("idle", "Nothing to send")
    return words.render_light("good", "Delivered")


def _last(upload: Upload, name: str) -> int | None:
    """Return a value of the last attempt, which the list's query has read, too."""
    found: int | None = getattr(upload, f"last_{name}")
    return found


@admin.register(Upload)
class UploadAdmin(CsvExport, KeysetAdmin):
    """One request's worth of records, from the claim to the verdicts."""

    app_path = "integration__app"
    change_form_template = "clevertap_sync/upload.html"
    intro = "A range of the log, sent to CleverTap as one request and settled record by record."
    list_display = (
        *("id", "status", "app", "range", "records", "accepted", "refused"),
        *("attempts", "answer", "origin", "claimed"),
    )
    indexed_lookups = frozenset(
        {"integration__id__exact", "parent__id__exact", "replay__id__exact"}
    )
    list_filter = (
        filter_by_date("created_at"),
        "integration",
        "state",
        "miscounted",
        "body_changed",
    )
    list_select_related = ("integration__app", "integration__account", "replay")
    search_fields = ("id__exact",)
    search_help_text = "An upload's number"
    inlines = (AttemptInline,)
    empty_state = (
        "No upload yet. An enabled integration makes one as soon as an event arrives."
    )
    next_step = ("admin:test_event_start", "Send a test event")
    csv_columns = (
        ("Upload", "pk"),
        ("App", "integration.app.slug"),
        ("Integration", "integration.name"),
        ("State", "state"),
        ("First position", "first"),
        ("Last position", "last"),
        ("Records", "records"),
        ("Delivered", "delivered"),
        ("Dead letters", "dead"),
        ("Waiting", "waiting"),
        ("Kept back", "unsent"),
        ("Shortened texts", "shortened"),
        ("Attempts", "attempt_count"),
        ("Unknown outcomes", "unknown_outcomes"),
        ("Replay", "replay_id"),
        ("Part of", "parent_id"),
        ("Created", "created_at"),
        ("Settled", "settled_at"),
    )
    fields = (
        *("integration", "status", "range", "origin", "records", "delivered", "dead"),
        *("waiting", "unsent", "shortened", "unknown_outcomes"),
        *("created", "due", "settled", "parts_of_it"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        """Return the uploads without the columns that the list does not show."""
        queryset: QuerySet[Upload] = super().get_queryset(request)
        last = Attempt.objects.filter(upload=OuterRef("pk")).order_by("-pk")
        return queryset.defer("picks", "identities", "settings").annotate(
            last_status=Subquery(last.values("status")[:1]),
            last_duration_ms=Subquery(last.values("duration_ms")[:1]),
        )

    @admin.display(description="app")
    def app(self, upload: Upload) -> str:
        """Return the app's name, and the whole integration's on hover."""
        return show_app(upload.integration)

    @admin.display(description="accepted")
    def accepted(self, upload: Upload) -> str:
        """Return how many records CleverTap accepted."""
        return words.format_number(upload.delivered)

    @admin.display(description="refused")
    def refused(self, upload: Upload) -> str:
        """Return how many records became dead letters."""
        return words.format_number(upload.dead)

    @admin.display(description="attempts")
    def attempts(self, upload: Upload) -> str:
        """Return how often it was sent."""
        return words.format_number(upload.attempt_count)

    @admin.display(description="last answer")
    def answer(self, upload: Upload) -> str:
        """Return the HTTP status of the last attempt, and how long it took."""
        status, ms = _last(upload, "status"), _last(upload, "duration_ms")
        parts = [str(status)] if status else []
        if ms is not None:
            parts.append(words.format_milliseconds(ms))
        return ", ".join(parts) or words.NOTHING

    @admin.display(description="claimed")
    def claimed(self, upload: Upload) -> str:
        """Return how long ago it was claimed first."""
        return words.format_age(upload.created_at)

    @admin.display(description="status", ordering="state")
    def status(self, upload: Upload) -> str:
        return show_state(upload)

    @admin.display(description="positions", ordering="first")
    def range(self, upload: Upload) -> str:
        """Return the first and the last position."""
        if upload.first == upload.last:
            return f"{upload.first:,}"
        return f"{upload.first:,} to {upload.last:,}"

    @admin.display(description="because of")
    def origin(self, upload: Upload) -> str:
        """Return its origin: new events, a split, a replay, or a choice to skip them."""
        if upload.parent_id:
            url = reverse("admin:clevertap_sync_upload_change", args=[upload.parent_id])
            return format_html('<a href="{}">Part of {}</a>', url, upload.parent_id)
        if upload.replay is not None:
            url = reverse("admin:clevertap_sync_replay_change", args=[upload.replay_id])
            person = upload.replay.created_by
            return format_html(
                '<a href="{}" title="{}">Replay {}</a>',
                url,
                f"Ordered by {person}" if person else "",
                upload.replay_id,
            )
        return (
            "A person's choice"
            if upload.state == Upload.State.SKIPPED
            else "New events"
        )

    @admin.display(description="created", ordering="pk")
    def created(self, upload: Upload) -> str:
        return words.format_instant(upload.created_at)

    @admin.display(description="next attempt")
    def due(self, upload: Upload) -> str:
        return (
            words.format_instant(upload.due_at)
            if upload.state == Upload.State.OPEN
            else words.NOTHING
        )

    @admin.display(description="settled")
    def settled(self, upload: Upload) -> str:
        return words.format_instant(upload.settled_at)

    @admin.display(description="parts")
    def parts_of_it(self, upload: Upload) -> str:
        """Link to the parts that it was split into."""
        if upload.state != Upload.State.SPLIT:
            return words.NOTHING
        url = reverse("admin:clevertap_sync_upload_changelist")
        return format_html(
            '<a href="{}?parent__id__exact={}">See them</a>', url, upload.pk
        )
