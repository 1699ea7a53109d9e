"""The grid of names and days: what is known of each. Pure, but for the rows' own class."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from clevertap_sync.insight.seen_queries import EXPECTED
from clevertap_sync.models import Statement

#: So many days before today are shown: those that a comparison asks about.
DAYS: Final = 7


class DayState(StrEnum):
    """What is known of one name on one day."""

    EQUAL = "equal"
    FEWER = "fewer"
    MORE = "more"
    #: It differs by no more than nobody knows of: what may have arrived twice, or not at all.
    IN_DOUBT = "in_doubt"
    #: It differs, and nothing is wrong: what explains it is as it should be.
    EXPECTED = "expected"
    #: It was not asked, or CleverTap did not say.
    NOT_COMPARED = "not_compared"
    #: No comparison has begun since the day ended.
    PENDING = "pending"
    #: Counting began only within the day, or after it.
    NOT_COUNTED = "not_counted"
    #: Nothing of the name was delivered.
    NOTHING = "nothing"


_DIFFER: Final = frozenset({DayState.FEWER, DayState.MORE, DayState.EXPECTED})


@dataclass(frozen=True, slots=True)
class SeenDay:
    """One name on one day. `statement` is None where there is none."""

    day: date
    state: DayState
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class SeenName:
    """One name over the days, the newest first."""

    name: str
    days: tuple[SeenDay, ...]

    @property
    def differs(self) -> bool:
        """Return whether CleverTap counts otherwise on one of the days."""
        return any(each.state in _DIFFER for each in self.days)


@dataclass(frozen=True, slots=True)
class GridBounds:
    """Which days can be known: those after counting began, and before the last comparison."""

    zone: ZoneInfo
    counts_since: datetime | None
    compared_at: datetime | None

    def judge_blank_day(self, day: date) -> DayState:
        """Return the state of a day without a statement."""
        begins = datetime.combine(day, time(), self.zone)
        if self.counts_since is None or begins < self.counts_since:
            return DayState.NOT_COUNTED
        if self.is_pending(day):
            return DayState.PENDING
        return DayState.NOTHING

    def is_pending(self, day: date) -> bool:
        """Return whether no comparison has begun since the day ended."""
        ends = datetime.combine(day + timedelta(days=1), time(), self.zone)
        return self.compared_at is None or self.compared_at < ends


def list_days(today: date) -> tuple[date, ...]:
    """Return today and the days before it that are compared, the newest first."""
    return tuple(today - timedelta(days=n) for n in range(DAYS + 1))


def build_grid(
    statements: Iterable[Statement], days: Sequence[date], bounds: GridBounds
) -> tuple[SeenName, ...]:
    """Return a row for each name: those that differ first, then by name."""
    by_name: dict[str, dict[date, Statement]] = {}
    for each in statements:
        by_name.setdefault(each.folded_name, {})[each.day] = each
    rows = [
        SeenName(
            found[max(found)].name,
            tuple(_judge_day(found.get(day), day, bounds) for day in days),
        )
        for found in by_name.values()
    ]
    return tuple(sorted(rows, key=lambda row: (not row.differs, row.name)))


def judge_statement(statement: Statement) -> DayState:
    """Return whether CleverTap counts what was delivered, fewer, or more.

    What differs within doubt is neither: nobody knows, and it is not equal.
    """
    difference = statement.difference
    if difference is None:
        return DayState.NOT_COMPARED
    if difference == 0:
        return DayState.EQUAL
    if statement.is_within_doubt:
        return DayState.IN_DOUBT
    return DayState.FEWER if difference < 0 else DayState.MORE


def is_expected(statement: Statement) -> bool:
    """Return whether all of a difference is as it should be, such as data past retention."""
    codes = {cause["code"] for cause in statement.causes}
    return bool(codes) and codes <= EXPECTED and not statement.unexplained


def _judge_day(statement: Statement | None, day: date, bounds: GridBounds) -> SeenDay:
    if statement is None:
        return SeenDay(day, bounds.judge_blank_day(day))
    state = judge_statement(statement)
    if state is DayState.NOT_COMPARED and bounds.is_pending(day):
        state = DayState.PENDING
    if state in {DayState.FEWER, DayState.MORE} and is_expected(statement):
        state = DayState.EXPECTED
    return SeenDay(day, state, statement)
