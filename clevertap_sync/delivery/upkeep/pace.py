"""The pace of upkeep: a short piece of work, a longer rest, and so on until the time is over.

What a piece writes is flushed with the next commit, whoever makes it, and SQLite has one
lock for all who write: so callers wait for one piece at most, and for few of them.
"""

import time
from typing import Final

from clevertap_sync.process import stopping

#: How much longer than the piece before it a rest is. Where others are busy, a piece takes
#: longer, and so upkeep gives way to them.
REST_FACTOR: Final = 4.0
#: The shortest rest: a piece that only looked at little would else be followed by the next.
LEAST_REST_SECONDS: Final = 0.02


class Pace:
    """Spreads the pieces of one call over about `seconds`. The first one begins at once."""

    def __init__(self, seconds: float) -> None:
        self._began_at = time.monotonic()
        self._ends_at = self._began_at + seconds

    def is_over(self) -> bool:
        """Return whether the time is used up, or the process is about to end."""
        return stopping.is_stopping() or time.monotonic() >= self._ends_at

    def rest(self, *, at_least: float = 0.0) -> bool:
        """Rest after a piece; return whether there is time for another."""
        if self.is_over():
            return False
        took = time.monotonic() - self._began_at
        stopping.wait_for_stop(find_rest(took, at_least))
        self._began_at = time.monotonic()
        return not self.is_over()


def find_rest(took: float, at_least: float) -> float:
    """Return how many seconds to rest after a piece that took so many."""
    return max(at_least, LEAST_REST_SECONDS, took * REST_FACTOR)
