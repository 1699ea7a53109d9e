"""How many of the events to be sent are fresh enough for live campaigns to fire.

Decided by when events arrived, since a position is quick to compare, and an event rarely
happened long before it arrived. Nothing here reads a range of the log.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet

from clevertap_sync.clevertap.limits import LIVE_HOURS, LIVE_SECONDS
from clevertap_sync.models import DeadLetter
from clevertap_sync.process import clock
from referrals import log


@dataclass(frozen=True, slots=True)
class Freshness:
    """Events or records: those that may set off live campaigns, and those too old to."""

    fresh: int
    old: int

    @property
    def total(self) -> int:
        """Return how many there are."""
        return self.fresh + self.old

    @property
    def sentences(self) -> list[str]:
        """Return what sending them causes, for the page on which a person orders it."""
        fresh = (
            f"{self.fresh:,} arrived in the last {LIVE_HOURS} hours: live campaigns may fire, so "
            "real people may get messages."
        )
        verbs = ("is", "it counts") if self.old == 1 else ("are", "they count")
        old = (
            f"{self.old:,} {verbs[0]} older: {verbs[1]} in CleverTap, and no live "
            "campaign fires."
        )
        return [*([fresh] if self.fresh else []), *([old] if self.old else [])]


def measure_range_freshness(app_id: int, first: int, last: int) -> Freshness:
    """Return the freshness of the events at positions first … last."""
    events = max(0, last - first + 1)
    fresh = min(events, max(0, last - _find_last_old_position(app_id))) if events else 0
    return Freshness(fresh, events - fresh)


def measure_letters_freshness(app_id: int, letters: QuerySet[DeadLetter]) -> Freshness:
    """Return the freshness of dead letters of one app's integration."""
    records = letters.count()
    fresh = (
        letters.filter(position__gt=_find_last_old_position(app_id)).count()
        if records
        else 0
    )
    return Freshness(fresh, records - fresh)


def _find_last_old_position(app_id: int) -> int:
    """Return the last position that arrived too long ago."""
    since = clock.read_now() - timedelta(seconds=LIVE_SECONDS)
    return log.find_position(app_id, since)
