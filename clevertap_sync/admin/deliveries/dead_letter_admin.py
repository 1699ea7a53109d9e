"""Dead letters: which records were not delivered, why, and the order to send them again."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from clevertap_sync.admin.deliveries import replay_plan
from clevertap_sync.admin.deliveries.replay_plan import REPLAY
from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN, REASONS
from clevertap_sync.insight import wait_numbers
from clevertap_sync.insight.parked_letters import VERDICTS
from clevertap_sync.models import DeadLetter
from referrals import access, words
from referrals.admin.kit.date_range import filter_by_date
from referrals.admin.kit.export import CsvExport
from referrals.admin.kit.keyset import KeysetAdmin
from referrals.words import Colour

_LIGHTS: dict[str, tuple[Colour, str]] = {
    DeadLetter.State.OPEN: ("bad", "Open"),
    DeadLetter.State.WAITING: ("idle", "Waits for its user"),
    DeadLetter.State.EXPIRED: ("idle", "Waited in vain"),
    DeadLetter.State.REPLAYING: ("busy", "In replay"),
    DeadLetter.State.DELIVERED: ("good", "Delivered since"),
}

_FOUND: dict[DeadLetter.Found, tuple[Colour, str]] = {
    DeadLetter.Found.FOUND: ("idle", "Found in CleverTap"),
    DeadLetter.Found.NOT_FOUND: ("busy", "Not in CleverTap"),
    DeadLetter.Found.UNCLEAR: ("bad", "Unclear"),
}


class ReasonFilter(admin.SimpleListFilter):
    """Filters by reason. The choices are known, so no table is read for them."""

    title = "reason"
    parameter_name = "reason"

    def lookups(
        self,
        request: HttpRequest,
        model_admin: Any,
    ) -> Iterable[tuple[str, str]]:
        """Return the codes of all reasons."""
        return [(code, code) for code in sorted(REASONS)]

    def queryset(
        self,
        request: HttpRequest,
        queryset: QuerySet[DeadLetter],
    ) -> QuerySet[DeadLetter]:
        """Keep those with the chosen reason."""
        chosen = self.value()
        return queryset.filter(reason=chosen) if chosen in REASONS else queryset


class FoundFilter(admin.SimpleListFilter):
    """Filters what is of unknown outcome by what CleverTap's counts say of it."""

    title = "found in CleverTap"
    parameter_name = "found"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the verdicts."""
        return [(verdict.value, words_of[1]) for verdict, words_of in _FOUND.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> QuerySet[DeadLetter]:
        """Keep those with the chosen verdict."""
        if self.value() not in set(DeadLetter.Found):
            return queryset
        return queryset.filter(reason=OUTCOME_UNKNOWN, found=self.value())


def _words(code: str) -> tuple[str, str]:
    """Return a reason's meaning and remedy; empty for an unknown reason."""
    reason = REASONS.get(code)
    return (reason.meaning, reason.remedy) if reason else ("", "")


def _is_looked_up(letter: DeadLetter) -> bool:
    is_doubtful = letter.reason == OUTCOME_UNKNOWN
    return bool(is_doubtful and letter.found and letter.state == DeadLetter.State.OPEN)


def _find_remedy(letter: DeadLetter) -> str:
    """Return what to do about a letter; empty where it was delivered since."""
    is_delivered = letter.state == DeadLetter.State.DELIVERED
    return "" if is_delivered else _words(letter.reason)[1]


def _link_event(letter: DeadLetter, position: int | None) -> str:
    """Return a link to an event of the letter's app; empty without a position."""
    if position is None:
        return ""
    url = reverse("admin:event", args=[letter.integration.app.slug, position])
    return format_html('<a href="{}">{}</a>', url, words.format_number(position))


