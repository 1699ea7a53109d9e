"""What was delivered to an account, by the name as CleverTap compares it, and by day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from clevertap_sync.clevertap.causes.week import Delivered
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.insight.delivered_counts import (
    find_quarters,
    read_delivered,
    sum_by_day,
)
from clevertap_sync.reconciliation.reconciling_account import ReconcilingAccount

NOTHING = Delivered()


@dataclass(frozen=True, slots=True)
class OurName:
    """One name, in the spelling that was sent most, and what was delivered of it."""

    folded: str
    name: str
    quarters: Mapping[int, Delivered]
    days: Mapping[date, Delivered]

    def find(self, day: date) -> Delivered:
        """Return what was delivered on the account's day."""
        return self.days.get(day, NOTHING)

    def sum_up(self, days: Iterable[date]) -> int:
        """Return how many records were delivered on these days."""
        return sum(self.find(day).delivered for day in days)


def read_ours(
    found: ReconcilingAccount, first_day: date, last_day: date
) -> dict[str, OurName]:
    """Return what the account got, by folded name, all at one instant.

    A day on either side is read as well, so that another time zone's days can be summed.
    """
    day = timedelta(days=1)
    quarters = find_quarters(first_day - day, last_day + day, found.zone)
    spellings: dict[str, list[tuple[str, Mapping[int, Delivered]]]] = {}
    for name, mine in sorted(read_delivered(found.ids, *quarters).items()):
        spellings.setdefault(normalise_event_name(name), []).append((name, mine))
    return {
        folded: _merge(folded, spelled, found) for folded, spelled in spellings.items()
    }


def add(one: Delivered, other: Delivered) -> Delivered:
    """Return the sum of two counts."""
    return Delivered(*(a + b for a, b in zip(one, other, strict=True)))


def _merge(
    folded: str,
    spelled: list[tuple[str, Mapping[int, Delivered]]],
    found: ReconcilingAccount,
) -> OurName:
    quarters: dict[int, Delivered] = {}
    for _, mine in spelled:
        for quarter, more in mine.items():
            quarters[quarter] = add(quarters.get(quarter, NOTHING), more)
    name, _ = max(spelled, key=lambda each: sum(d.delivered for d in each[1].values()))
    return OurName(folded, name, quarters, sum_by_day(quarters, found.zone))
