"""A first sight on the page: whether CleverTap shows the name, and if not, why. Pure."""

from dataclasses import dataclass
from datetime import datetime

from clevertap_sync.insight.findings.seen import describe_cause
from clevertap_sync.models import FirstSight
from referrals.words import Colour


@dataclass(frozen=True, slots=True)
class SightRow:
    """One name. `seconds` is how soon it showed, `next_at` when it is asked for next."""

    name: str
    first_at: datetime
    colour: Colour
    word: str
    sentence: str = ""
    seconds: float | None = None
    next_at: datetime | None = None


def build_sight_row(sight: FirstSight) -> SightRow:
    """Return the row of a name."""
    if sight.shown_at is not None:
        seconds = (sight.shown_at - sight.first_at).total_seconds()
        return SightRow(sight.name, sight.first_at, "good", "Shown", seconds=seconds)
    colour, word, sentence = _describe_hidden(sight)
    return SightRow(
        sight.name, sight.first_at, colour, word, sentence, next_at=sight.next_at
    )


def _describe_hidden(sight: FirstSight) -> tuple[Colour, str, str]:
    """Return the light of a name that was not seen so far, and what is known of it."""
    if sight.cause:
        return (
            "bad",
            "Not shown",
            f"CleverTap shows none: {describe_cause(sight.cause)}",
        )
    if not sight.asked:
        return "idle", "To be asked", ""
    counted = sight.counted
    if counted is None:
        return "idle", "Not known", "CleverTap did not say."
    numbers = f"CleverTap counted {counted:,} of {sight.delivered:,}."
    return (
        ("busy", "Not yet", numbers) if sight.next_at else ("bad", "Not shown", numbers)
    )
