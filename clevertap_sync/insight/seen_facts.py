"""What is known of the side of CleverTap: which names it shows, and of which it counts fewer.

Plain values, of an account. `seen_queries` reads them, findings are judged from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Self

#: A name that CleverTap has not shown for so many minutes after its first delivery is overdue.
OVERDUE_MINUTES: Final = 30
#: From so many percent on it is a finding that CleverTap counts fewer.
FEWER_PERCENT: Final = 5


@dataclass(frozen=True, slots=True)
class OverdueName:
    """A name that was delivered for the first time, and that CleverTap does not show.

    `delivered` are records. `cause` is the code of the likeliest cause, or of what the schema
    proves before half an hour is over.
    """

    name: str
    delivered: int
    first_at: datetime
    cause: str = ""


@dataclass(frozen=True, slots=True)
class SoughtName:
    """A new name that CleverTap was asked for and does not show, as it may for half an hour."""

    name: str
    first_at: datetime


@dataclass(frozen=True, slots=True)
class ShownName:
    """A name that CleverTap was seen to show, `seconds` after its first delivery or sooner."""

    name: str
    shown_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class ShortDay:
    """A name on a day of the account of which CleverTap counts fewer than were delivered.

    `missing` is without what is as it should be, such as records that are still processed.
    `nights`: as many nightly comparisons in a row found it. `cause` is the code of the largest
    cause and `sentence` its words; both are empty where nothing explains it.
    """

    name: str
    day: date
    delivered: int
    missing: int
    nights: int = 0
    cause: str = ""
    sentence: str = ""

    @property
    def percent(self) -> float:
        """Return how large a share of what was delivered is missing."""
        return 100 * self.missing / max(1, self.delivered)


@dataclass(frozen=True, slots=True)
class Delays:
    """How soon an account showed `names` new names, in seconds: usually, and at most.

    It was asked after 1, 2, 5, … minutes, so each is that or less.
    """

    names: int
    p50: float
    p99: float

    @classmethod
    def measure(cls, seconds: Sequence[float]) -> Self | None:
        """Return the delays of some names; None where there is none."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        return cls(len(ordered), _find_rank(ordered, 50), _find_rank(ordered, 99))


def _find_rank(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest of some numbers that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@dataclass(frozen=True, slots=True)
class SeenFacts:
    """What CleverTap shows of an account that is compared.

    `since` is when our counting began; `compared_at` when the last nightly comparison ended
    that was not cut short by a fault, and `not_compared` the names and days that it did not
    reach. `refused_at`: since when the passcode may not read. `error` is the code of what
    goes wrong now, or of what ended the last nightly comparison early.
    """

    overdue: Sequence[OverdueName] = ()
    sought: Sequence[SoughtName] = ()
    shown: Sequence[ShownName] = ()
    short: Sequence[ShortDay] = ()
    delays: Delays | None = None
    since: datetime | None = None
    compared_at: datetime | None = None
    not_compared: int = 0
    refused_at: datetime | None = None
    error: str = ""
