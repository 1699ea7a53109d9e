"""Follows events that were sent from the admin to the verdict of each side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clevertap_sync.admin.deliveries.attempt_admin import show_outcome
from clevertap_sync.admin.events.timeline import LIGHTS
from clevertap_sync.insight.clevertap_destination import find_side_outcomes
from clevertap_sync.models import Attempt, Integration
from referrals.destinations import Outcome
from referrals.log import LoggedEvent
from referrals.vocabulary import TITLES
from referrals.words import Colour, format_count

#: A position is a number of 64 bits.
LATEST: Final = (1 << 63) - 1
_MOST_ATTEMPTS: Final = 20
_UNDER_WAY: Final = frozenset({"pending", "in_flight"})
#: Nothing has to be mended: no user is known by the event's IDs.
_FOR_NOBODY: Final = frozenset({"waiting", "expired"})


@dataclass(frozen=True, slots=True)
class FollowedEvents:
    """One side of one event. `seconds` passed from receipt to delivery; None before it."""

    position: int
    name: str
    status: str
    colour: Colour
    word: str
    meaning: str
    remedy: str
    reason: str
    upload: int | None
    seconds: float | None


def follow_events(
    integration: Integration, events: Sequence[LoggedEvent]
) -> dict[str, Any]:
    """Return the context of the page that follows `events`."""
    stored = [(logged.position, logged.event) for logged in events]
    fates = find_side_outcomes(integration.app_id, [integration], stored)
    sides = [
        _followed(logged, fate)
        for logged, of_event in zip(events, fates, strict=True)
        for fate in of_event
    ]
    colour, word, sentence = _summary(sides)
    uploads = {side.upload for side in sides if side.upload is not None}
    attempts = Attempt.objects.filter(upload__in=uploads).order_by("-pk")
    return {
        "sides": sides,
        "colour": colour,
        "word": word,
        "sentence": sentence,
        "waits": any(side.status in _UNDER_WAY for side in sides),
        "first": events[0],
        "attempts": [
            (attempt, show_outcome(attempt))
            for attempt in reversed(attempts[:_MOST_ATTEMPTS])
        ]
        if uploads
        else [],
    }


def _followed(logged: LoggedEvent, fate: Outcome) -> FollowedEvents:
    colour, word = LIGHTS[fate.status]
    title = TITLES.get(logged.event.type, logged.event.name)
    at = fate.delivered_at
    return FollowedEvents(
        position=logged.position,
        name=f"{fate.side.value.title()} {title}",
        status=fate.status,
        colour=colour,
        word=word,
        meaning=fate.meaning or "",
        remedy=fate.remedy or "",
        reason=fate.reason or "",
        upload=fate.upload,
        seconds=max(0.0, (at - logged.received_at).total_seconds()) if at else None,
    )


def _summary(sides: Sequence[FollowedEvents]) -> tuple[Colour, str, str]:
    """Return the state of all sides together: colour, word, sentence."""
    total = len(sides)
    if not total:
        return "idle", "No record", "This event yields no record: it names nobody."
    delivered = sum(side.status == "delivered" for side in sides)
    if any(side.status in _UNDER_WAY for side in sides):
        return (
            "busy",
            "Under way",
            f"{delivered} of {format_count(total, 'record')} so far.",
        )
    if delivered == total:
        return (
            "good",
            "Delivered",
            f"CleverTap accepted {format_count(total, 'record')}.",
        )
    accepted = f"CleverTap accepted {delivered} of {format_count(total, 'record')}."
    if all(side.status in {"delivered", *_FOR_NOBODY} for side in sides):
        return "idle", "Waits", f"{accepted} Of the others no user is known."
    return "bad", "Not all delivered", accepted
