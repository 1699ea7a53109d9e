"""One name on one day, and the arithmetic of fitting a predicted size to a difference."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import accumulate
from math import inf
from typing import Final, NamedTuple

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.causes.week import (
    QUARTER_SECONDS,
    AccountWeek,
    Delivered,
    NameWeek,
)

#: A predicted size fits if it is off by at most one in so many…
_TOLERANCE: Final = 20
#: …and below so many records exactly.
EXACT_BELOW: Final = 20
#: Counts from here on may be rounded.
_ROUNDED_FROM: Final = 100
#: So many counts do not end in 0 by chance.
_MANY: Final = 3


class Span(NamedTuple):
    """Unix seconds: `begins` ≤ `ts` < `ends`."""

    begins: int
    ends: int


@lru_cache(maxsize=2048)
def find_span(day: date, zone: tzinfo) -> Span:
    """Return the seconds of a day in a time zone."""
    begins, ends = (
        int(datetime.combine(each, time.min, zone).timestamp())
        for each in (day, day + timedelta(days=1))
    )
    return Span(begins, ends)


class Sums:
    """What was delivered of one name between any two quarter-hours, quickly."""

    def __init__(self, delivered: Mapping[int, Delivered]) -> None:
        self._quarters = sorted(delivered)
        rows = [delivered[quarter] for quarter in self._quarters]
        self._sums = [
            list(accumulate(column, initial=0))
            for column in zip(*rows, strict=True)
        ] or [[0], [0], [0]]  # fmt: skip

    def add_up(self, span: Span) -> Delivered:
        """Return what was delivered in the span: whole quarter-hours only."""
        first = bisect_left(self._quarters, span.begins / QUARTER_SECONDS)
        last = bisect_left(self._quarters, span.ends / QUARTER_SECONDS)
        sent, more, fewer = self._sums
        return Delivered(
            sent[last] - sent[first],
            more[last] - more[first],
            fewer[last] - fewer[first],
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One name on one day, for which CleverTap's count is known.

    `expected` is what should be counted if all went well; `span` is the day that CleverTap
    has in mind. Both change where CleverTap turns out to have other days, or to count people.
    """

    name: str
    folded: str
    day: date
    counted: int
    expected: Delivered
    span: Span
    sums: Sums = field(compare=False, repr=False)
    #: Delivered so lately that CleverTap may still process it…
    is_young: bool = False
    #: …and no other name of the day shows that it has done so.
    is_recent: bool = False
    #: So lately that what is missing may show in a minute.
    is_fresh: bool = False
    #: What other senders have among what CleverTap counts, on top of `counted`.
    others: int = 0

    @property
    def key(self) -> tuple[str, date]:
        """Return what tells the cell from others."""
        return self.folded, self.day

    @property
    def difference(self) -> int:
        """Return by how much CleverTap counts more than was delivered."""
        return self.counted - self.expected.delivered

    @property
    def is_within_doubt(self) -> bool:
        """Whether what CleverTap never told, or answered, is enough to explain the count."""
        expected = self.expected
        return -expected.maybe_fewer <= self.difference <= expected.maybe_more

    @property
    def is_missing(self) -> bool:
        """Whether something was delivered for sure, and nothing is counted."""
        return self.counted == 0 and not self.is_within_doubt

    @property
    def is_full(self) -> bool:
        """Whether something was delivered, and all of it is counted."""
        return self.expected.delivered > 0 and self.is_within_doubt and self.counted > 0

    @property
    def is_partial(self) -> bool:
        """Whether a part of what was delivered is counted."""
        return 0 < self.counted < self.expected.delivered and not self.is_within_doubt


def make_cells(week: AccountWeek) -> list[Cell]:
    """Return the week's cells whose count is known, by name and day."""
    cells = [cell for name in week.names for cell in _make_row(week, name)]
    return judge_youth(cells, week)


def _make_row(week: AccountWeek, name: NameWeek) -> Iterable[Cell]:
    sums = Sums(name.delivered)
    for day in sorted(set(week.days) & set(name.counted)):
        span = find_span(day, week.zone)
        yield Cell(
            name.name,
            limits.normalise_event_name(name.name),
            day,
            name.counted[day],
            sums.add_up(span),
            span,
            sums,
            is_young=_is_young(week, day),
        )


def _is_young(week: AccountWeek, day: date) -> bool:
    """Whether some of the day was delivered lately: of earlier days only a backlog is."""
    is_last = _is_last(week, day)
    patience = limits.PROCESSING_SECONDS if is_last else limits.FRESH_SECONDS
    return _age(week, day) < patience


def _is_last(week: AccountWeek, day: date) -> bool:
    return day >= week.today - timedelta(days=1)


def _age(week: AccountWeek, day: date) -> float:
    settled_at = week.settled_at.get(day)
    if settled_at is None:
        return 0 if day >= week.today else inf
    return week.now - settled_at


def judge_youth(cells: Sequence[Cell], week: AccountWeek) -> list[Cell]:
    """Return the cells, marked where what is missing may only be late.

    Where most other names of a day are counted in full, CleverTap has processed the day. Of
    the last days that says nothing yet while they are fresh.
    """
    return [
        _judge_young(cell, cells, week) if cell.is_young else cell for cell in cells
    ]


def _judge_young(cell: Cell, cells: Sequence[Cell], week: AccountWeek) -> Cell:
    is_fresh = _age(week, cell.day) < limits.FRESH_SECONDS
    others = [
        each.is_full
        for each in cells
        if each.day == cell.day
        and each.folded != cell.folded
        and each.expected.delivered
    ]
    is_processed = any(others) and 2 * sum(others) >= len(others)
    if is_processed and not (is_fresh and _is_last(week, cell.day)):
        return replace(cell, is_recent=False, is_fresh=False)
    return replace(cell, is_recent=True, is_fresh=is_fresh)


def fits(predicted: int, difference: int) -> bool:
    """Whether a predicted size explains a difference: within 5 %, below 20 exactly."""
    off = abs(predicted - difference)
    least = min(abs(predicted), abs(difference))
    if least < EXACT_BELOW:
        return off == 0
    return predicted * difference > 0 and off * _TOLERANCE <= abs(difference)


def are_rounded(cells: Collection[Cell]) -> bool:
    """Whether the counts look rounded, or like those of a sample: all that differ end in 0.

    One large count that does not end in 0 proves the contrary.
    """
    counted = [cell for cell in cells if cell.counted >= _ROUNDED_FROM]
    differing = [
        cell for cell in cells if cell.counted and not cell.is_within_doubt
    ]  # fmt: skip
    odd = sum(cell.expected.delivered % 10 != 0 for cell in differing)
    return (
        2 * odd > len(differing)
        and all(cell.counted % 10 == 0 for cell in (*counted, *differing))
        and (len(differing) >= _MANY or all(map(_may_be_rounding, differing)))
    )


def _may_be_rounding(cell: Cell) -> bool:
    """Whether rounding the count, to as many zeros as it ends in, explains its difference."""
    unit = 1
    while cell.counted % (unit * 10) == 0:
        unit *= 10
    return cell.counted >= _ROUNDED_FROM and abs(cell.difference) < unit


def is_too_many_to_round(cell: Cell) -> bool:
    """Whether so much was delivered that neither rounding nor a sample makes 0 of it."""
    return cell.expected.delivered >= _ROUNDED_FROM
