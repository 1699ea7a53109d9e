"""Appending within a deadline: a call is answered in time, whatever the database does.

A call's events are appended by a few threads that do nothing else. What they have not
committed in time may still be committed later, so that whoever gives up keeps the events
under the same idempotency keys: then the second append finds duplicates.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError as LateError
from typing import Final, TypeVar

from django.db import connection

from referrals import log
from referrals.log import Result, Sendable
from referrals.models import App

#: Of a process. Each has a connection of the database while it appends.
THREADS: Final = 3
#: Calls of a process that may wait for one of them.
MOST_WAITING: Final = 32

Answer = TypeVar("Answer")


class NotCommittedError(Exception):
    """The events were not committed in time. Whether they will be is not known."""


class _Appenders:
    """The threads of this process, which begin when there is work."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="hook")
        self._places = threading.BoundedSemaphore(THREADS + MOST_WAITING)

    def run(self, work: Callable[[], Answer], seconds: float) -> Answer:
        if not self._places.acquire(blocking=False):
            raise NotCommittedError
        future: Future[Answer] = self._pool.submit(_run_and_give_back, work)
        future.add_done_callback(self._give_back_place)
        try:
            return future.result(timeout=seconds)
        except LateError:
            future.cancel()
            raise NotCommittedError from None

    def _give_back_place(self, _: object) -> None:
        self._places.release()


_appenders = _Appenders()


def append_within(
    app: App, events: Sequence[Sendable], *, way: str, seconds: float
) -> list[Result]:
    """Append as `log.append` does, within `seconds`.

    Raises `NotCommittedError` where that took longer, or too many calls wait already, and
    lets the database's errors through. In a transaction of the caller's there is no
    deadline: nobody else sees what it has written.
    """
    return run_within(lambda: log.append(app, events, way=way), seconds)


def run_within(work: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `work` returns, which asks the database, within `seconds`.

    Raises `NotCommittedError` as `append_within` does, and whatever `work` raises.
    """
    if connection.in_atomic_block:
        return work()
    return _appenders.run(work, seconds)


def _run_and_give_back(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    finally:
        connection.close()


def _begin_anew() -> None:
    """Start without threads after a fork: the parent's do not come along."""
    global _appenders  # noqa: PLW0603 - one set of threads per process
    _appenders = _Appenders()


os.register_at_fork(after_in_child=_begin_anew)
