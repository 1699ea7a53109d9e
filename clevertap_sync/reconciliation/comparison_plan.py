"""Which names and days one comparison has to ask for, and in which order.

The last seven complete days, and older ones of which something was delivered since the
comparison before, such as late records and replays. Never a day before all of the account's
integrations counted, and never today: its numbers still move.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from clevertap_sync.clevertap.causes.week import Delivered
from clevertap_sync.models import Comparison, Statement
from clevertap_sync.reconciliation.our_numbers import OurName, read_ours
from clevertap_sync.reconciliation.reconciling_account import ReconcilingAccount

#: The days before today that are compared each time.
DAYS: Final = 7
#: So far back are days compared once more where something of them was delivered since.
OLDEST_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be asked. `week` are days without a gap, the oldest first.

    `ours` has every name of the week and of the older days; `old` the older days, by folded
    name. `statements` are those of all these days, by folded name and day.
    """

    today: date
    week: Sequence[date]
    old: Mapping[str, Sequence[date]]
    ours: Mapping[str, OurName]
    statements: Mapping[tuple[str, date], Statement]

    @property
    def days(self) -> list[date]:
        """All days, the oldest first."""
        return sorted(
            {*self.week, *(day for days in self.old.values() for day in days)}
        )

    def list_names(self) -> list[str]:
        """Return the folded names: those that were compared longest ago first.

        Among them those with most records, so that what matters is within the budget.
        """
        compared = dict.fromkeys(self.ours, "")
        for (folded, _), statement in self.statements.items():
            if folded in compared and statement.compared_at is not None:
                at = statement.compared_at.isoformat()
                compared[folded] = max(compared[folded], at)
        return sorted(
            compared,
            key=lambda folded: (
                compared[folded],
                -self.ours[folded].sum_up(self.week),
                folded,
            ),
        )

    def find_largest_name(self) -> str | None:
        """Return the folded name with most records in the week; None where there is none."""
        sizes = {
            folded: mine.sum_up(self.week) for folded, mine in sorted(self.ours.items())
        }
        largest = max(sizes, key=sizes.__getitem__, default=None)
        return largest if largest is not None and sizes[largest] else None

    def list_pairs(self) -> Iterator[tuple[str, date]]:
        """Yield the names and days of which something was delivered."""
        for folded, mine in self.ours.items():
            for day in [*self.week, *self.old.get(folded, ())]:
                if any(mine.find(day)):
                    yield folded, day


def find_week(found: ReconcilingAccount, now: datetime) -> list[date]:
    """Return the complete days that can be compared now, the oldest first."""
    first, today = found.find_first_day(), found.find_day(now)
    if first is None:
        return []
    days = [today - timedelta(days=back) for back in range(DAYS, 0, -1)]
    return [day for day in days if day >= first]


def make_plan(found: ReconcilingAccount, comparison: Comparison, now: datetime) -> Plan:
    """Return what the comparison has to ask. What it has compared already stays in it."""
    week, today = find_week(found, now), found.find_day(now)
    first = found.find_first_day()
    if not week or first is None:
        return Plan(today, week, {}, {}, {})
    first = max(first, today - timedelta(days=OLDEST_DAYS))
    rows = Statement.objects.filter(account=found.account, day__range=(first, week[-1]))
    statements = {(each.folded_name, each.day): each for each in rows}
    ours = read_ours(found, first, week[-1])
    old_days = list_days(first, week[0] - timedelta(days=1))
    old = {
        folded: [
            day
            for day in old_days
            if _has_changed(mine.find(day), statements.get((folded, day)), comparison)
        ]
        for folded, mine in ours.items()
    }
    return Plan(today, week, old, ours, statements)


def list_days(first: date, last: date) -> list[date]:
    """Return the days from `first` to `last`, both included; none where that is before."""
    numbers = range(first.toordinal(), last.toordinal() + 1)
    return [date.fromordinal(number) for number in numbers]


def _has_changed(
    ours: Delivered, statement: Statement | None, comparison: Comparison
) -> bool:
    """Return whether an older day is not what was compared, or is compared by this one."""
    if was_asked_by(statement, comparison):
        return True
    if statement is None or statement.counted is None:
        return any(ours)
    known = (statement.delivered, statement.maybe_more, statement.maybe_fewer)
    return known != ours


def was_asked_by(statement: Statement | None, comparison: Comparison) -> bool:
    """Return whether this very comparison has asked for the statement's count."""
    return (
        statement is not None
        and statement.compared_at is not None
        and comparison.began_at is not None
        and statement.compared_at >= comparison.began_at
    )


def is_compared_by(statement: Statement | None, comparison: Comparison) -> bool:
    """Return whether it has asked, and CleverTap has answered."""
    return (
        statement is not None
        and statement.counted is not None
        and was_asked_by(statement, comparison)
    )
