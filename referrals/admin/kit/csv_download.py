"""CSV files that a spreadsheet opens and nothing in them acts: streamed, row by row."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.http import StreamingHttpResponse

from referrals.words import make_inert

#: What makes a spreadsheet take a text for a formula, in both widths that they know.
# Reference: https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS: Final = "=+-@\t\r＝＋－＠"  # noqa: RUF001 - these very characters
_FORMULA: Final = tuple(_SIGNS)
#: Where a spreadsheet that separates cells by another character than ours would begin one.
_INNER_FORMULA: Final = re.compile(rf'([;|\t]["\s]*)(?=[{re.escape(_SIGNS)}])')
#: Tells spreadsheets that the file is UTF-8.
_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


class _Echo:
    """A file whose `write` returns the text, as `csv.writer` then does, too."""

    def write(self, text: str) -> str:
        return text


def format_cell(value: object) -> object:
    """Return the cell for `value`: a number as it is, any other value as inert text."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
    text = str(value)
    acts = text.lstrip(" ").startswith(_FORMULA)
    text = make_inert(_INNER_FORMULA.sub(r"\1'", text))
    return f"'{text}" if acts else text


def stream_csv(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """Return the table as a file called `name` that is written while it is sent."""
    return StreamingHttpResponse(
        _lines(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "no-store",
        },
    )


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    write = csv.writer(_Echo()).writerow
    yield _MARK + write(header)
    for row in rows:
        yield write([format_cell(value) for value in row])
