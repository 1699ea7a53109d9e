"""CSV: a heading, and below it one event a row, in our own columns or in a platform's."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import BinaryIO, Final, Protocol, TypeVar

from referrals.files.csv_columns import Heading, count_known
from referrals.files.csv_grammar import CsvGrammar, cut_line_end
from referrals.files.csv_objects import ExportHeading, count_names
from referrals.files.csv_rows import (
    LONGEST_ROW,
    MAY_BE_CUT,
    CsvRow,
    explain_width,
    read_rows,
)
from referrals.files.encodings import check_text, open_text, read_lines
from referrals.files.file_errors import FileError, NumberedEvent, NumberedObject
from referrals.refusals import Code
from referrals.schema import EventProblem

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


Read = TypeVar("Read")
Read_co = TypeVar("Read_co", covariant=True)


class TableHeading(Protocol[Read_co]):
    """What a table needs of its heading, whatever its columns are."""

    @property
    def width(self) -> int:
        """How many cells a row has."""

    @property
    def is_last_needed_whole(self) -> bool:
        """Whether a cut-off last cell could say something else."""

    def is_other_heading(self, cells: Sequence[str]) -> bool:
        """Return whether a row is another heading than this one."""

    def read_cells(self, cells: Sequence[str]) -> Read_co | EventProblem:
        """Return what a row of `width` cells holds, or why it is refused."""


def read_csv(
    file: BinaryIO, *, encoding: str | None = None, separator: str | None = None
) -> Generator[NumberedEvent, None, None]:
    """Yield each event with the number of the line on which its row begins.

    `encoding` is that of a file without a byte order mark, UTF-8 where it is None.
    `separator` is one of `SEPARATORS`' values; without it the heading shows which.
    Raises `FileError` where it is not sure any more what a row is.
    """
    return _read_table(file, Heading, count_known, encoding, separator)


def read_csv_objects(
    file: BinaryIO, *, encoding: str | None = None, separator: str | None = None
) -> Generator[NumberedObject, None, None]:
    """Yield each row as an object of texts, by the names of its columns.

    The rest is as for `read_csv`; an empty cell is left out.
    """
    return _read_table(file, ExportHeading, count_names, encoding, separator)


def _read_table(
    file: BinaryIO,
    make_heading: Callable[[Sequence[str], int], TableHeading[Read]],
    count: Callable[[Sequence[str]], int],
    encoding: str | None,
    separator: str | None,
) -> Generator[tuple[int, Read | EventProblem], None, None]:
    """Yield what stands in each row. `count` says how likely a separator is."""
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
        grammar = _choose_grammar(cut_line_end(first), separator, count)
        heading = make_heading(grammar.split(cut_line_end(first), number), number)
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
            yield row.line, _read_row(row, heading)


def _read_row(row: CsvRow, heading: TableHeading[Read]) -> Read | EventProblem:
    if len(row.cells) != heading.width:
        detail = explain_width(len(row.cells), heading.width)
    elif row.may_be_cut:
        detail = MAY_BE_CUT
    elif not row.is_ended and heading.is_last_needed_whole:
        detail = _CUT_OFF
    else:
        return heading.read_cells(row.cells)
    return EventProblem(Code.BAD_ROW, "", detail)


def _find_next_line(numbered: Iterator[tuple[int, str]]) -> tuple[int, str]:
    """Return the next line with something on it and its number, or an empty text."""
    return next((one for one in numbered if one[1].strip()), (0, ""))


def _choose_grammar(
    text: str, separator: str | None, count: Callable[[Sequence[str]], int]
) -> CsvGrammar:
    """Return the grammar by which the heading `text` has the most columns."""
    separators = [separator] if separator else list(SEPARATORS.values())
    grammars = [CsvGrammar(one) for one in separators]
    return max(grammars, key=lambda one: _count_columns(text, one, count))


def _count_columns(
    text: str, grammar: CsvGrammar, count: Callable[[Sequence[str]], int]
) -> int:
    """Return how many columns a heading names with this separator."""
    try:
        return count(grammar.split(text, 1))
    except FileError:
        return 0
