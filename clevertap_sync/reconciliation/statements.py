"""Statements: what CleverTap counts of a name on a day, beside what we delivered.

One that is written during a comparison has no causes yet: they are found at its end.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from clevertap_sync.clevertap.causes.week import Delivered
from clevertap_sync.models import Account, Comparison, Statement
from clevertap_sync.reconciliation.our_numbers import OurName

#: As long as what was delivered is kept by quarter-hour.
KEPT: Final = timedelta(days=40)


def write_count(
    account: Account, mine: OurName, day: date, counted: int | None, *, now: datetime
) -> None:
    """Write down what CleverTap counts; None where it has no answer.

    A row is written also where nothing was delivered and nothing is counted, so that
    nobody asks twice. The comparison's end removes it.
    """
    ours = mine.find(day)
    found = Statement.objects.filter(
        account=account, day=day, folded_name=mine.folded
    ).first()
    row = found or Statement(account=account, day=day, folded_name=mine.folded)
    before = row.counted if row.counted is not None else row.counted_before
    row.counted_before, row.counted = before, counted
    row.compared_at = now
    _put_ours(row, mine, ours)
    row.causes, row.unexplained = [], row.difference or 0
    row.save()


def read_differences(
    account: Account, folded: str, days: Sequence[date]
) -> dict[date, int]:
    """Return, by day, what differs of a name: those days that have been compared."""
    rows = Statement.objects.filter(account=account, folded_name=folded, day__in=days)
    return {row.day: row.difference or 0 for row in rows if row.counted is not None}


def write_not_compared(account: Account, mine: OurName, day: date) -> None:
    """Write down that CleverTap was not asked for what was delivered by now.

    Where the numbers are those of an earlier comparison, that one still holds.
    """
    row, is_new = Statement.objects.get_or_create(
        account=account, day=day, folded_name=mine.folded, defaults={"name": mine.name}
    )
    ours = mine.find(day)
    if not is_new and ours == (row.delivered, row.maybe_more, row.maybe_fewer):
        return
    _put_ours(row, mine, ours)
    row.counted, row.causes, row.unexplained, row.nights_short = None, [], 0, 0
    row.save()


def close_statement(
    row: Statement,
    mine: OurName,
    ours: Delivered,
    *,
    causes: list[dict[str, object]],
    unexplained: int,
    kind: Comparison.Kind,
) -> None:
    """Write down what was delivered at the end, and what explains the difference."""
    _put_ours(row, mine, ours)
    row.causes, row.unexplained = causes, unexplained
    if kind == Comparison.Kind.NIGHTLY:
        row.nights_short = row.nights_short + 1 if row.is_short else 0
    row.save()


def trim_statements(now: datetime) -> int:
    """Remove statements and comparisons of days that are past; return how many."""
    statements, _ = Statement.objects.filter(day__lt=(now - KEPT).date()).delete()
    old = Comparison.objects.filter(created_at__lt=now - KEPT)
    comparisons, _ = old.delete()
    return statements + comparisons


def _put_ours(row: Statement, mine: OurName, ours: Delivered) -> None:
    row.name = mine.name
    row.delivered, row.maybe_more, row.maybe_fewer = ours
