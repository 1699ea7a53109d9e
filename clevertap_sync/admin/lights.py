"""Where an integration stands, as a light and a sentence for people. Reads nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.html import format_html

from clevertap_sync.hold_reasons import RESTORED_BACKUP, hold_words
from clevertap_sync.insight import HoldStatus, IntegrationStatus
from clevertap_sync.models import Integration
from clevertap_sync.wire import LIVE_SECONDS
from clevertap_sync.workers import Silence
from referrals.words import Colour, counted, since, span

_LATE_SECONDS: Final = 120
# Holds that end by themselves; every other one waits for a person.
_PASSING: Final = frozenset(
    {
        "server_error",
        "gateway_error",
        "no_answer",
        "not_reached",
        "too_many_requests",
        "malformed_response",
    }
)


@dataclass(frozen=True, slots=True)
class Light:
    """A colour, its word, and what it means here and now. `todo` is what a person can do."""

    colour: Colour
    word: str
    sentence: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a light depends on besides the numbers."""

    silence: Silence | None
    last_accepted: datetime | None
    now: datetime


def state_of(integration: Integration) -> Light:
    """Return the light of a list: from the integration's own row alone."""
    if integration.archived_at:
        return Light("idle", "Archived")
    if not integration.enabled:
        paused = integration.first_enabled_at is not None
        return Light("idle", "Paused" if paused else "Not enabled")
    if integration.hold_reason:
        colour: Colour = "busy" if integration.hold_reason in _PASSING else "bad"
        return Light(colour, "Held")
    return Light("good", "Enabled")


def light_of(
    integration: Integration, status: IntegrationStatus, seen: Circumstances
) -> Light:
    """Return where the integration stands, in one light and one sentence."""
    if not status.balanced:
        return Light(
            "bad",
            "Books do not balance",
            " ".join(status.imbalances),
            "Report this: it is a fault of ours. Delivery goes on.",
        )
    if not integration.enabled:
        return _stopped(integration, status)
    if status.hold:
        return _held(status, status.hold, seen)
    if seen.silence is None or seen.silence.is_too_long:
        return _no_worker(status, seen.silence)
    return _delivering(status, seen)


def _stopped(integration: Integration, status: IntegrationStatus) -> Light:
    waiting = _waiting(status)
    if status.hold and status.hold.reason == RESTORED_BACKUP:
        meaning, remedy = hold_words(RESTORED_BACKUP)
        return Light("bad", "Paused", f"{meaning} {waiting}", remedy)
    if integration.first_enabled_at:
        return Light(
            "idle",
            "Paused",
            f"Paused by a person. {waiting}",
            "Resume it when you like.",
        )
    return Light(
        "idle",
        "Not enabled",
        f"Nothing is sent to CleverTap yet. {waiting}",
        "Finish the set-up, then enable it.",
    )


def _held(status: IntegrationStatus, hold: HoldStatus, seen: Circumstances) -> Light:
    meaning, remedy = hold_words(hold.reason, hold.cause)
    sentence = format_html(
        "Held{}: {} {}{}",
        format_html(" since {}", since(hold.since, seen.now)) if hold.since else "",
        _lowered(meaning),
        _waiting(status),
        _until_late(status),
    )
    passing = hold.reason in _PASSING
    return Light("busy" if passing else "bad", "Held", sentence, remedy)


def _until_late(status: IntegrationStatus) -> str:
    """Return what the wait will cost, or has cost: live campaigns look at fresh events."""
    left = LIVE_SECONDS - status.lag_seconds
    if not status.backlog or left >= LIVE_SECONDS - _LATE_SECONDS:
        return ""
    if left <= 0:
        return " For the oldest, live campaigns fire no more."
    return f" In {span(left)} live campaigns stop firing for the oldest."


def _no_worker(status: IntegrationStatus, silence: Silence | None) -> Light:
    seen = (
        f"No worker has been seen for {span(silence.seconds)}."
        if silence
        else "No worker has ever been seen."
    )
    return Light(
        "bad",
        "No worker",
        f"{seen} {_waiting(status)}",
        "Start a worker: the line worker of the Procfile.",
    )


def _delivering(status: IntegrationStatus, seen: Circumstances) -> Light:
    if status.lag_seconds > _LATE_SECONDS:
        return Light("busy", "Catching up", f"Delivering. {_waiting(status)}")
    if seen.last_accepted is None:
        return Light(
            "good",
            "Ready",
            "Everything is set up. The first event that arrives is delivered at once.",
        )
    age = span((seen.now - seen.last_accepted).total_seconds())
    return Light(
        "good",
        "Delivering",
        f"CleverTap accepted the last event {age} ago; its dashboard shows new "
        "data after about 10 minutes.",
    )


def _waiting(status: IntegrationStatus) -> str:
    if not status.backlog and not status.in_flight:
        return "Nothing waits."
    if not status.backlog:
        verb = "waits" if status.in_flight == 1 else "wait"
        return (
            f"{counted(status.in_flight, 'record')} {verb} for CleverTap's verdict, the "
            f"oldest for {span(status.lag_seconds)}; none is lost."
        )
    verb = "waits" if status.backlog == 1 else "wait"
    return (
        f"{counted(status.backlog, 'event')} {verb}, the oldest for "
        f"{span(status.lag_seconds)}; none is lost."
    )


def _lowered(sentence: str) -> str:
    """Return a sentence as it goes on after a colon; a name stays as it is."""
    first, _, rest = sentence.partition(" ")
    return sentence if first == "CleverTap" else f"{first.lower()} {rest}"
