"""How many events arrived, by name and quarter-hour: complete, and within a bound.

Each upload has a tally of its own, so that it can show later than it arrived. The oldest
are added up to one that shows with the latest of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

#: Days of every time zone begin at a multiple of this.
QUARTER_SECONDS = 900
TALLIES_KEPT = 5_000

#: By event name, as the account spells it, and `ts // QUARTER_SECONDS`.
Counts = dict[tuple[str, int], int]


@dataclass(slots=True)
class Tally:
    """What arrived with the upload whose first record has this number."""

    number: int
    at: float
    counts: Counts


class Counting:
    """The tallies of one account."""

    def __init__(self, keep: int = TALLIES_KEPT) -> None:
        self._keep = keep
        self._old = Tally(0, float("-inf"), Counter())
        self._recent: dict[int, Tally] = {}

    def add(self, tally: Tally) -> None:
        """Take an upload's tally."""
        self._recent[tally.number] = tally
        if len(self._recent) > self._keep:
            oldest = self._recent.pop(next(iter(self._recent)))
            self._old.at = oldest.at
            for key, count in oldest.counts.items():
                self._old.counts[key] = self._old.counts.get(key, 0) + count

    def take_out(self, number: int, name: str, ts: int) -> None:
        """Count one event less, of the upload with this first number."""
        tally = self._recent.get(number, self._old)
        tally.counts[name, ts // QUARTER_SECONDS] -= 1

    def __iter__(self) -> Iterator[Tally]:
        """Yield the tallies, oldest first."""
        if self._old.counts:
            yield self._old
        yield from self._recent.values()
