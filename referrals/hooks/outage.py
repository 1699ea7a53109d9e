"""What this process remembers of a database that is away.

A call whose events can wait in the spool does not wait for the database once more, when
another call has just done so in vain. One call at a time finds out whether it is back.
"""

import threading
from time import monotonic
from typing import Final

#: So long the next calls go on without the database.
AWAY_SECONDS: Final = 2.0


class OutageMemory:
    """Remembers until when nobody asks the database. Safe in threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._until: float | None = None

    def is_away(self) -> bool:
        """Return whether the database is known to be away, and nobody should ask it now."""
        return self._until is not None and monotonic() < self._until

    def begin_try(self) -> bool:
        """Return whether the caller may ask the database.

        While it is away, one caller may in so many seconds, and tells how it went.
        """
        with self._mutex:
            if self._until is None:
                return True
            now = monotonic()
            if now < self._until:
                return False
            self._until = now + AWAY_SECONDS
            return True

    def note_failure(self) -> None:
        """Remember that the database did not do in time what it was asked for."""
        with self._mutex:
            self._until = monotonic() + AWAY_SECONDS

    def note_success(self) -> None:
        """Forget the outage."""
        if self._until is not None:
            with self._mutex:
                self._until = None


#: This process's.
database: Final = OutageMemory()
