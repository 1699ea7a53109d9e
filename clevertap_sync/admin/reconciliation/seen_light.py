"""The light of the page: how the last comparison came out, or what keeps it. Reads nothing."""

from typing import NamedTuple

from clevertap_sync.insight.seen_grid import DayState
from clevertap_sync.insight.seen_in_clevertap import SeenAccount
from clevertap_sync.models import Integration
from referrals.words import Colour


class SeenLight(NamedTuple):
    """A colour, its word, and what it means."""

    colour: Colour
    word: str
    sentence: str


def describe_light(seen: SeenAccount, integration: Integration) -> SeenLight:
    """Return the light: what a person has to mend first, then what goes on, then the result."""
    if not any(each.reconciles for each in (integration, *seen.others)):
        return SeenLight(
            "idle", "Off", "These numbers are from before it was turned off"
        )
    if seen.reading is not None and seen.reading.refused_at:
        return SeenLight(
            "bad", "May not read", "The passcode may upload, and may not read"
        )
    if seen.is_running:
        return SeenLight("busy", "Comparing", "A worker asks CleverTap")
    if seen.is_waiting:
        return SeenLight("busy", "Waiting", "A worker is about to ask CleverTap")
    return _describe_result(seen)


def _describe_result(seen: SeenAccount) -> SeenLight:
    """Return what was found. Only where all was compared and is equal it is green."""
    states = seen.states
    if states[DayState.FEWER]:
        sentence = "CleverTap counts fewer than were delivered"
        return SeenLight("bad", "Differs", sentence)
    if states[DayState.MORE]:
        return SeenLight("busy", "Differs", "CleverTap counts more than were delivered")
    if not (states[DayState.EQUAL] or states[DayState.EXPECTED]):
        return SeenLight("idle", "Not yet", "Nothing is compared yet")
    if states[DayState.NOT_COMPARED]:
        sentence = "No difference in what was compared"
        return SeenLight("idle", "Not all compared", sentence)
    if states[DayState.EXPECTED]:
        return SeenLight("idle", "Expected", "What differs is as it should be")
    return SeenLight("good", "Equal", "CleverTap counts what was delivered")
