"""Custom event names, and a person's approval of those beyond the limit."""

from typing import Final

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from referrals import words
from referrals.admin.kit.base import ListAdmin
from referrals.admin.kit.export import CsvExport
from referrals.models import CustomName

_NONE_WAITED: Final = (
    "None of these names waited: their events go to CleverTap already."
)


@admin.register(CustomName)
class CustomNameAdmin(CsvExport, ListAdmin):
    """The names that an app brought, in the order of first appearance."""

    list_display = ("name", "app", "number", "state", "first_position")
    list_filter = ("app", ("approved_at", admin.EmptyFieldListFilter))
    list_select_related = ("app",)
    search_fields = ("name",)
    ordering = ("app", "number")
    actions = ("approve",)
    empty_state = (
        "No custom event yet. The name of each stands here as soon as one arrives."
    )
    next_step = ("admin:preview_start", "Preview one")
    csv_columns = (
        ("App", "app.slug"),
        ("Number", "number"),
        ("Name", "name"),
        ("First position", "first_position"),
        ("Approved", "approved_at"),
    )
    fields = ("app", "name", "number", "first_position", "state")
    readonly_fields = fields

    @property
    def intro(self) -> str:
        """What the list is of; how many names are free, the environment says."""
        return (
            "A CleverTap account has 512 event types, and a name takes two. So an app's "
            f"first {settings.CUSTOM_NAMES_LIMIT} names go there by themselves; events of "
            "a further one wait as dead letters until you approve it."
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the log numbers names as they come."""
        return False

    @admin.display(description="state")
    def state(self, row: CustomName) -> str:
        """Say whether the name goes to CleverTap."""
        if row.number <= settings.CUSTOM_NAMES_LIMIT:
            return words.render_light("good", "Sent")
        if row.approved_at:
            return words.render_light("good", "Approved")
        return words.render_light("busy", "Waits for approval")

    @admin.action(
        description="Approve: let these names go to CleverTap", permissions=["change"]
    )
    def approve(self, request: HttpRequest, names: QuerySet[CustomName]) -> None:
        """Let names beyond the limit go out; their dead letters wait for a replay."""
        waiting = self.limit_rows(names, request, "change").filter(
            approved_at=None, number__gt=settings.CUSTOM_NAMES_LIMIT
        )
        approved = list(waiting)
        waiting.update(approved_at=timezone.now())
        for name in approved:
            self.log_change(request, name, "Approved.")
        if not approved:
            self.message_user(request, _NONE_WAITED, messages.WARNING)
            return
        self.message_user(
            request,
            format_html(
                "Approved {}. From now on, their events are sent. Those that came before "
                "wait as dead letters, <code>new_event_name</code>: "
                '<a href="{}">replay them under Problems</a>.',
                words.format_count(len(approved), "name"),
                reverse("admin:problems"),
            ),
            messages.SUCCESS,
        )
