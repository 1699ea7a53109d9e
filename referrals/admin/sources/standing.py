"""How a source stands, in a light and a sentence. Reads nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referrals import words
from referrals.encrypted_field import UnreadableSecret
from referrals.ingest.source_health import (
    FEW_UNVERIFIED,
    RecentHealth,
    UnverifiedCall,
)
from referrals.models import Source
from referrals.source_address import SEGMENT
from referrals.source_setup import THEIRS
from referrals.words import Colour

#: A source that called before, and has not for so long, is said to be silent.
SILENT_AFTER: Final = timedelta(days=1)
_UNREADABLE: Final = (
    "No key in FIELD_ENCRYPTION_KEYS decrypts it, so no call passes. Put the key back that it "
    "was saved with, or replace the secret."
)


@dataclass(frozen=True, slots=True)
class SourceLight:
    """A colour, its word, and what it means here and now."""

    colour: Colour
    word: str
    sentence: str = ""
    #: Whether nothing is wrong, and no call has come yet.
    is_waiting: bool = False


def describe_source(source: Source, health: RecentHealth, now: datetime) -> SourceLight:
    """Return the light of `source`: what hinders it first, or else its last call."""
    if source.archived_at:
        return SourceLight("idle", "Archived", "Its address answers 410, for good.")
    if source.app.archived_at:
        return SourceLight("idle", "App archived", "Its address answers 410.")
    if isinstance(source.secret, UnreadableSecret):
        return SourceLight("bad", "Secret unreadable", _UNREADABLE)
    if not source.secret and source.platform != SEGMENT:
        return SourceLight("busy", "No secret yet", _say_who_makes_it(source))
    return _describe_calls(source, health, now)


def _describe_calls(source: Source, health: RecentHealth, now: datetime) -> SourceLight:
    # A first call may not be counted yet.
    last = health.last_call_at or source.first_call_at
    if failed := _find_failed_last(health, last):
        return SourceLight("bad", "Calls fail their check", failed.detail)
    if last is None:
        return SourceLight(
            "busy",
            "Waits for the first call",
            "Nothing has called its address yet.",
            is_waiting=True,
        )
    span = words.format_span((now - last).total_seconds())
    if now - last > SILENT_AFTER:
        unusual = "Where that is unusual for it, the overview says so."
        return SourceLight("idle", f"Silent for {span}", unusual)
    return SourceLight("good", f"Last call {span} ago", "Calls pass their check.")


def _find_failed_last(
    health: RecentHealth, last: datetime | None
) -> UnverifiedCall | None:
    """Return the last call where calls fail their check: before any good one, or several after."""
    failed, number = health.last_unverified, sum(health.day.unverified.values())
    if failed is None or not number:
        return None
    is_news = last is None or (failed.at > last and number >= FEW_UNVERIFIED)
    return failed if is_news else None


def _say_who_makes_it(source: Source) -> str:
    if source.preset.secret == THEIRS:
        return (
            f"{source.preset.title} makes the secret: follow the steps, and enter it. Until "
            "then, no call passes."
        )
    return "Make one: until then, no call passes."
