"""How the comparison of an integration stands, as a light and a sentence beside its tick."""

from dataclasses import dataclass
from datetime import date

from clevertap_sync.insight.seen_numbers import SeenStatus, read_seen_status
from clevertap_sync.models import AccountReading, Integration
from referrals.words import Colour, format_count


@dataclass(frozen=True, slots=True)
class SeenStanding:
    """A colour, its word, and what CleverTap counts of the newest day."""

    colour: Colour
    word: str
    sentence: str


def read_seen_standing(integration: Integration) -> SeenStanding | None:
    """Return how the comparison stands; None where it is off."""
    status = read_seen_status(integration)
    if status is None:
        return None
    refused = AccountReading.objects.filter(
        account=integration.account_id, refused_at__isnull=False
    )
    if refused.exists():
        return SeenStanding(
            "bad",
            "May not read",
            "CleverTap takes uploads with this passcode, and refuses to tell what it counts.",
        )
    if status.day is None:
        return SeenStanding("idle", "Not yet", "Nothing is compared yet.")
    return _describe_day(status, status.day)


def _describe_day(status: SeenStatus, day: date) -> SeenStanding:
    """Return what the newest day came to. Only where all was compared and is equal it is green."""
    counts = (
        f"Of {day.day} {day:%B}, CleverTap counts {status.counted:,} of "
        f"{status.delivered:,} delivered"
    )
    if status.different > status.expected:
        return SeenStanding(
            "busy", "Differs", f"{counts}; {_differ(status.different)}."
        )
    if status.not_compared:
        events = format_count(status.not_compared, "event")
        return SeenStanding(
            "idle", "Not all compared", f"{counts}; {events} not compared."
        )
    if status.in_doubt:
        are = "is" if status.in_doubt == 1 else "are"
        events = format_count(status.in_doubt, "event")
        return SeenStanding("idle", "In doubt", f"{counts}; {events} {are} in doubt.")
    if status.expected:
        sentence = f"{counts}; {_differ(status.expected)}, and nothing is wrong."
        return SeenStanding("idle", "Expected", sentence)
    return SeenStanding("good", "Equal", f"{counts}.")


def _differ(events: int) -> str:
    return f"{format_count(events, 'event')} {'differs' if events == 1 else 'differ'}"
