"""A replay before it is ordered: its size and its consequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from clevertap_sync.clevertap.limits import MAX_RECORDS
from clevertap_sync.delivery.replay import (
    COUNTS_TWICE,
    count_found,
    find_open_letters,
    may_count_twice,
    replay_letters,
    replay_range,
    say_what_was_found,
)
from clevertap_sync.insight import freshness
from clevertap_sync.insight.freshness import Freshness
from clevertap_sync.models import Integration, Replay
from clevertap_sync.process import doorbell
from referrals.words import format_count

#: The permission, in the integration's app, to order a replay.
REPLAY: Final = "clevertap_sync.add_replay"


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would send, and its consequences."""

    integration: Integration
    freshness: Freshness
    counts_twice: bool = False
    #: About what was found in CleverTap.
    found: Sequence[str] = ()

    @property
    def sentences(self) -> list[str]:
        """Return the consequences in sentences, for the person who may order it."""
        twice = [COUNTS_TWICE] if self.counts_twice else []
        return [*twice, *self.found, *self.freshness.sentences]

    @property
    def records(self) -> int:
        """Return the number of records."""
        return self.freshness.total

    @property
    def uploads(self) -> int:
        """Return the least number of requests."""
        return -(-self.records // MAX_RECORDS)


def plan_replay(
    integration: Integration,
    *,
    reasons: Sequence[str] = (),
    selection: Sequence[int] = (),
) -> ReplayPlan:
    """Return the plan of a replay of these open dead letters."""
    letters = find_open_letters(integration, reasons, selection).order_by()
    return ReplayPlan(
        integration,
        freshness.measure_letters_freshness(integration.app_id, letters),
        counts_twice=may_count_twice(letters),
        found=say_what_was_found(
            count_found(integration, reasons, selection), are_chosen=bool(selection)
        ),
    )


def order_replay(
    request: HttpRequest,
    page: Any,
    integration: Integration,
    *,
    reasons: Sequence[str] = (),
    selection: Sequence[int] = (),
) -> Replay:
    """Order the replay, ring for it, and tell the person."""
    ordered = replay_letters(
        integration,
        reasons=reasons,
        selection=selection,
        created_by=request.user.get_username(),
    )
    _tell(request, page, ordered, format_count(ordered.planned, "record"))
    return ordered


def order_range_replay(
    request: HttpRequest,
    page: Any,
    integration: Integration,
    positions: range,
) -> Replay:
    """Order these positions to be sent again, ring for it, and tell the person."""
    ordered = replay_range(
        integration,
        first=positions.start,
        last=positions.stop - 1,
        created_by=request.user.get_username(),
    )
    _tell(request, page, ordered, format_count(ordered.planned, "event"))
    return ordered


def _tell(
    request: HttpRequest,
    page: Any,
    ordered: Replay,
    what: str,
) -> None:
    doorbell.ring_doorbell(ordered.integration_id)
    page.log_addition(request, ordered, f"Ordered: {what}.")
    url = reverse("admin:clevertap_sync_replay_change", args=[ordered.pk])
    messages.success(
        request,
        format_html('Ordered <a href="{}">replay {}</a>: {}.', url, ordered.pk, what),
    )
