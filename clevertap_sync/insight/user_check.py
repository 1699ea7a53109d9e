"""The user check: what CleverTap counts for one user, asked for by identity."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clevertap_sync.clevertap import connection_check, profile_lookup
from clevertap_sync.clevertap.connection_check import Credentials, Diagnosis
from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.identities import CLEVERTAP_ID
from clevertap_sync.clevertap.limits import LATEST_SECOND, normalise_event_name
from clevertap_sync.clevertap.profile_lookup import LOOK_UP_SECONDS, AskedPerson
from referrals.database_connection import give_connection_back

_PREFIXES: Final = ("referred", "generated")
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """A referral event of the user's, as CleverTap counts it."""

    name: str
    count: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class UserCheck:
    """Whether CleverTap knows one user. `diagnosis`: no answer came, and this is why."""

    is_known: bool
    #: "lower case" or "upper case", where CleverTap knows the same identity in that case alone.
    known_in: str = ""
    events: tuple[CountedEvent, ...] = ()
    other_events: int = 0
    diagnosis: Diagnosis | None = field(default=None, repr=False)


def check_user(identity: str, provider: str, credentials: Credentials) -> UserCheck:
    """Ask CleverTap about one user. Ends within `LOOK_UP_SECONDS`; never raises."""
    asked = AskedPerson(identity, object_id=provider.casefold() == CLEVERTAP_ID)
    other = profile_lookup.change_case(asked)
    give_connection_back()
    began = time.monotonic()
    found, *found_otherwise = profile_lookup.look_up_profiles(
        credentials,
        [asked, other] if other else [asked],
        until=began + LOOK_UP_SECONDS,
    )
    if isinstance(found, CleverTapError):
        seconds = time.monotonic() - began
        diagnosis = connection_check.diagnose_error(
            found, credentials.location, seconds
        )
        return UserCheck(is_known=False, diagnosis=diagnosis)
    if found is None and other and any(map(profile_lookup.is_known, found_otherwise)):
        case = "lower case" if other.identity.islower() else "upper case"
        return UserCheck(is_known=False, known_in=case)
    return _read_profile(found)


def _read_profile(found: dict[str, Any] | None) -> UserCheck:
    if found is None:
        return UserCheck(is_known=False)
    events = found.get("events")
    events = events if isinstance(events, dict) else {}
    referral = [
        name for name in events if normalise_event_name(name).startswith(_PREFIXES)
    ]
    return UserCheck(
        is_known=True,
        events=tuple(_list_counted_events(events, sorted(referral)[:_SHOWN])),
        other_events=len(events) - len(referral),
    )


def _list_counted_events(
    events: dict[str, Any], names: list[str]
) -> Iterator[CountedEvent]:
    """Yield CleverTap's counts; a value of the wrong type counts as 0 or None."""
    for name in names:
        counts = events[name] if isinstance(events[name], dict) else {}
        count = counts.get("count")
        yield CountedEvent(
            name,
            count if isinstance(count, int) else 0,
            _read_instant(counts.get("last_seen")),
        )


def _read_instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or not 0 < seconds <= LATEST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)
