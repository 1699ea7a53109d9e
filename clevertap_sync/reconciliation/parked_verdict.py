"""What CleverTap's count of one name on one day says of the records that are in doubt there.

Each request without an answer may have stored its records, or not. Where CleverTap counts no
more than was delivered, none of them stored anything; where it counts as many as all of them
could have brought, each of them did. Anything between says nothing of a single record.

That holds only where the unit is exact, and nothing else moves the count: the other days of
that week show it. Pure: asks nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from clevertap_sync.clevertap.causes.week import Delivered

#: Nobody rounds to a number that does not end in 0.
_ROUND: Final = 10


@dataclass(frozen=True, slots=True)
class ComparedDay:
    """Another day of the week: what was delivered and is counted; None: not compared."""

    day: date
    delivered: Delivered
    counted: int | None

    @property
    def is_sure(self) -> bool:
        """Whether both numbers have to be the same."""
        return self.counted is not None and not (
            self.delivered.maybe_more or self.delivered.maybe_fewer
        )

    @property
    def differs(self) -> bool:
        """Whether CleverTap counts what cannot be."""
        if self.counted is None:
            return False
        most = self.delivered.delivered + self.delivered.maybe_more
        least = self.delivered.delivered - self.delivered.maybe_fewer
        return not least <= self.counted <= most


def is_clean(week: Sequence[ComparedDay]) -> bool:
    """Return whether the days differ nowhere, and at least one of them shows that."""
    shown = [each for each in week if each.is_sure and each.delivered.delivered]
    return bool(shown) and not any(each.differs for each in week)


def judge_day(
    delivered: Delivered, counted: int, *, letters: int, week: Sequence[ComparedDay]
) -> bool | None:
    """Return whether CleverTap has the day's `letters` in doubt; None: nobody can tell.

    `delivered` has each request that was never answered in `maybe_more`, those with these
    letters too, else the counts began later than the doubt.
    """
    if delivered.maybe_fewer or delivered.maybe_more < letters or not is_clean(week):
        return None
    if not _is_exact(counted, week):
        return None
    if counted == delivered.delivered:
        return False
    if counted == delivered.delivered + delivered.maybe_more:
        return True
    return None


def _is_exact(counted: int, week: Sequence[ComparedDay]) -> bool:
    """Return whether a number as large as this one was seen that is not rounded."""
    sure = [each.counted or 0 for each in week if each.is_sure]
    return any(number % _ROUND and number >= counted for number in [counted, *sure])
