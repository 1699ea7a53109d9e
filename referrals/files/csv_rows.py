"""From lines of text to the rows of a CSV, each of which is sure.

Most quotes that are missing or too many break the grammar. Some make another file that is
as well-formed, in which a cell swallows rows or a row is cut off; so does a line break that
nothing quotes. Three rules keep that out:

* **No row looks like several.** Of a row over several lines, no line between the first
  and the last may look like a row, which is to have more than half of the heading's cells,
  its quotes not counted; nor may the first and the last both. Of a row that is broken in
  one place, one end at most has more than half.
* **A row waits for the next one.** It is yielded once what follows cannot have been
  inside a quoted cell that began in it: for a row on one line that is the next row.
* **A row beside a short one may be cut.** A line break in its first or last cell leaves
  one piece with as many cells as the heading, and one with a single cell. It says so.

So for a file that these rules accept, and any one quote or line break added or taken away:
each row that is yielded, and not cut, is a row of the file as it was; only within quotes a
line break more or less stays what it is.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from referrals.files.csv_grammar import CLOSE_IT, CsvGrammar, cut_line_end
from referrals.files.encodings import check_text
from referrals.files.file_errors import FileError

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
#: Why a row that may be cut is refused, though it has as many cells as the heading.
MAY_BE_CUT: Final = (
    "The row before or after this one has too few cells. Perhaps a line break in a cell has "
    "cut one row in two, so that this is not all of it. Put a cell with a line break into "
    "quotes, or take the break out, and give the other row all its cells."
)


class CsvRow(NamedTuple):
    """The cells of one row, and the line on which it begins, from 1."""

    line: int
    cells: list[str]
    #: Whether it is on one line that looks like a row by itself.
    is_one_line: bool
    #: Whether a line break may have cut off a part of it, as a row beside it is short.
    may_be_cut: bool = False
    #: Whether it is sure that its last cell is whole: where the file ends, it may be cut off.
    is_ended: bool = True

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands in its cells."""
        return not any(map(str.strip, self.cells))


def read_rows(
    lines: Iterator[str], grammar: CsvGrammar, *, width: int, after: int, encoding: str
) -> Iterator[CsvRow]:
    """Yield the rows that stand in `lines`; blank ones are left out.

    `width` is the number of cells of the heading, `after` its line. A row on one line may
    have more cells, or fewer. Raises `FileError` where it is not sure any more what a row
    is; every row before the line that it names was yielded, and none from there on.
    """
    source = _RowSource(lines, grammar, width=width, after=after, encoding=encoding)
    return (row for row in _yield_settled(source, width) if not row.is_blank)


def _yield_settled(source: "_RowSource", width: int) -> Iterator[CsvRow]:
    """Yield each row once it is certain. A blank row is kept only where it has a quote."""
    waiting: list[CsvRow] = []
    while True:
        try:
            row = source.read_row()
        except FileError as error:
            yield from _keep_settled(source, waiting, error)
            raise
        if row is None:
            break
        if row.is_blank and not source.has_quote:
            continue
        if waiting:
            waiting[-1], row = _mark_cut(waiting[-1], row, width)
        if source.is_settled(waiting):
            yield from waiting
            waiting = []
        waiting.append(row)
        if len(waiting) > _MOST_WAITING:
            raise FileError(waiting[0].line, _TOO_MANY_WAIT)
    yield from waiting


def _keep_settled(
    source: "_RowSource", waiting: list[CsvRow], error: FileError
) -> list[CsvRow]:
    """Return the rows that are certain in spite of the error in the row after them.

    Raises `FileError` where they are not: they depend on that row.
    """
    if waiting and not source.is_settled_at_error(waiting):
        raise _make_unsettled_error(waiting[0].line, error) from error
    return waiting


