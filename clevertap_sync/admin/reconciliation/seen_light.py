"""The light of the page: how the last comparison came out, or what keeps it. Reads nothing."""

from typing import Final, NamedTuple

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


#: What was found, the first that there is: only where all was compared and is equal, green.
_RESULTS: Final = (
    (
        DayState.FEWER,
        SeenLight("bad", "Differs", "CleverTap counts fewer than were delivered"),
    ),
    (
        DayState.MORE,
        SeenLight("busy", "Differs", "CleverTap counts more than were delivered"),
    ),
    (
        DayState.NOT_COMPARED,
        SeenLight("idle", "Not all compared", "No difference in what was compared"),
    ),
    (
        DayState.IN_DOUBT,
        SeenLight("idle", "In doubt", "What differs may be there twice, or not at all"),
    ),
    (
        DayState.EXPECTED,
        SeenLight("idle", "Expected", "What differs is as it should be"),
    ),
    (
        DayState.EQUAL,
        SeenLight("good", "Equal", "CleverTap counts what was delivered"),
    ),
)
_NOTHING: Final = SeenLight("idle", "Not yet", "Nothing is compared yet")
_BEHIND: Final = SeenLight("idle", "Not all compared", "Days are not compared yet")
#: Today, and yesterday until the night's comparison.
_USUALLY_PENDING: Final = 2


def _describe_result(seen: SeenAccount) -> SeenLight:
    """Return what was found, once anything was compared."""
    states = seen.states
    if not any(
        states[state] for state, _ in _RESULTS if state is not DayState.NOT_COMPARED
    ):
        return _NOTHING
    light = next(light for state, light in _RESULTS if states[state])
    is_behind = seen.failed is not None or _lacks_a_night(seen)
    return _BEHIND if is_behind and light.colour == "good" else light


def _lacks_a_night(seen: SeenAccount) -> bool:
    """Return whether a day is not compared that a night's comparison should have had."""
    older = (day for name in seen.names for day in name.days[_USUALLY_PENDING:])
    return any(day.state is DayState.PENDING for day in older)
