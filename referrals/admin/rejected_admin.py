"""The list of rejected events: those of the Celery task and of sources, where nobody reads answers."""

from typing import Final

from django.contrib import admin
from django.http import HttpRequest

from referrals import access, words
from referrals.admin.kit.base import ReadOnlyAdmin
from referrals.admin.kit.date_range import filter_by_date
from referrals.admin.kit.export import CsvExport
from referrals.models import RejectedEvent

_NEWEST: Final = 5


@admin.register(RejectedEvent)
class RejectedEventAdmin(CsvExport, ReadOnlyAdmin):
    """Rejected events, each with the place of its fault and the remedy."""

    list_display = ("key_or_none", "app", "source", "received", "pointer", "detail")
    list_filter = (filter_by_date("received_at"), "app", "source")
    list_select_related = ("app",)
    empty_state = "Nothing was refused. Events over HTTP are answered at once; those that a Celery task or a source brings, and that are refused, stand here."
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
        return words.format_age(row.received_at)


def list_newest_rejected(request: HttpRequest) -> list[RejectedEvent]:
    """Return the newest refusals that the person may see, for the page of problems."""
    rows = RejectedEvent.objects.select_related("app").order_by("-pk")
    seen = access.limit_to_apps(
        rows, request.user, "app", "referrals.view_rejectedevent"
    )
    return list(seen[:_NEWEST])