class _RowSource:
    """The lines of a file, put together to rows one by one."""

    def __init__(
        self,
        lines: Iterator[str],
        grammar: CsvGrammar,
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

    def read_row(self) -> CsvRow | None:
        """Return the next row, or None at the end. Raises `FileError`."""
        self._first = ""
        self._first = first = self._next_line()
        if not first:
            return None
        line = self._number
        if first.count('"') % 2:
            text, cells = self._read_on(first, line)
            return CsvRow(line, cells, is_one_line=False, is_ended=_is_ended(text))
        check_text(first, line, self._encoding)
        if len(first) > LONGEST_ROW:
            raise FileError(line, _TOO_LONG)
        cells = self._grammar.split(cut_line_end(first), line)
        is_one_line = self._looks_like_row(first)
        return CsvRow(line, cells, is_one_line, is_ended=_is_ended(first))

    @property
    def has_quote(self) -> bool:
        """Whether a quote stands on the first line of the row that was asked for last."""
        return '"' in self._first

    def is_settled(self, waiting: list[CsvRow]) -> bool:
        """Return whether no quoted cell of a waiting row could go on in this row.

        Such a cell would have lost a quote, and the rules would accept it with that.
        """
        first = self._first
        if not first.count('"') % 2:
            # It would be within that cell's row, neither its first line nor its last.
            return self._looks_like_row(first)
        if not self._grammar.could_end_cell(first):
            return True
        return self._looks_like_row(first) and all(row.is_one_line for row in waiting)

    def is_settled_at_error(self, waiting: list[CsvRow]) -> bool:
        """Return the same where this row cannot be read, and may be the end of a cut one."""
        return self.is_settled(waiting) and not self._grammar.is_one_cell(self._first)

    def _looks_like_row(self, line: str) -> bool:
        cells = line.count(self._grammar.separator) + 1
        return cells * 2 > self._width + 1

    def _next_line(self) -> str:
        self._number += 1
        return next(self._lines, "")

    def _read_on(self, first: str, line: int) -> tuple[str, list[str]]:
        """Return a row that does not end with its first line, and its cells."""
        text = first
        is_open = True
        while is_open:
            last = self._next_line()
            text += last
            is_open = not last.count('"') % 2
            is_within = is_open and self._looks_like_row(last)
            if not last or is_within or len(text) > LONGEST_ROW:
                break
        check_text(text, line, self._encoding)
        # Of a cell that is still open, this says so.
        cells = self._grammar.split(cut_line_end(text), line)
        if len(text) > LONGEST_ROW:
            raise FileError(line, _TOO_LONG)
        if self._looks_like_row(first) and self._looks_like_row(last):
            raise FileError(line, _explain_likeness(line, self._number))
        if len(cells) != self._width:
            raise FileError(line, explain_width(len(cells), self._width))
        return text, cells


def explain_width(found: int, width: int) -> str:
    """Return the fault and remedy of a row of `found` cells under a heading of `width`."""
    return (
        f"The row has {found:,} {'cell' if found == 1 else 'cells'}, the heading {width:,}. "
        "Put a cell that holds the separator or a line break into quotes, and leave an empty "
        "cell for what a row does not have."
    )


def _is_ended(text: str) -> bool:
    """Return whether something ends the last cell of a row, and be it its quote."""
    return text.endswith(("\n", "\r", '"'))


def _mark_cut(row: CsvRow, following: CsvRow, width: int) -> tuple[CsvRow, CsvRow]:
    """Return two rows that follow each other, and whether either may be cut by that."""
    if len(following.cells) < width:
        row = row._replace(may_be_cut=True)
    if len(row.cells) < width:
        following = following._replace(may_be_cut=True)
    return row, following


def _explain_likeness(first: int, last: int) -> str:
    return (
        f"A quoted cell joins lines {first} to {last} to one row, and each end looks like a "
        f"row of its own. {CLOSE_IT}"
    )


def _make_unsettled_error(line: int, error: FileError) -> FileError:
    return FileError(
        line,
        f"Where this row ends depends on line {error.line}, which is not sure: "
        f"{error.detail}",
    )
