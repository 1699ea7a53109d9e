"""The sightings so far: at each mark, when each value was last seen. Pure."""

from datetime import datetime
from typing import NamedTuple

from referrals.fraud.sightings import SightingKey
from referrals.fraud_rules import MOST_KEPT, Limit

#: A sighting as it is stored: mark, value, and the instant at which it was last seen.
SeenAt = tuple[str, str, datetime]


class MemoryChanges(NamedTuple):
    """What has to be stored and removed so that a memory is as it is now."""

    seen: list[SeenAt]
    removed: list[tuple[str, str]]


class SightingMemory:
    """Sightings by mark. Of each mark, the newest `MOST_KEPT` values are kept."""

    def __init__(self) -> None:
        self._marks: dict[str, dict[str, datetime]] = {}
        self._stored: set[tuple[str, str]] = set()
        self._changed: set[tuple[str, str]] = set()
        self._removed: list[tuple[str, str]] = []

    def load(self, mark: str, value: str, seen_at: datetime) -> None:
        """Take in a sighting that is stored."""
        self._marks.setdefault(mark, {})[value] = seen_at
        self._stored.add((mark, value))

    def is_reached(self, limit: Limit, key: SightingKey, at: datetime) -> bool:
        """Return whether as many other values were seen at the mark as are normal.

        Those within the limit's window of `at` count. On either side of it: an install that is told late is judged by what happened after
        it, or whoever sends the later one first would get both through.
        """
        values = self._marks.get(key.mark)
        # Nearly every install is the first one at its marks.
        if values is None or limit.most is None:
            return False
        window = limit.window
        others = sum(
            value != key.value and abs(at - seen_at) <= window
            for value, seen_at in values.items()
        )
        return others >= limit.most

    def add(self, key: SightingKey, at: datetime) -> None:
        """Remember a sighting for the next events."""
        mark, value, _ = key
        values = self._marks.get(mark)
        if values is None:
            self._marks[mark] = {value: at}
            self._changed.add((mark, value))
            return
        known = values.get(value)
        if known is not None and known >= at:
            return
        values[value] = at
        self._changed.add((mark, value))
        if len(values) > MOST_KEPT:
            self._drop_oldest(mark, values)

    def list_changes(self) -> MemoryChanges:
        """Return what differs from what was loaded."""
        return MemoryChanges(
            [(mark, value, self._marks[mark][value]) for mark, value in self._changed],
            self._removed,
        )

    def _drop_oldest(self, mark: str, values: dict[str, datetime]) -> None:
        oldest = min(values, key=lambda value: (values[value], value))
        del values[oldest]
        self._changed.discard((mark, oldest))
        if (mark, oldest) in self._stored:
            self._removed.append((mark, oldest))
