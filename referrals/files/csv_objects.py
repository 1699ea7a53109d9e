"""A CSV whose columns a platform has named: which name each cell has.

What the names mean, a source's mapping knows. Here is what is wrong with any table: names
that stand twice, a second heading, and cells that a spreadsheet has spoilt.
"""

import re
from collections.abc import Sequence
from typing import Final

from referrals.files.csv_columns import CellError, read_text
from referrals.files.file_errors import FileError
from referrals.refusals import Code
from referrals.schema import BLANKS, EventProblem
from referrals.vocabulary import normalise_name

#: Amounts, which programs write as 1.0E7 themselves, and which name nobody.
_AMOUNT: Final = re.compile(
    r"(revenue|cost|price|rate|amount|tax|shipping|value)", re.IGNORECASE
)
_NO_HEADING: Final = (
    "The first line of a CSV names its columns, and this one has a single name. Where the "
    "cells are not separated by commas, semicolons, tabs or bars, change that."
)
_HEADING_AGAIN: Final = "This row is the heading again. Take it out."


class ExportHeading:
    """The columns of an export, in the order of its cells."""

    #: Half of an identity is somebody else, and nobody knows here which column has one.
    is_last_needed_whole = True

    def __init__(self, names: Sequence[str], line: int) -> None:
        """Read the names that stand on `line`. Raises `FileError` for any doubt."""
        self.width = len(names)
        self._names = [name.strip(BLANKS) for name in names]
        if problem := _find_problem(self._names):
            raise FileError(line, problem)
        self._folded = set(map(normalise_name, self._names))
        self._may_be_short = [bool(_AMOUNT.search(name)) for name in self._names]

    def is_other_heading(self, cells: Sequence[str]) -> bool:
        """Return whether most of a row's cells are names of columns, in another order."""
        filled = [cell.strip(BLANKS) for cell in cells if cell]
        known = sum(normalise_name(cell) in self._folded for cell in filled)
        return known * 2 > max(len(filled), 2) and filled != self._names

    def read_cells(self, cells: Sequence[str]) -> dict[str, str] | EventProblem:
        """Return the cells by the names of their columns, or why the row is refused."""
        if [cell.strip(BLANKS) for cell in cells] == self._names:
            return EventProblem(Code.BAD_ROW, "", _HEADING_AGAIN)
        found = {}
        for place, (name, cell) in enumerate(zip(self._names, cells, strict=True), 1):
            if not cell.strip():
                continue
            try:
                found[name] = cell if self._may_be_short[place - 1] else read_text(cell)
            except CellError as error:
                return EventProblem(error.code, "", f"Column {place}: {error}")
        return found


def count_names(names: Sequence[str]) -> int:
    """Return how many of `names` there are."""
    return sum(bool(name.strip(BLANKS)) for name in names)


def _find_problem(names: Sequence[str]) -> str | None:
    """Return the fault of a heading. Repeats no name: it may be a person's data."""
    if len(names) == 1:
        return _NO_HEADING
    numbers: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            return f"Column {number} has no name. Name it, or remove it from every row."
        first = numbers.setdefault(normalise_name(name), number)
        if first != number:
            return (
                f"Columns {first} and {number} have the same name, whose case and blanks "
                "do not count. Remove or rename one of them."
            )
    return None
