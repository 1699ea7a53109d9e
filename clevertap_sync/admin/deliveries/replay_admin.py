"""Replays: ordered by a person, followed to their end, cancelled; and the standing ones."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from clevertap_sync.delivery import replay as replaying
from clevertap_sync.models import Replay, Upload
from referrals import words
from referrals.admin.kit.base import ReadOnlyAdmin, demand_permission
from referrals.admin.kit.charts import BarShare, list_bar_shares
from referrals.admin.kit.date_range import filter_by_date
from referrals.admin.kit.export import CsvExport
from referrals.words import Colour

_LIGHTS: dict[str, tuple[Colour, str]] = {
    Replay.State.RUNNING: ("busy", "Running"),
    Replay.State.DONE: ("good", "Handed out"),
    Replay.State.CANCELLED: ("idle", "Cancelled"),
}


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """The outcome of a replay's uploads so far, in records."""

    delivered: int
    dead: int
    waiting: int
    is_over: bool
    shares: tuple[BarShare, ...]
    uploads_url: str


def read_progress(replay: Replay) -> ReplayProgress:
    """Return how far the replay is. Reads only its own uploads."""
    mine = Upload.objects.filter(replay=replay)
    done = mine.leaves().aggregate(
        delivered=Coalesce(Sum("delivered"), 0), dead=Coalesce(Sum("dead"), 0)
    )
    waiting = mine.waiting_records()
    uploads = reverse("admin:clevertap_sync_upload_changelist")
    return ReplayProgress(
        **done,
        waiting=waiting,
        is_over=replay.state != Replay.State.RUNNING and not waiting,
        # A range is planned in events, of which each may have two records.
        shares=list_bar_shares(
            0 if replay.last is not None and not waiting else replay.planned,
            **done,
            waiting=waiting,
        ),
        uploads_url=f"{uploads}?replay__id__exact={replay.pk}",
    )


@admin.register(Replay)
class ReplayAdmin(CsvExport, ReadOnlyAdmin):
    """Orders to send records again, and how far they are."""

    app_path = "integration__app"
    change_form_template = "clevertap_sync/replay.html"
    intro = "What a person ordered to be sent again; and, for each integration, what waited for its user to be known, which nobody orders. Order one under Problems, or for a range on an integration's page."
    list_display = (
        "id",
        "status",
        "integration",
        "what",
        "planned",
        "created_by",
        "ordered",
    )
    list_filter = (filter_by_date("created_at"), "integration", "state", "kind")
    list_select_related = ("integration__app", "integration__account")
    empty_state = "Nobody ordered a replay yet. When there is something to send again, it stands under Problems."
    next_step = ("admin:problems", "See the problems")
    csv_columns = (
        ("Replay", "pk"),
        ("App", "integration.app.slug"),
        ("Integration", "integration.name"),
        ("State", "state"),
        ("First position", "first"),
        ("Last position", "last"),
        ("Reasons", lambda replay: ", ".join(replay.reasons)),
        ("Chosen dead letters", lambda replay: len(replay.selection)),
        ("Planned", "planned"),
        ("Ordered by", "created_by"),
        ("Ordered", "created_at"),
    )
    fields = ("integration", "what", "planned", "created_by", "ordered")

    @admin.display(description="status", ordering="state")
    def status(self, replay: Replay) -> str:
        """Return whether it still hands out uploads."""
        if replay.kind == Replay.Kind.PEOPLE and replay.state == Replay.State.DONE:
            return words.render_light("idle", "Nothing to send")
        return words.render_light(*_LIGHTS[replay.state])

    @admin.display(description="what")
    def what(self, replay: Replay) -> str:
        """Return what it sends again."""
        if replay.kind == Replay.Kind.PEOPLE:
            return "Records that waited for their user to be known"
        if replay.last is not None:
            return f"Events at {replay.first:,} to {replay.last:,}"
        if replay.selection:
            return f"{words.format_count(len(replay.selection), 'dead letter')} that a person chose"
        return f"Dead letters: {', '.join(replay.reasons) or 'all reasons'}"

    @admin.display(description="ordered", ordering="pk")
    def ordered(self, replay: Replay) -> str:
        return words.format_instant(replay.created_at)

    def get_fields(self, request: HttpRequest, obj: Replay | None = None) -> Any:
        """Leave out of a standing replay what an order has."""
        if obj and obj.kind == Replay.Kind.PEOPLE:
            return ("integration", "what")
        return super().get_fields(request, obj)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: Replay | None,
    ) -> dict[str, Any]:
        """Add the replay's progress."""
        return {"progress": read_progress(obj)} if obj else {}

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
        """Cancel the replay: no more of its work becomes uploads."""
        replay = get_object_or_404(self.get_queryset(request), pk=pk)
        demand_permission(
            request, "clevertap_sync.change_replay", replay.integration.app
        )
        if replay.kind == Replay.Kind.PEOPLE:
            messages.error(
                request,
                "It cannot be cancelled: it sends what waited for its user to be known. "
                "Pause the integration to stop sending.",
            )
            return redirect("admin:clevertap_sync_replay_change", pk)
        replaying.cancel_replay(replay.pk)
        self.log_change(request, replay, "Cancelled.")
        messages.success(
            request,
            "Cancelled. What is under way is finished; nothing more is handed out.",
        )
        return redirect("admin:clevertap_sync_replay_change", pk)
