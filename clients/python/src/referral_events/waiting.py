"""Where events wait to be sent: in memory, or on disk (`spool`)."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from referral_events.batches import count_that_fit


@dataclass(frozen=True)
class Batch:
    """Events that were taken to be sent, and the numbers by which the store knows them."""

    bodies: Sequence[bytes]
    numbers: Sequence[int] = ()


class Waiting(Protocol):
    """Keeps events until they are settled. Thread-safe."""

    def add(self, body: bytes, wait: float) -> bool:
        """Keep one event more; return False where there was no room for `wait` seconds."""

    def take(self, wait: float) -> Batch | None:
        """Return the next events, or None where none came within `wait` seconds."""

    def settle(self, batch: Batch) -> None:
        """Forget a batch: each of its events is stored, or was refused."""

    def give_back(self, batch: Batch) -> None:
        """Keep a batch for another attempt, before all others."""

    def wait_until_empty(self, wait: float) -> bool:
        """Wait until nothing waits and nothing is taken; return whether it is so."""

    def count(self) -> int:
        """Return how many events are not settled."""

    def wake(self) -> None:
        """Let whoever waits in `take` look again at once."""

    def close(self) -> None:
        """Let go of what is open. What is kept on disk stays."""


class MemoryQueue:
    """Keeps events in memory: what waits when the process is killed is lost."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bodies: deque[bytes] = deque()
        self._taken = 0
        self._changed = threading.Condition()

    def add(self, body: bytes, wait: float) -> bool:
        """Keep one event more, where there is room within `wait` seconds."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, wait):
                return False
            self._bodies.append(body)
            self._changed.notify_all()
        return True

    def take(self, wait: float) -> Batch | None:
        """Return the next events, or None."""
        with self._changed:
            if not self._bodies:
                self._changed.wait(wait)
            if not self._bodies:
                return None
            length = count_that_fit(list(self._bodies)[:1_000])
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
        ends_at = time.monotonic() + wait
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._bodies or self._taken), ends_at - time.monotonic()
            )

    def count(self) -> int:
        """Return how many events are not settled."""
        with self._changed:
            return len(self._bodies) + self._taken

    def wake(self) -> None:
        """Let `take` look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is open."""

    def _has_room(self) -> bool:
        return len(self._bodies) + self._taken < self._most
