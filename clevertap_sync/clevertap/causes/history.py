"""Causes that show over days: nothing is counted any more, or nothing was before.

What holds of every name is the account's: emptied, or past its data retention. What holds of
one name alone came with a change of the schema.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby, takewhile
from operator import attrgetter

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import Cell, Span
from clevertap_sync.clevertap.causes.names import Verdicts, by_name
from clevertap_sync.clevertap.causes.week import (
    QUARTER_SECONDS,
    AccountWeek,
    Schema,
)

#: What one name shows says nothing of its account.
_NAMES_THAT_AGREE = 2


@dataclass(frozen=True, slots=True)
class _Silence:
    """Cells that count 0, day after day from an edge of the week, and the day that is cut."""

    missing: Sequence[Cell]
    cut: Sequence[Cell]
    spoken: Sequence[Cell]

    @property
    def cells(self) -> Sequence[Cell]:
        """Return all cells that it explains."""
        return [*self.cut, *self.missing]


def judge_account(cells: Sequence[Cell], week: AccountWeek) -> Verdicts:
    """Return the causes of cells on days of which nothing is counted, of no name."""
    verdicts: Verdicts = {}
    ending = _find_silence(cells, is_ending=True)
    if _is_account_empty(ending):
        first = _first_day(ending) if ending.spoken else None
        are_undefined = _are_undefined(ending, week.schema)
        for cell in ending.cells:
            verdicts[cell.key] = sentences.say_account_empty(
                cell.difference, first, are_undefined=are_undefined
            )
    beginning = _find_silence(cells, is_ending=False)
    if beginning.spoken and _is_retention(beginning, week):
        last = max(cell.day for cell in beginning.missing)
        for cell in beginning.cells:
            verdicts[cell.key] = sentences.say_retention(cell.difference, last)
    return verdicts


def judge_discards(cells: Sequence[Cell], week: AccountWeek) -> Verdicts:
    """Return the causes of cells since a name was discarded within the week.

    That the schema says so is evidence enough, also of a day that is counted in part.
    """
    events = week.schema.events if week.schema else {}
    return {
        cell.key: sentences.say_name_discarded(cell.difference, cell.name)
        for folded, row in by_name(cells).items()
        if folded in events and events[folded].status == "discarded"
        for cell in _list_silenced(row)
    }


def _list_silenced(row: Sequence[Cell]) -> Sequence[Cell]:
    ending = _find_silence(row, is_ending=True)
    return ending.cells if ending.missing and ending.spoken else ()


def judge_changes(cells: Sequence[Cell], week: AccountWeek) -> Verdicts:
    """Return the causes of cells of a name that is counted up to an instant, or since one."""
    if week.schema is None:
        return {}
    counted = {(cell.day, cell.folded) for cell in cells if cell.counted}
    verdicts: Verdicts = {}
    for folded, row in by_name(cells).items():
        others = {day for day, name in counted if name != folded}
        verdicts |= _judge_change(row, others)
    return verdicts


def _judge_change(row: Sequence[Cell], others: set[date]) -> Verdicts:
    """Judge one name. On the days of `others`, other names are counted."""
    ending = _find_silence(row, is_ending=True)
    if _is_change(ending, others):
        last = max(cell.day for cell in (*ending.spoken, *ending.cut))
        if any(not cell.is_recent for cell in ending.missing):
            return {
                cell.key: sentences.say_published(cell.difference, cell.name, last)
                for cell in ending.cells
            }
    beginning = _find_silence(row, is_ending=False)
    if _is_change(beginning, others):
        first = min(cell.day for cell in (*beginning.spoken, *beginning.cut))
        return {
            cell.key: sentences.say_defined_since(cell.difference, cell.name, first)
            for cell in beginning.cells
        }
    return {}


def _is_change(silence: _Silence, others: set[date]) -> bool:
    """Whether one name falls silent, or begins, while others go on."""
    return bool(
        silence.missing
        and silence.spoken
        and all(cell.day in others for cell in silence.missing)
    )


def _is_account_empty(silence: _Silence) -> bool:
    """Whether two names agree on a day that must be processed by now."""
    names = {cell.folded for cell in silence.missing if not cell.is_recent}
    return len(names) >= _NAMES_THAT_AGREE


def _are_undefined(silence: _Silence, schema: Schema | None) -> bool:
    """Whether a policy for events that are not defined would explain the silence too."""
    if schema is None:
        return False
    events = [schema.events.get(cell.folded) for cell in silence.missing]
    return not any(event is not None and event.is_defined for event in events)


def _is_retention(silence: _Silence, week: AccountWeek) -> bool:
    """Whether two names agree, or what is gone was counted before."""
    names = {cell.folded for cell in silence.missing}
    return len(names) >= _NAMES_THAT_AGREE or any(
        week.counted_before.get((cell.name, cell.day)) for cell in silence.missing
    )


def _first_day(silence: _Silence) -> date:
    return min(cell.day for cell in silence.cells)


def _find_silence(cells: Iterable[Cell], *, is_ending: bool) -> _Silence:
    """Return the silence at the week's end, or at its beginning."""
    days = [
        list(each)
        for _, each in groupby(
            sorted(cells, key=attrgetter("day")), attrgetter("day")
        )
    ]  # fmt: skip
    days = [day for day in days if any(_is_telling(cell) for cell in day)]
    if is_ending:
        days.reverse()
    silent = list(takewhile(_is_silent, days))
    rest = days[len(silent) :]
    missing = [cell for day in silent for cell in day if cell.is_missing]
    spoken = [cell for day in rest[1:] for cell in day]
    cut = []
    if silent and rest and _are_full(spoken):
        names = len({cell.folded for cell in missing})
        cut = _find_cut(rest[0], names, is_ending=is_ending)
    spoken += [cell for day in rest[:1] for cell in day if cell not in cut]
    return _Silence(missing, cut, spoken)


