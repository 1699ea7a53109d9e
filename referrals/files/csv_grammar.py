"""The grammar of CSV: RFC 4180's, and nothing beside it.

A quote begins a cell, ends it before a separator or the end of a line, or stands twice
for one. Where programs differ (a quote inside a cell, a backslash before one, text behind
one) the meaning is not certain, and the row is refused.
"""

import re
from typing import Final

from referrals.files.file_errors import FileError

CLOSE_IT: Final = (
    "Close the quote, or write it twice where it belongs to the text. A cell that really "
    "holds such lines cannot be told from rows: write it on one line, or as JSONL."
)
_DOUBLE: Final = (
    "Put the whole cell into quotes, and write each quote inside it twice; a backslash "
    "does not do."
)
_CARRIAGE_RETURN: Final = (
    "A CR without an LF stands in this row, outside of quotes, where some programs end a "
    "line. Save the file with LF or CRLF at the end of each line."
)
_CARRIAGE_RETURN_INSIDE: Final = (
    "A CR without an LF stands inside a quoted cell. Some programs end a line so, and then "
    "the cell holds other rows. Save the file with LF or CRLF at the end of each line; a "
    "line break inside a cell is an LF."
)
_LONE_CARRIAGE_RETURN: Final = re.compile(r"\r(?!\n)")


class CsvGrammar:
    """Splits a line into its cells, given the separator."""

    def __init__(self, separator: str) -> None:
        self.separator = separator
        escaped = re.escape(separator)
        inside = r'[^"]*+(?:""[^"]*+)*+"'
        cell = rf'(?:"{inside}|[^"{escaped}\r\n]*+)'
        self._cell = re.compile(
            rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{escaped}\r\n]*+))({escaped}|\Z)'
        )
        self._quoted = re.compile(f'"{inside}')
        self._first_cell = re.compile(rf'"{inside}{escaped}|[^"{escaped}]*+{escaped}')
        self._rest_of_quoted = re.compile(rf"{inside}(?:{escaped}{cell})*+(?:\r?\n)?")

    def split(self, text: str, line: int) -> list[str]:
        """Return the cells of a row without its end. Raises `FileError`."""
        if '"' not in text and "\r" not in text:
            return text.split(self.separator)
        cells = []
        place = 0
        while match := self._cell.match(text, place):
            quoted, plain, end = match.groups()
            if quoted and _LONE_CARRIAGE_RETURN.search(quoted):
                opened = line + text.count("\n", 0, place)
                raise FileError(opened, _CARRIAGE_RETURN_INSIDE)
            cells.append(plain if quoted is None else quoted.replace('""', '"'))
            if not end:
                return cells
            place = match.end()
        raise FileError(line, self._explain(text, place, line))

    def could_end_cell(self, line: str) -> bool:
        """Return whether a quoted cell from the lines before could end on `line`."""
        return bool(self._rest_of_quoted.fullmatch(line))

    def is_one_cell(self, line: str) -> bool:
        """Return whether the first cell that `line` begins goes on to its end, or beyond."""
        return self._first_cell.match(line) is None

    def _explain(self, text: str, place: int, line: int) -> str:
        """Return a sentence about the faulty cell at `place` of the row that begins at `line`."""
        opened = line + text.count("\n", 0, place)
        if not text.startswith('"', place):
            stop = re.compile(r'["\r]').search(text, place)
            if stop and stop[0] == "\r":
                return _CARRIAGE_RETURN
            return f"A quote stands inside a cell that begins without one. {_DOUBLE}"
        quoted = self._quoted.match(text, place)
        if quoted is None:
            return f"The quote that opens a cell on line {opened} is not closed. {CLOSE_IT}"
        closed = line + text.count("\n", 0, quoted.end())
        return (
            f"The quote that opens a cell on line {opened} is closed on line {closed}, and "
            f"more text follows before the cell's end. Perhaps it should have been closed "
            f"before. {_DOUBLE}"
        )


def cut_line_end(text: str) -> str:
    """Return a line or a row without the end of its last line."""
    return text.removesuffix("\n").removesuffix("\r")
