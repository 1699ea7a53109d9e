"""The user check: what CleverTap counts for one user, when a person asks for them by ID."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clevertap_sync import connection, recognition
from clevertap_sync.connection import Credentials, Diagnosis
from clevertap_sync.delivery.send import give_connection_back
from clevertap_sync.errors import CleverTapError
from clevertap_sync.mapping import CLEVERTAP_ID
from clevertap_sync.recognition import LOOK_UP_SECONDS, Asked, Found
from clevertap_sync.wire import LATEST_SECOND, compared_name

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
    """What CleverTap knows of one user: it does, it does not, or it did not tell (`fault`)."""

    is_known: bool
    #: It knows the user by the same identity in lower case.
    in_lower_case: bool = False
    events: tuple[CountedEvent, ...] = ()
    other_events: int = 0
    fault: Diagnosis | None = field(default=None, repr=False)


def check_user(identity: str, provider: str, credentials: Credentials) -> UserCheck:
    """Ask CleverTap about one user. Ends within `LOOK_UP_SECONDS`; never raises."""
    by_object_id = provider.casefold() == CLEVERTAP_ID
    spellings = [identity]
    if identity.lower() != identity and not by_object_id:
        spellings.append(identity.lower())
    give_connection_back()
    began = time.monotonic()
    found, *lowered = recognition.look_up(
        credentials,
        [Asked(spelling, by_object_id) for spelling in spellings],
        until=began + LOOK_UP_SECONDS,
    )
    if isinstance(found, CleverTapError):
        seconds = time.monotonic() - began
        fault = connection.diagnose(found, credentials.location, seconds)
        return UserCheck(is_known=False, fault=fault)
    return _read(found, lowered)


def _read(found: dict[str, Any] | None, lowered: list[Found]) -> UserCheck:
    if found is None:
        return UserCheck(
            is_known=False, in_lower_case=any(map(recognition.is_known, lowered))
        )
    events = found.get("events")
    events = events if isinstance(events, dict) else {}
    referral = [name for name in events if compared_name(name).startswith(_PREFIXES)]
    return UserCheck(
        is_known=True,
        events=tuple(_counted(events, sorted(referral)[:_SHOWN])),
        other_events=len(events) - len(referral),
    )


def _counted(events: dict[str, Any], names: list[str]) -> Iterator[CountedEvent]:
    """Yield what can be read of CleverTap's counts, whatever they are."""
    for name in names:
        counts = events[name] if isinstance(events[name], dict) else {}
        count = counts.get("count")
        yield CountedEvent(
            name,
            count if isinstance(count, int) else 0,
            _instant(counts.get("last_seen")),
        )


def _instant(seconds: object) -> datetime | None:
    if not isinstance(seconds, int) or not 0 < seconds <= LATEST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)
