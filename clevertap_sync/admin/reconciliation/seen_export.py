"""The statements that the page shows, as a CSV file: a line for each name and day."""

from collections.abc import Iterable, Iterator
from typing import Final

from clevertap_sync.insight.seen_grid import DayState, SeenName, judge_statement
from clevertap_sync.models import Statement

HEADER: Final = (
    *("Event name", "Day", "Delivered", "May have arrived once more"),
    *("May have been refused", "Counted", "Difference", "Result"),
    *("Causes", "Unexplained", "What explains it", "Compared"),
)
_RESULTS: Final = {
    DayState.EQUAL: "equal",
    DayState.FEWER: "fewer",
    DayState.MORE: "more",
    DayState.IN_DOUBT: "in doubt",
    DayState.NOT_COMPARED: "not compared",
}


def list_lines(names: Iterable[SeenName]) -> Iterator[tuple[object, ...]]:
    """Yield a line for each statement, name by name, the newest day first."""
    for name in names:
        for each in name.days:
            if each.statement is not None:
                yield _line(each.statement)


def _line(statement: Statement) -> tuple[object, ...]:
    causes = statement.causes
    return (
        statement.name,
        statement.day.isoformat(),
        statement.delivered,
        statement.maybe_more,
        statement.maybe_fewer,
        statement.counted,
        statement.difference,
        _RESULTS[judge_statement(statement)],
        ", ".join(f"{each['code']} {each['size']}" for each in causes),
        statement.unexplained,
        " ".join(each["sentence"] for each in causes),
        statement.compared_at,
    )
