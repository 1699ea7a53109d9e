"""Whether CleverTap's days begin at another hour: the zone that fits the whole week."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from clevertap_sync.clevertap.causes.cells import (
    Cell,
    Span,
    find_span,
    judge_youth,
)
from clevertap_sync.clevertap.causes.names import by_name
from clevertap_sync.clevertap.causes.week import AccountWeek

_QUARTER: Final = timedelta(minutes=15)
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
#: Of the cells that have to fit, out of…
_SHARE, _OUT_OF = 3, 5
#: At least so many cells that did not fit do so in the other zone…
_LEAST_GAIN: Final = 2
#: …and so many records move, to or from: some offset moves any handful.
_LEAST_MOVED: Final = 4
_LEAST_MOVED_BY_OFFSET: Final = 20


class OtherZone(NamedTuple):
    """Another time zone that CleverTap's days are of."""

    zone: tzinfo

    @property
    def name(self) -> str:
        """Return how people call it."""
        zone = self.zone
        return zone.key if isinstance(zone, ZoneInfo) else str(zone)

    def move(self, cells: Sequence[Cell], week: AccountWeek) -> list[Cell]:
        """Return the cells with what was delivered on their days in this zone.

        All of the week: which of them are whole tells what may only be late.
        """
        spans = {day: find_span(day, self.zone) for day in {each.day for each in cells}}
        moved = [
            replace(
                cell,
                span=spans[cell.day],
                expected=cell.sums.add_up(spans[cell.day]),
            )
            for cell in cells
        ]
        return judge_youth(moved, week)


def find_other_zone(cells: Sequence[Cell], week: AccountWeek) -> OtherZone | None:
    """Return the zone whose days fit the whole week best, if it fits well enough.

    What moved must be seen on both sides: a day that lacks some, beside a day of the same
    name that has more. So late, lost and doubled records are never taken for it.
    """
    if not any(map(_has_moved, by_name(cells).values())):
        return None
    fitting = sum(cell.is_within_doubt for cell in cells)
    best, least = None, _Score(fitting + _LEAST_GAIN - 1, 0, 0)
    for zone in _list_zones(week):
        score = _score(cells, zone)
        if score[:2] > least[:2] and _is_fit(score, len(cells), zone):
            best, least = OtherZone(zone), score
    return best


class _Score(NamedTuple):
    """How many cells fit, less what is left elsewhere, and how many records that explains."""

    fitting: int
    rest: int
    explained: int


def _score(cells: Sequence[Cell], zone: tzinfo) -> _Score:
    spans = {day: find_span(day, zone) for day in {cell.day for cell in cells}}
    fitting = rest = explained = 0
    for cell in cells:
        sent, more, fewer = cell.sums.add_up(spans[cell.day])
        difference = cell.counted - sent
        rest -= abs(difference)
        if -fewer <= difference <= more:
            fitting += 1
            explained += 0 if cell.is_within_doubt else abs(cell.difference)
    return _Score(fitting, rest, explained)


def _is_fit(score: _Score, cells: int, zone: tzinfo) -> bool:
    """Whether most of the week fits, and not by chance."""
    is_likely = isinstance(zone, ZoneInfo)
    least = _LEAST_MOVED if is_likely else _LEAST_MOVED_BY_OFFSET
    return score.fitting * _OUT_OF >= cells * _SHARE and score.explained >= least


def _has_moved(row: Sequence[Cell]) -> bool:
    return have_days_moved(
        {cell.day: 0 if cell.is_within_doubt else cell.difference for cell in row}
    )


def have_days_moved(differences: Mapping[date, int]) -> bool:
    """Whether one of two neighbouring days has fewer, and the other more."""
    return any(
        difference * differences.get(day + timedelta(days=1), 0) < 0
        for day, difference in differences.items()
    )


def _list_zones(week: AccountWeek) -> Iterator[tzinfo]:
    """Return zones whose days differ in this week: the likelier ones, then all offsets."""
    seen = {_list_spans(week.days, week.zone)}
    zones: list[ZoneInfo | timezone] = [*week.other_zones, *_list_offsets()]
    for zone in zones:
        spans = _list_spans(week.days, zone)
        if spans not in seen:
            seen.add(spans)
            yield zone


def _list_offsets() -> Iterator[timezone]:
    offset = _WEST
    while offset <= _EAST:
        yield timezone(offset)
        offset += _QUARTER


def _list_spans(days: Iterable[date], zone: tzinfo) -> tuple[Span, ...]:
    return tuple(find_span(day, zone) for day in sorted(days))
