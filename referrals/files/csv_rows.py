"""From lines of text to the rows of a CSV, each of which is sure.

Most quotes that are missing or too many break the grammar. Some make another file that is
as well-formed, in which a cell swallows rows or a row is cut off. Two rules keep that out:

* **No row looks like several.** Of a row over several lines, no line between the first
  and the last may have as many cells as the heading, its quotes not counted; nor may the
  first and the last both.
* **A row waits for the next one.** It is yielded once what follows cannot have been
  inside a quoted cell that began in it: for a row on one line that is the next row.

So for a file that these rules accept, and any one quote added or taken away: each row that
is yielded is a row of the file as it was.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from referrals.files.csv_grammar import CLOSE_IT, Grammar, without_end
from referrals.files.encodings import check_text
from referrals.files.errors import FileError

#: No event comes near it, and a quote that is never closed must not fill the memory.
LONGEST_ROW: Final = 1_000_000
#: Rows that wait for a sure one. Thousands in a file of the right shape there are not.
_MOST_WAITING: Final = 1_000

_TOO_LONG: Final = (
    f"The row is longer than {LONGEST_ROW:,} characters, which no event is. Perhaps a quote "
    "in it is not closed, or the lines do not end in LF. Mend or remove the row."
)
_TOO_MANY_WAIT: Final = (
    f"From here on, more than {_MOST_WAITING:,} rows have fewer cells than the heading or go "
    "over several lines, so that it is not sure where they end. Give each row as many cells "
    "as the heading has, on one line."
)


class Row(NamedTuple):
    """The cells of one row, and the line on which it begins, from 1."""

    line: int
    cells: list[str]
    #: Whether it is on one line that has as many cells as the heading, or more.
    is_full: bool


def read_rows(
    lines: Iterator[str], grammar: Grammar, *, width: int, after: int, encoding: str
) -> Iterator[Row]:
    """Yield the rows that stand in `lines`; blank ones are left out.

    `width` is the number of cells of the heading, `after` its line. A row on one line may
    have more cells, or fewer. Raises `FileError` where it is not sure any more what a row
    is; every row before the line that it names was yielded, and none from there on.
    """
    source = _Source(lines, grammar, width=width, after=after, encoding=encoding)
    waiting: list[Row] = []
    while True:
        try:
            row = source.read_row()
        except FileError as error:
            if waiting and not source.is_settled(waiting):
                raise _unsettled(waiting[0].line, error) from error
            yield from waiting
            raise
        if row is None:
            break
        if source.is_settled(waiting):
            yield from waiting
            waiting = []
        if any(map(str.strip, row.cells)):
            waiting.append(row)
        if len(waiting) > _MOST_WAITING:
            raise FileError(waiting[0].line, _TOO_MANY_WAIT)
    yield from waiting


class _Source:
    """The lines of a file, put together to rows one by one."""

    def __init__(
        self,
        lines: Iterator[str],
        grammar: Grammar,
        *,
        width: int,
        after: int,
        encoding: str,
    ) -> None:
        self._lines = lines
        self._grammar = grammar
        self._width = width
        self._number = after
        self._encoding = encoding
        #: The first line of the row that was asked for last; empty at the end.
        self._first = ""

    def read_row(self) -> Row | None:
        """Return the next row, or None at the end. Raises `FileError`."""
        self._first = ""
        self._first = first = self._next_line()
        if not first:
            return None
        line = self._number
        if first.count('"') % 2:
            return Row(line, self._read_on(first, line), is_full=False)
        check_text(first, line, self._encoding)
        if len(first) > LONGEST_ROW:
            raise FileError(line, _TOO_LONG)
        cells = self._grammar.split(without_end(first), line)
        return Row(line, cells, self._is_full(first))

    def is_settled(self, waiting: list[Row]) -> bool:
        """Return whether no quoted cell of a waiting row could go on in this row.

        Such a cell would have lost a quote, and the rules would accept it with that.
        """
        first = self._first
        if not first.count('"') % 2:
            # It would be within that cell's row, neither its first line nor its last.
            return self._is_full(first)
        if not self._grammar.could_end_cell(first):
            return True
        return self._is_full(first) and all(row.is_full for row in waiting)

    def _is_full(self, line: str) -> bool:
        return line.count(self._grammar.separator) >= self._width - 1

    def _next_line(self) -> str:
        self._number += 1
        return next(self._lines, "")

    def _read_on(self, first: str, line: int) -> list[str]:
        """Return the cells of a row that does not end with its first line."""
        text = first
        is_open = True
        while is_open:
            last = self._next_line()
            text += last
            is_open = not last.count('"') % 2
            is_within = is_open and self._is_full(last)
            if not last or is_within or len(text) > LONGEST_ROW:
                break
        check_text(text, line, self._encoding)
        # Of a cell that is still open, this says so.
        cells = self._grammar.split(without_end(text), line)
        if len(text) > LONGEST_ROW:
            raise FileError(line, _TOO_LONG)
        if self._is_full(first) and self._is_full(last):
            raise FileError(line, _explain_likeness(line, self._number))
        if len(cells) != self._width:
            raise FileError(line, explain_width(len(cells), self._width))
        return cells


def explain_width(found: int, width: int) -> str:
    """Return what to do with a row of `found` cells under a heading of `width`."""
    return (
        f"The row has {found:,} cells, the heading {width:,}. Put a cell that holds the "
        "separator into quotes, and leave an empty cell for what a row does not have."
    )


def _explain_likeness(first: int, last: int) -> str:
    return (
        f"A quoted cell joins lines {first} to {last} to one row, and each end looks like a "
        f"row of its own. {CLOSE_IT}"
    )


def _unsettled(line: int, error: FileError) -> FileError:
    return FileError(
        line,
        f"Where this row ends depends on line {error.line}, which is not sure: "
        f"{error.detail}",
    )
