"""Answers that are not ready at once, by what one asks again with. Within a bound."""

import itertools
import threading
from dataclasses import dataclass
from typing import Any

_KEPT = 1_000


@dataclass
class Promise:
    """A count that was promised: how many more answers are partial, and its end."""

    count: int
    rounds: int
    #: Unix seconds.
    expires: float


class Promises:
    """What one account was promised."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._counts: dict[str, Promise] = {}
        self._asked: dict[str, int] = {}

    def promise(self, promise: Promise) -> str:
        """Return the `req_id` with which a count can be asked for."""
        with self._lock:
            request_id = f"sandbox-{next(self._numbers)}"
            self._counts[request_id] = promise
            _forget_oldest(self._counts)
            return request_id

    def ask(self, request_id: str, now: float) -> int | None:
        """Return a promised count; None while it is not ready.

        Raises KeyError for a `req_id` that was never given, or has expired.
        """
        with self._lock:
            promise = self._counts[request_id]
            if now >= promise.expires:
                raise KeyError(request_id)
            if promise.rounds > 0:
                promise.rounds -= 1
                return None
            return promise.count

    def is_in_progress(self, cursor: str, rounds: int) -> bool:
        """Return whether a page is not ready yet, `rounds` times for each cursor."""
        with self._lock:
            asked = self._asked[cursor] = self._asked.get(cursor, 0) + 1
            _forget_oldest(self._asked)
            return asked <= rounds


def _forget_oldest(kept: dict[str, Any]) -> None:
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