@admin.register(DeadLetter)
class DeadLetterAdmin(CsvExport, KeysetAdmin):
    """Records that were not delivered.

    A person revives them, but for those that wait until their own user is known.
    """

    app_path = "integration__app"
    intro = "Records that were not delivered, each with its reason. None is lost: replay them when the cause is gone. Those that wait for their user to be known go by themselves."
    list_display = (
        *("id", "event_name", "reason", "status", "event", "integration", "fell_out"),
    )
    indexed_lookups = frozenset({"integration__id__exact"})
    list_filter = (
        *(filter_by_date("created_at"), "integration", "state"),
        *(ReasonFilter, FoundFilter),
    )
    list_select_related = ("integration__app", "integration__account")
    actions = ("replay_selected",)
    empty_state = "No dead letter: every record was delivered, is on its way, or was kept back by your settings."
    csv_columns = (
        ("Dead letter", "pk"),
        ("App", "integration.app.slug"),
        ("Integration", "integration.name"),
        ("Position", "position"),
        ("Side", "side"),
        ("Event", "event_name"),
        ("Reason", "reason"),
        ("Meaning", lambda letter: _words(letter.reason)[0]),
        ("What to do", _find_remedy),
        ("Detail", "detail"),
        ("State", "state"),
        ("Found in CleverTap", "found"),
        ("Looked up", "found_at"),
        ("Times", "failures"),
        ("Upload", "upload_id"),
        ("Fell out", "created_at"),
        ("Last change", "changed_at"),
        ("User known since", "linked_at"),
        ("Known by the event at", "linked_by"),
    )
    fields = (
        *("integration", "status", "event", "side", "event_name"),
        *("reason", "meaning", "detail", "remedy", "looked_up"),
        *("waits_until", "known_since", "known_by"),
        *("failures", "upload", "replay_upload", "fell_out", "changed"),
    )

    @admin.display(description="status", ordering="state")
    def status(self, letter: DeadLetter) -> str:
        """Return whether it is open, in a replay or delivered, as a light."""
        if _is_looked_up(letter):
            return words.render_light(*_FOUND[DeadLetter.Found(letter.found)])
        return words.render_light(*_LIGHTS[letter.state])

    @admin.display(description="in CleverTap's counts")
    def looked_up(self, letter: DeadLetter) -> str:
        """Return what the counts say of it, since when, and what follows."""
        if not _is_looked_up(letter):
            return words.NOTHING
        verdict = DeadLetter.Found(letter.found)
        said = f"{_FOUND[verdict][1]}, {words.format_age(letter.found_at)}."
        return f"{said} {VERDICTS[verdict]}"

    @admin.display(description="event", ordering="position")
    def event(self, letter: DeadLetter) -> str:
        """Link to the record's event."""
        return _link_event(letter, letter.position) or "Unknown"

    @admin.display(description="fell out", ordering="pk")
    def fell_out(self, letter: DeadLetter) -> str:
        """Return when it was not delivered for the first time."""
        return words.format_age(letter.created_at)

    @admin.display(description="last change")
    def changed(self, letter: DeadLetter) -> str:
        """Return when it fell out last, or was delivered."""
        return words.format_instant(letter.changed_at)

    @admin.display(description="waits until")
    def waits_until(self, letter: DeadLetter) -> str:
        """Return until when it may wait for its user to be known."""
        if letter.state != DeadLetter.State.WAITING:
            return words.NOTHING
        return words.format_instant(wait_numbers.find_end_of_wait(letter))

    @admin.display(description="user known since")
    def known_since(self, letter: DeadLetter) -> str:
        """Return when the user became known for whom it waited."""
        return words.format_instant(letter.linked_at)

    @admin.display(description="known by the event")
    def known_by(self, letter: DeadLetter) -> str:
        """Link to the event that said who the user is."""
        return _link_event(letter, letter.linked_by) or words.NOTHING

    @admin.display(description="what it means")
    def meaning(self, letter: DeadLetter) -> str:
        """Return the reason in words."""
        return _words(letter.reason)[0] or words.NOTHING

    @admin.display(description="what to do")
    def remedy(self, letter: DeadLetter) -> str:
        """Return what to do about it."""
        return _find_remedy(letter) or words.NOTHING

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may order replays."""
        return request.user.has_perm(REPLAY)

    @admin.action(description="Replay selected", permissions=["replay"])
    def replay_selected(
        self, request: HttpRequest, letters: QuerySet[DeadLetter]
    ) -> HttpResponse:
        """Show the plan, and on confirmation order a replay for each integration."""
        own = access.limit_to_apps(letters, request.user, self.app_path, REPLAY)
        rows = own.filter(state=DeadLetter.State.OPEN, position__gt=0)
        found = list(
            rows.select_related("integration__app").order_by("integration", "pk")
        )
        chosen = [
            (integration, [letter.pk for letter in group])
            for integration, group in groupby(found, lambda letter: letter.integration)
        ]
        if request.POST.get("confirmed") and chosen:
            for integration, ids in chosen:
                replay_plan.order_replay(request, self, integration, selection=ids)
            return redirect("admin:clevertap_sync_replay_changelist")
        plans = [
            replay_plan.plan_replay(integration, selection=ids)
            for integration, ids in chosen
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay the selected dead letters?",
            "opts": self.opts,
            "plans": plans,
            "selected": [letter.pk for letter in found],
            "action": "replay_selected",
            "back": reverse("admin:clevertap_sync_deadletter_changelist"),
        }
        return TemplateResponse(request, "clevertap_sync/replay_plan.html", context)
