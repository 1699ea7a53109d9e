"""Turns at a page that costs much: one caller at a time, and few who wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets one thread through at a time, and at most `most` in all, those that wait included.

    Who asks a page faster than it answers would otherwise take all threads and connections
    of the process.
    """

    def __init__(self, most: int) -> None:
        self._places = threading.BoundedSemaphore(most)
        self._turn = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Wait for a turn, and give True while it lasts; False at once where all places are taken."""
        if not self._places.acquire(blocking=False):
            yield False
            return
        try:
            with self._turn:
                yield True
        finally:
            self._places.release()
