"""Where events wait to be sent: in memory, or on disk (`spool`)."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from referral_events.batches import MOST_EVENTS, count_that_fit

CLOSED: Final = "The client is closed: nothing more is sent."


@dataclass(frozen=True)
class Batch:
    """Events that were taken to be sent, and the numbers by which the store knows them."""

    bodies: Sequence[bytes]
    numbers: Sequence[int] = ()


class Waiting(Protocol):
    """Keeps events until they are settled. Thread-safe."""

    def add(self, body: bytes, wait: float) -> bool:
        """Keep one event more; return False where there was no room for `wait` seconds.

        Raises `ValueError` once this is closed.
        """

    def take(self, wait: float, most: int = MOST_EVENTS) -> Batch | None:
        """Return the next events, or None where none came within `wait` seconds."""

    def settle(self, batch: Batch) -> None:
        """Forget a batch: each of its events is stored, or was refused."""

    def give_back(self, batch: Batch) -> None:
        """Keep a batch for another attempt, before all others."""

    def wait_until_empty(self, wait: float) -> bool:
        """Wait until nothing waits and nothing is taken; return whether it is so."""

    def wake(self) -> None:
        """Let whoever waits in `take` look again at once."""

    def count(self) -> int:
        """Return how many events are not settled."""

    def close(self) -> int:
        """Take nothing more, let go of what is open, and return how many are not settled."""

    def before_fork(self) -> None:
        """Let go of what a child must not inherit."""

    def after_fork(self, *, in_child: bool) -> None:
        """Go on, or, in the child, begin anew."""


class MemoryQueue:
    """Keeps events in memory: what waits when the process is killed is lost."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bodies: deque[bytes] = deque()
        self._taken = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def add(self, body: bytes, wait: float) -> bool:
        """Keep one event more, where there is room within `wait` seconds."""
        with self._changed:
            has_room = self._changed.wait_for(self._has_room, wait)
            if self._is_closed:
                raise ValueError(CLOSED)
            if has_room:
                self._bodies.append(body)
                self._changed.notify_all()
        return has_room

    def take(self, wait: float, most: int = MOST_EVENTS) -> Batch | None:
        """Return the next events, or None."""
        with self._changed:
            if not self._bodies:
                self._changed.wait(wait)
            length = count_that_fit(list(islice(self._bodies, most)))
            if not length:
                return None
            bodies = [self._bodies.popleft() for _ in range(length)]
            self._taken += length
        return Batch(bodies)

    def settle(self, batch: Batch) -> None:
        """Forget the batch."""
        with self._changed:
            self._taken -= len(batch.bodies)
            self._changed.notify_all()

    def give_back(self, batch: Batch) -> None:
        """Put the batch in front again."""
        with self._changed:
            self._taken -= len(batch.bodies)
            self._bodies.extendleft(reversed(batch.bodies))
            self._changed.notify_all()

    def wait_until_empty(self, wait: float) -> bool:
        """Wait until all is settled."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count(), wait)

    def wake(self) -> None:
        """Let `take` look again."""
        with self._changed:
            self._changed.notify_all()

    def count(self) -> int:
        """Return how many events are not settled."""
        with self._changed:
            return self._count()

    def close(self) -> int:
        """Take nothing more, and return how many events are not settled."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            return self._count()

    def before_fork(self) -> None:
        """Nothing is open."""

    def after_fork(self, *, in_child: bool) -> None:
        """Begin anew in the child: what waits is the parent's to send."""
        if in_child:
            self._bodies, self._taken = deque(), 0
            self._changed = threading.Condition()

    def _count(self) -> int:
        return len(self._bodies) + self._taken

    def _has_room(self) -> bool:
        return self._is_closed or self._count() < self._most