def _are_full(cells: Sequence[Cell]) -> bool:
    """Whether most counts were whole before: else a day in part is nothing new."""
    sent = [cell for cell in cells if cell.expected.delivered]
    return 2 * sum(cell.is_full for cell in sent) > len(sent)


def _is_telling(cell: Cell) -> bool:
    return cell.counted > 0 or cell.is_missing


def _is_silent(day: Sequence[Cell]) -> bool:
    return not any(cell.counted for cell in day)


def _find_cut(day: Sequence[Cell], names: int, *, is_ending: bool) -> list[Cell]:
    """Return the cells of a day that one instant explains: counted up to it, or from it on.

    Three of four have to agree, and two where `names` of two or more are silent.
    """
    instants = {
        cell.key: _find_instants(cell, is_ending=is_ending)
        for cell in day
        if _is_telling(cell)
    }
    votes = Counter(chain.from_iterable(instants.values()))
    if not votes:
        return []
    instant, agree = votes.most_common(1)[0]
    if 4 * agree < 3 * len(instants) or agree < min(names, _NAMES_THAT_AGREE):
        return []
    return [
        cell
        for cell in day
        if instant in instants.get(cell.key, ()) and not cell.is_within_doubt
    ]


def _find_instants(cell: Cell, *, is_ending: bool) -> set[int]:
    """Return the quarter-hours in which counting may have ended, or begun."""
    begins, ends = cell.span
    instants = set()
    for quarter in range(begins, ends, QUARTER_SECONDS):
        edge = quarter + QUARTER_SECONDS
        inner, outer = (
            (Span(begins, quarter), Span(begins, edge))
            if is_ending
            else (Span(edge, ends), Span(quarter, ends))
        )
        least, most = cell.sums.add_up(inner), cell.sums.add_up(outer)
        if (
            least.delivered - least.maybe_fewer
            <= cell.counted
            <= most.delivered + most.maybe_more
        ):
            instants.add(quarter)
    return instants
