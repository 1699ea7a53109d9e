"""Asks for evidence, each thing once, and only so much: an answer may cost a second."""

from datetime import date
from typing import Final

from clevertap_sync.clevertap.causes.cells import Cell
from clevertap_sync.clevertap.causes.week import Evidence, LogScan

#: The most that one week may ask of the log, and of CleverTap.
MAX_SCANS: Final = 60
MAX_COUNTS: Final = 30


_Span = tuple[str, int, int]
_Condition = tuple[str, date, str, str]


class Questions:
    """Evidence with a memory and a limit. What is beyond the limit has no answer."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._scans: dict[_Span, LogScan | None] = {}
        self._counts: dict[_Condition, int | None] = {}

    def scan(self, cell: Cell) -> LogScan | None:
        """Return what the log says of the cell's day; None where nobody can tell."""
        if cell.expected.delivered == 0:
            return None
        key = (cell.name, cell.span.begins, cell.span.ends)
        if key not in self._scans and len(self._scans) < MAX_SCANS:
            self._scans[key] = self._evidence.scan_log(*key)
        return self._scans.get(key)

    def count_with(self, cell: Cell, property_name: str) -> int | None:
        """Return how many of the cell CleverTap counts that have a property, or None."""
        key = (cell.name, cell.day, property_name, "exists")
        if key not in self._counts and len(self._counts) < MAX_COUNTS:
            self._counts[key] = self._evidence.count_filtered(*key)
        return self._counts.get(key)
