"""How fast the database grows, and how long it lasts. Pure.

A database grows for as long as events come that retention does not yet take back. So growth is
never drawn on for ever: until retention begins; and while it is at work, for one more
`RETENTION_DAYS`, since by then it takes back as much as came in. Where it is at work and does not
keep up, as when an integration on hold needs the log, growth has no end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: Newer looks only: what grew a month ago says little of next week.
LONGEST_BASIS: Final = timedelta(days=7)
#: A shorter time would take one import, or one night, for the rule.
SHORTEST_BASIS: Final = timedelta(days=1)
#: Retention removes in small steps, and may be so late without being behind.
_RETENTION_MAY_BE_LATE: Final = timedelta(days=2)
_DAY: Final = timedelta(days=1)


class Retention(StrEnum):
    """What retention does about the growth."""

    #: No event is old enough yet.
    AHEAD = "ahead"
    AT_WORK = "at_work"
    #: There are events that it should have removed: something still needs them.
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class SizeSeen:
    """How large the database was at one instant."""

    at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What the newest days say. `lasts` is None where the room is enough, or is not known."""

    #: Bytes per day; less than 0 where it shrinks.
    per_day: float
    #: How long the looks reach back that this rests on.
    basis: timedelta
    retention: Retention
    #: For how long it may go on; None: without end.
    goes_on_for: timedelta | None
    #: After how long the room is used up.
    lasts: timedelta | None


def estimate_growth(
    seen: Sequence[SizeSeen],
    *,
    capacity_bytes: int | None,
    oldest_event_at: datetime | None,
    keep_for: timedelta,
) -> Growth | None:
    """Return how the database grows, or None while that is not known: on the first day.

    `seen` is in order of time; `capacity_bytes` is None where nobody knows it.
    """
    if not seen:
        return None
    newest = seen[-1]
    first = next(each for each in seen if newest.at - each.at <= LONGEST_BASIS)
    basis = newest.at - first.at
    if basis < SHORTEST_BASIS:
        return None
    per_day = (newest.size_bytes - first.size_bytes) / (basis / _DAY)
    retention, goes_on_for = _find_end(newest.at, oldest_event_at, keep_for)
    return Growth(
        per_day=per_day,
        basis=basis,
        retention=retention,
        goes_on_for=goes_on_for,
        lasts=_find_last_day(newest.size_bytes, per_day, capacity_bytes, goes_on_for),
    )


def _find_end(
    now: datetime, oldest_event_at: datetime | None, keep_for: timedelta
) -> tuple[Retention, timedelta | None]:
    age = now - oldest_event_at if oldest_event_at else timedelta()
    if age < keep_for:
        return Retention.AHEAD, keep_for - age
    if age <= keep_for + _RETENTION_MAY_BE_LATE:
        return Retention.AT_WORK, keep_for
    return Retention.BEHIND, None


def _find_last_day(
    size: int, per_day: float, capacity: int | None, goes_on_for: timedelta | None
) -> timedelta | None:
    if capacity is None:
        return None
    if size >= capacity:
        return timedelta()
    if per_day <= 0:
        return None
    days = (capacity - size) / per_day
    # A rate next to nothing makes more days than a timedelta holds.
    if goes_on_for is not None and days > goes_on_for / _DAY:
        return None
    return timedelta(days=min(days, _MOST_DAYS))


_MOST_DAYS: Final = 36_500.0
