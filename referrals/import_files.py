"""Files of events, read line by line: JSONL and CSV. Pure.

A CSV has the wire format's fields as columns, a dot standing between an object and a
field in it: `user.identities.email`, `referrer.ip`, `event_data.plan`. An empty cell is
left out.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from referrals.refusals import Code
from referrals.rules import MAX_EVENT_BYTES
from referrals.schema import EventProblem, IncomingEvent, decode, from_object

# Whole objects in one cell, as exports write them.
JSON_COLUMNS = {
    "event_data",
    "metadata",
    "user.identities",
    "referrer.identities",
}
TRUTHS = {"true": True, "1": True, "false": False, "0": False}

Line = tuple[int, IncomingEvent | EventProblem]


def read_jsonl(file: BinaryIO) -> Iterator[Line]:
    """Yield each event with its line number, from 1. Blank lines are skipped."""
    # A line without end must not fill the memory: `decode` refuses what is too long.
    longest = 2 * MAX_EVENT_BYTES
    number = 1
    while line := file.readline(longest):
        whole = line
        while not line.endswith(b"\n") and (line := file.readline(longest)):
            pass
        if number == 1:
            whole = whole.removeprefix(b"\xef\xbb\xbf")
        if stripped := whole.strip():
            yield number, decode(stripped)
        number += 1


def read_csv(file: BinaryIO) -> Iterator[Line]:
    """Yield each event with the number of the line on which its row ends."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="strict", newline="")
    try:
        reader = csv.reader(text)
        columns = next(reader, [])
        for cells in reader:
            if any(cells):
                yield reader.line_num, _event(columns, cells)
    finally:
        text.detach()  # the file is the caller's, to be closed when the caller likes


def _event(columns: list[str], cells: list[str]) -> IncomingEvent | EventProblem:
    if len(cells) != len(columns):
        return EventProblem(
            Code.BAD_ROW,
            "",
            f"The row has {len(cells)} cells, the heading {len(columns)}.",
        )
    event: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if cell:
            problem = _put(event, column.strip(), cell)
            if problem:
                return problem
    return from_object(event)


def _put(event: dict[str, Any], column: str, cell: str) -> EventProblem | None:
    """Put a cell where its column says; return why that is impossible."""
    value: Any = cell
    if column in JSON_COLUMNS:
        try:
            value = msgspec.json.decode(cell)
        except (ValueError, RecursionError):
            return EventProblem(
                Code.WRONG_TYPE, _pointer(column), "The cell must hold a JSON object."
            )
    elif column == "test":
        value = TRUTHS.get(cell.strip().lower(), cell)
    elif column == "occurred_at":
        value = _number(cell)
    inner = event
    *path, name = _path(column)
    for key in path:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            return EventProblem(
                Code.BAD_ROW, _pointer(column), "Two columns contradict each other."
            )
    known = inner.get(name)
    if isinstance(known, dict) and isinstance(value, dict):
        known.update(value)
    else:
        inner[name] = value
    return None


def _path(column: str) -> list[str]:
    """Return the keys that lead to a column; the name of an identity may have dots."""
    if column.startswith(("user.identities.", "referrer.identities.")):
        return column.split(".", 2)
    return column.split(".", 1)


def _pointer(column: str) -> str:
    return "/" + "/".join(_path(column))


def _number(cell: str) -> str | float:
    """Return Unix seconds as a number, and any other time as it is."""
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        return float(cell)
    except ValueError:
        return cell
