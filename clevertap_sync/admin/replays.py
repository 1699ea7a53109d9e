"""Replays: ordered by a person, followed to their end, cancelled."""

from django.contrib import admin, messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from clevertap_sync.admin.filters import BY_INTEGRATION
from clevertap_sync.delivery import replay as replaying
from clevertap_sync.models import Replay, Upload
from referrals.admin import words
from referrals.admin.base import ReadOnlyAdmin, demand
from referrals.admin.words import Colour

_LIGHTS: dict[str, tuple[Colour, str]] = {
    Replay.State.RUNNING: ("busy", "Running"),
    Replay.State.DONE: ("good", "Handed out"),
    Replay.State.CANCELLED: ("idle", "Cancelled"),
}


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """What was ordered to be sent again, and how far that is."""

    change_form_template = "clevertap_sync/replay.html"
    intro = "What a person ordered to be sent again. Order one under Problems."
    list_display = (
        "id",
        "status",
        "integration",
        "what",
        "planned",
        "created_by",
        "ordered",
    )
    list_filter = (BY_INTEGRATION, "state")
    list_select_related = ("integration__app", "integration__account")
    fields = (
        "integration",
        "status",
        "what",
        "planned",
        "progress",
        "created_by",
        "ordered",
    )

    @admin.display(description="status", ordering="state")
    def status(self, replay: Replay) -> str:
        """Return whether it still hands out uploads."""
        return words.light(*_LIGHTS[replay.state])

    @admin.display(description="what")
    def what(self, replay: Replay) -> str:
        """Return what it sends again."""
        if replay.last is not None:
            return f"Events at {replay.first:,} to {replay.last:,}"
        if replay.selection:
            return f"{words.counted(len(replay.selection), 'dead letter')} that a person chose"
        return f"Dead letters: {', '.join(replay.reasons) or 'all reasons'}"

    @admin.display(description="ordered", ordering="pk")
    def ordered(self, replay: Replay) -> str:
        """Return when it was ordered."""
        return words.at(replay.created_at)

    @admin.display(description="progress")
    def progress(self, replay: Replay) -> str:
        """Return what its uploads came to so far."""
        leaves = Upload.objects.leaves().filter(replay=replay)
        done = leaves.aggregate(delivered=Sum("delivered"), dead=Sum("dead"))
        url = reverse("admin:clevertap_sync_upload_changelist")
        return format_html(
            '{} delivered, {} refused again. <a href="{}?replay__id__exact={}">Its uploads</a>',
            words.number(done["delivered"] or 0),
            words.number(done["dead"] or 0),
            url,
            replay.pk,
        )

    def get_urls(self) -> list[URLPattern]:
        """Add what the page's button posts to."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/cancel/",
                wrap(require_POST(self.cancel)),
                name="clevertap_sync_replay_cancel",
            ),
            *super().get_urls(),
        ]

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand out nothing more of it."""
        demand(request, "clevertap_sync.change_replay")
        replay = get_object_or_404(Replay, pk=pk)
        replaying.cancel(replay.pk)
        self.log_change(request, replay, "Cancelled.")
        messages.success(
            request,
            "Cancelled. What is under way is finished; nothing more is handed out.",
        )
        return redirect("admin:clevertap_sync_replay_change", pk)
