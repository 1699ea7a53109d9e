"""How the comparison of an integration stands, as a light and a sentence beside its tick."""

from dataclasses import dataclass

from clevertap_sync.insight.seen_numbers import read_seen_status
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
    counts = (
        f"Of {status.day.day} {status.day:%B}, CleverTap counts {status.counted:,} of "
        f"{status.delivered:,} delivered"
    )
    if status.different:
        events = format_count(status.different, "event")
        return SeenStanding(
            "busy",
            "Differs",
            f"{counts}; {events} {'differs' if status.different == 1 else 'differ'}.",
        )
    if status.not_compared:
        events = format_count(status.not_compared, "event")
        return SeenStanding(
            "idle", "Not all compared", f"{counts}; {events} not compared."
        )
    return SeenStanding("good", "Equal", f"{counts}.")
