"""A cell of the grid: what it shows, and what it says to whoever does not see colours. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from clevertap_sync.insight.seen_grid import DayState, SeenDay, SeenName
from clevertap_sync.models import Statement
from referrals.words import NOTHING, format_count

_MINUS: Final = "\N{MINUS SIGN}"
#: What a cell without a number shows, and says.
_BLANK: Final = {
    DayState.NOT_COMPARED: ("not compared", ""),
    DayState.PENDING: ("…", "not compared yet"),
    DayState.NOT_COUNTED: (NOTHING, "not counted yet"),
    DayState.NOTHING: ("·", "nothing delivered"),
}


@dataclass(frozen=True, slots=True)
class SeenCell:
    """One name on one day. `under` is what was delivered, beside a difference."""

    state: DayState
    text: str
    spoken: str
    under: str = ""
    #: The place on the page that explains it.
    place: str = ""


@dataclass(frozen=True, slots=True)
class SeenRow:
    """One name, with a cell for each day."""

    name: str
    cells: tuple[SeenCell, ...]


def build_row(row: SeenName, explained: frozenset[int]) -> SeenRow:
    """Return the row; cells of statements that are `explained` below lead there."""
    return SeenRow(row.name, tuple(_build_cell(each, explained) for each in row.days))


def name_place(statement: Statement) -> str:
    """Return the name of the place on the page at which a difference is explained."""
    return f"difference-{statement.pk}"


def format_difference(size: int) -> str:
    """Return a number of records with its sign, such as "+3"."""
    return f"{'+' if size > 0 else _MINUS if size < 0 else ''}{abs(size):,}"


def describe_difference(statement: Statement) -> str:
    """Return in words what CleverTap counts of what was delivered."""
    difference = statement.difference or 0
    direction = "fewer" if difference < 0 else "more"
    return (
        f"CleverTap counts {statement.counted:,} of {statement.delivered:,} delivered: "
        f"{abs(difference):,} {direction}"
    )


def name_day(day: date) -> str:
    """Return a day such as "Fri 27 Nov"."""
    return f"{day:%a} {day.day} {day:%b}"


def _build_cell(seen: SeenDay, explained: frozenset[int]) -> SeenCell:
    statement = seen.statement
    if seen.state in _BLANK or statement is None:
        return SeenCell(seen.state, *_BLANK[seen.state])
    if seen.state is DayState.EQUAL:
        return SeenCell(seen.state, f"{statement.counted:,}", "as delivered")
    if seen.state is DayState.IN_DOUBT:
        text, spoken = f"{statement.counted:,}", _say_doubts(statement)
    else:
        text = format_difference(statement.difference or 0)
        spoken = describe_difference(statement)
    return SeenCell(
        seen.state,
        text,
        spoken,
        under=f"of {statement.delivered:,}",
        place=name_place(statement) if statement.pk in explained else "",
    )


def _say_doubts(statement: Statement) -> str:
    doubts = statement.maybe_more + statement.maybe_fewer
    return (
        f"{statement.delivered:,} delivered, and {format_count(doubts, 'record')} of "
        "which nobody knows"
    )
