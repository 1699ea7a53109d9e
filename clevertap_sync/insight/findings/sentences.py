"""Sentences, and parts of them, that several findings share."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from clevertap_sync.clevertap.limits import LIVE_SECONDS
from clevertap_sync.insight.facts import LATELY, Facts, RefusalsAtDoor
from referrals.words import format_count, format_span

#: It is usual that an event waits for less.
LATE_SECONDS: Final = 120


def describe_waiting(facts: Facts) -> str:
    """Say how many events and records wait, and for how long; each kind has its number."""
    waiting = facts.waiting
    parts = []
    if waiting.events:
        parts.append(
            f"{format_count(waiting.events, 'event')} {_choose_verb(waiting.events)}"
        )
    if waiting.records:
        verb = _choose_verb(waiting.records)
        parts.append(
            f"{format_count(waiting.records, 'record')} {verb} to be sent again"
        )
    if waiting.under_way:
        verb = _choose_verb(waiting.under_way)
        parts.append(
            f"{format_count(waiting.under_way, 'record')} {verb} for CleverTap's verdict"
        )
    if not parts:
        return "Nothing waits."
    oldest = (
        f", the oldest for {format_span(facts.lag_seconds)}" if waiting.since else ""
    )
    return f"{' and '.join(parts)}{oldest}; none is lost."


def describe_delay(facts: Facts) -> str:
    """Say what the wait costs: live campaigns fire only for fresh events."""
    left = LIVE_SECONDS - facts.lag_seconds
    if not facts.waiting.events or facts.lag_seconds <= LATE_SECONDS:
        return ""
    if left <= 0:
        return " For the oldest, live campaigns fire no more."
    return f" In {format_span(left)} live campaigns stop firing for the oldest."


def find_newest_refusals(
    refused: Iterable[RefusalsAtDoor], now: datetime
) -> list[RefusalsAtDoor]:
    """Return the refusals of the last hour; where there are none, all of them."""
    found = list(refused)
    lately = [each for each in found if now - each.last_at <= LATELY]
    return lately or found


def describe_refused(
    refused: Sequence[RefusalsAtDoor], noun: str, link: str, now: datetime
) -> str:
    """Say how many were refused, and when: in the last hour, or how long ago the last was."""
    count = sum(each.count for each in refused)
    silence = now - max(each.last_at for each in refused)
    if silence <= LATELY:
        return f"{format_count(count, noun)} {link} the last hour"
    last = "" if count == 1 else "the last "
    return (
        f"{format_count(count, noun)}, {last}{format_span(silence.total_seconds())} ago"
    )


def lower_first_letter(sentence: str) -> str:
    """Return a sentence as it is written after a colon; a name keeps its capital."""
    first, _, rest = sentence.partition(" ")
    return sentence if first == "CleverTap" else f"{first.lower()} {rest}"


def _choose_verb(count: int) -> str:
    return "waits" if count == 1 else "wait"
