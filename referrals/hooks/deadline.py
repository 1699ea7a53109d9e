"""Work within a deadline: a call is answered in time, whatever database and Redis do.

A few threads do nothing else. What they have not done in time may still be done later, so
that whoever gives up keeps the events under the same idempotency keys: then the second
append finds duplicates. An append that was still without a connection is not done any more.

They end with the process: one that is stuck in a statement must hold up nobody who ends
it, or the last counts would never be written.

The time that counts begins when the call has come whole. The web process says when that
was, since a call may have waited for a thread.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, TimeoutError as LateError
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

from django.db import connection
from django.http import HttpRequest

from referrals import log
from referrals.log import Result, Sendable
from referrals.models import App

#: Of a process. Each has a connection of the database while it appends.
APPENDING_THREADS: Final = 3
READING_THREADS: Final = 2
#: The process has one connection to Redis.
PUSHING_THREADS: Final = 1
#: What may wait for one of these threads, each for its deadline.
MOST_WAITING: Final = 32

#: When a call had come whole, in WSGI's environment, by `time.monotonic`.
ARRIVED_AT: Final = "referrals.arrived_at"
#: So long after that the log has done its part. The spool has `PUSH_SECONDS` more, and the
#: answer is on its way itself for a moment: Branch waits two seconds for it.
ANSWER_SECONDS: Final = 1.1

Answer = TypeVar("Answer")


class NotDoneError(Exception):
    """The work was not done in time. `future` may still do it; None: nobody began."""

    def __init__(self, future: "Future[Any] | None" = None) -> None:
        super().__init__()
        self.future = future

    def call_unless_done(self, callback: Callable[[], object]) -> None:
        """Call `callback` once it is known that the work was never done."""
        if self.future is None:
            callback()
        else:
            self.future.add_done_callback(lambda each: _call_if_failed(each, callback))


class NotCommittedError(NotDoneError):
    """The events were not committed in time. Whether they will be is not known."""


class _TimedThreads:
    """Threads of this process for one kind of work, made as it comes.

    An executor's would not do: a process that ends waits for them.
    """

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._room = threading.Semaphore(number + MOST_WAITING)
        self._mutex = threading.Lock()
        self._made = 0
        self._given: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def run(self, work: Callable[[], Answer], seconds: float) -> Answer:
        if seconds <= 0 or not self._room.acquire(blocking=False):
            raise NotDoneError
        future: Future[Answer] = Future()
        future.add_done_callback(lambda _: self._room.release())
        self._given.put(partial(_settle, future, work))
        self._see_to_threads()
        try:
            return future.result(timeout=seconds)
        except LateError:
            future.cancel()
            raise NotDoneError(future) from None

    def _see_to_threads(self) -> None:
        """Make one more thread, unless there are enough."""
        with self._mutex:
            if self._made == self._number:
                return
            name = f"{self._name}-{self._made + 1}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            # Where there is no room for one just now, the next work tries again.
            with suppress(RuntimeError):
                thread.start()
                self._made += 1

    def _serve(self) -> None:
        while True:
            self._given.get()()


class _Threads:
    """All of them."""

    def __init__(self) -> None:
        self.appending = _TimedThreads(APPENDING_THREADS, "hook")
        self.reading = _TimedThreads(READING_THREADS, "hook-read")
        self.pushing = _TimedThreads(PUSHING_THREADS, "hook-spool")


_threads = _Threads()


def find_seconds_left(request: HttpRequest, most: float) -> float:
    """Return how long the database may take for this call: at most `most`, perhaps none."""
    arrived: float | None = request.META.get(ARRIVED_AT)
    if arrived is None:
        return most
    return max(0.0, min(most, arrived + ANSWER_SECONDS - monotonic()))


def append_within(
    app: App,
    events: Sequence[Sendable],
    *,
    way: str,
    seconds: float,
    request_id: str = "",
) -> list[Result]:
    """Append as `log.append` does, within `seconds`.

    Raises `NotCommittedError` where that took longer, or too many calls wait already, and
    lets the database's errors through. In a transaction of the caller's there is no
    deadline: nobody else sees what it has written.
    """
    if connection.in_atomic_block:
        return log.append(app, events, way=way, request_id=request_id)
    _give_back_connection()
    is_given_up = threading.Event()

    def append() -> list[Result]:
        connection.ensure_connection()
        if is_given_up.is_set():
            raise NotCommittedError
        return log.append(app, events, way=way, request_id=request_id)

    try:
        return _threads.appending.run(append, seconds)
    except NotDoneError as error:
        is_given_up.set()
        raise NotCommittedError(error.future) from None


def run_within(work: Callable[[], Answer], seconds: float) -> Answer:
    """Return what `work` returns, which reads the database, within `seconds`.

    Raises `NotDoneError` as `append_within` does, and whatever `work` raises.
    """
    if connection.in_atomic_block:
        return work()
    _give_back_connection()
    return _threads.reading.run(work, seconds)


def _give_back_connection() -> None:
    """Hold no connection while another thread works: it takes one of its own.

    If those who wait held all there are, each would wait until its deadline.
    """
    connection.close()


def push_within(work: Callable[[], Answer], *, seconds: float) -> Answer:
    """Return what `work` says that pushes to Redis. Raises `NotDoneError` after `seconds`."""
    return _threads.pushing.run(work, seconds)


def _settle(future: "Future[Answer]", work: Callable[[], Answer]) -> None:
    """Do the work, unless nobody waits for it any more, and let the future know."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = _run_and_give_back(work)
    except BaseException as error:  # noqa: BLE001 - for whoever waits for it
        future.set_exception(error)
    else:
        future.set_result(answer)


def _run_and_give_back(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    finally:
        connection.close()


def _call_if_failed(future: "Future[Any]", callback: Callable[[], object]) -> None:
    if future.cancelled() or future.exception() is not None:
        callback()


def _begin_anew() -> None:
    """Start without threads after a fork: the parent's do not come along."""
    global _threads  # noqa: PLW0603 - one set of threads per process
    _threads = _Threads()


os.register_at_fork(after_in_child=_begin_anew)
