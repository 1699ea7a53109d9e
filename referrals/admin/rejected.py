"""Events refused where nobody reads the answer: by a task or a webhook."""

from django.contrib import admin

from referrals.admin import words
from referrals.admin.base import ReadOnlyAdmin
from referrals.admin.export import CsvExport
from referrals.models import RejectedEvent


@admin.register(RejectedEvent)
class RejectedEventAdmin(CsvExport, ReadOnlyAdmin):
    """What was refused, where in the event, and what to do about it."""

    list_display = ("key_or_none", "app", "source", "received", "pointer", "detail")
    list_filter = ("app", "source")
    list_select_related = ("app",)
    csv_columns = (
        ("App", "app.slug"),
        ("Event ID", "key"),
        ("Source", "source"),
        ("Pointer", "pointer"),
        ("Detail", "detail"),
        ("Received", "received_at"),
    )
    search_fields = ("key__exact",)
    search_help_text = "An event's ID, exactly"

    @admin.display(description="event ID")
    def key_or_none(self, row: RejectedEvent) -> str:
        """Return the event's ID where it had one."""
        return row.key or "(no ID)"

    @admin.display(description="received")
    def received(self, row: RejectedEvent) -> str:
        """Return when it came."""
        return words.ago(row.received_at)
