"""What the planted causes came to, as a table for a terminal."""

from collections.abc import Iterable
from typing import Any, Final

#: Names the file to which each cause adds a line.
REPORT: Final = "PLANTED_REPORT"
_HEADING: Final = f"{'named after':>11}  cause: code"


def table_of(lines: Iterable[dict[str, Any]]) -> str:
    """Return three lines for each cause: when and how it was named, and where the fix is.

    What took longest comes last.
    """
    in_order = sorted(lines, key=lambda line: line["seconds"])
    return "\n".join([_HEADING, *(row for line in in_order for row in _rows(line))])


def _rows(line: dict[str, Any]) -> list[str]:
    return [
        f"{line['seconds']:9.1f} s  {line['cause']}: {line['code']}",
        f"{'':11}  “{line['sentence']}”",
        f"{'':11}  → {line['url']}",
    ]
