"""CSV: a heading with the fields of an event, and one event a row."""

import re
from collections.abc import Generator, Iterator
from typing import BinaryIO, Final

from referrals.files.csv_columns import Heading, count_known
from referrals.files.csv_grammar import CsvGrammar, cut_line_end
from referrals.files.csv_rows import (
    LONGEST_ROW,
    MAY_BE_CUT,
    CsvRow,
    explain_width,
    read_rows,
)
from referrals.files.encodings import check_text, open_text, read_lines
from referrals.files.file_errors import FileError, NumberedEvent
from referrals.refusals import Code
from referrals.schema import EventProblem, IncomingEvent

#: What separates cells, the likeliest first. Spreadsheets choose by their language.
SEPARATORS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
#: A first line that is none of the table's: by it spreadsheets tell one another.
_NAMED: Final = re.compile(r'(")?sep=([,;\t|])(?(1)")[,;\t|]*', re.IGNORECASE)

_OTHER_HEADING: Final = (
    "This row is a heading with other columns, or in another order, as where two files were "
    "put together: the rows below it mean something else. Import each file by itself."
)
_CUT_HEADING: Final = (
    "The line below the heading has one cell. Perhaps a line break has cut the heading's "
    "last name in two, and its column means something else. Put the heading on one line, "
    "and give the row below all its cells."
)
_CUT_OFF: Final = (
    "The file ends within this row's last cell, without a line break, so that the cell may "
    "be cut off. If the file is whole, put a line break at its end; else get it anew."
)


def read_csv(
    file: BinaryIO, *, encoding: str | None = None, separator: str | None = None
) -> Generator[NumberedEvent, None, None]:
    """Yield each event with the number of the line on which its row begins.

    `encoding` is that of a file without a byte order mark, UTF-8 where it is None.
    `separator` is one of `SEPARATORS`' values; without it the heading shows which.
    Raises `FileError` where it is not sure any more what a row is.
    """
    with open_text(file, encoding) as text:
        lines = read_lines(text, LONGEST_ROW)
        numbered = enumerate(lines, 1)
        number, first = _find_next_line(numbered)
        if named := _NAMED.fullmatch(cut_line_end(first)):
            separator = separator or named[2]
            number, first = _find_next_line(numbered)
        if not first:
            return
        check_text(first, number, text.encoding)
        grammar, heading = _read_heading(cut_line_end(first), number, separator)
        width = heading.width
        is_first = True
        for row in read_rows(
            lines, grammar, width=width, after=number, encoding=text.encoding
        ):
            if heading.is_other_heading(row.cells):
                raise FileError(row.line, _OTHER_HEADING)
            if is_first and len(row.cells) == 1 < width:
                raise FileError(number, _CUT_HEADING)
            is_first = False
            yield row.line, _read_event(row, heading)


def _read_event(row: CsvRow, heading: Heading) -> IncomingEvent | EventProblem:
    if len(row.cells) != heading.width:
        detail = explain_width(len(row.cells), heading.width)
    elif row.may_be_cut:
        detail = MAY_BE_CUT
    elif not row.is_ended and heading.is_last_needed_whole:
        detail = _CUT_OFF
    else:
        return heading.to_event(row.cells)
    return EventProblem(Code.BAD_ROW, "", detail)


def _find_next_line(numbered: Iterator[tuple[int, str]]) -> tuple[int, str]:
    """Return the next line with something on it and its number, or an empty text."""
    return next((one for one in numbered if one[1].strip()), (0, ""))


def _read_heading(
    text: str, line: int, separator: str | None
) -> tuple[CsvGrammar, Heading]:
    """Return the grammar and the columns of the file. Raises `FileError`."""
    separators = [separator] if separator else list(SEPARATORS.values())
    grammars = [CsvGrammar(one) for one in separators]
    grammar = max(grammars, key=lambda one: _count_columns(text, one))
    return grammar, Heading(grammar.split(text, line), line)


def _count_columns(text: str, grammar: CsvGrammar) -> int:
    """Return how many columns of an event a heading names with this separator."""
    try:
        return count_known(grammar.split(text, 1))
    except FileError:
        return 0
