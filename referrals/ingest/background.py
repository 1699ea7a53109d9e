"""The process's counter, and the thread that writes it down from time to time.

The thread begins with the first count, so a command that counts nothing has neither the
thread nor its connection. The last counts are written when the process ends. A forked
child begins with none.
"""

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.db import OperationalError, connection

from referrals.ingest import writing
from referrals.ingest.counter import CountKey, IngestCounter, RefusalSample

logger: Final = logging.getLogger(__name__)


class _Flusher:
    """Writes the counts: every few seconds, at once on request, and at the process's end."""

    def __init__(self) -> None:
        self.counter = IngestCounter()
        self._mutex = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_over = False
        self._has_warned = False

    def begin(self, *, at_once: bool) -> None:
        """See to it that the thread runs; with `at_once`, that it writes now."""
        if not settings.INGEST_FLUSH_SECONDS:
            return
        if self._thread is None:
            self._start()
        if at_once:
            self._wake.set()

    def flush(self) -> None:
        """Write the counts, and what is written along with them.

        They are kept while the database does not answer.
        """
        with self._writing:
            if self._do_each(self._write_counts, *_along):
                self._has_warned = False

    def _do_each(self, *steps: Callable[[], None]) -> bool:
        """Take the steps; return whether all were taken.

        Where one finds no connection, none is looked for by those after it: each would wait
        for seconds in vain.
        """
        are_taken = True
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the step has kept what it has not written
                self._warn(error)
                are_taken = False
                if isinstance(error, OperationalError) and not connection.connection:
                    break
        return are_taken

    def _write_counts(self) -> None:
        taken = self.counter.take()
        if not taken:
            return
        try:
            writing.write_counts(taken)
        except Exception:
            self.counter.put_back(taken)
            raise

    def stop(self) -> None:
        """Let the thread end, and write nothing more by itself."""
        self._is_over = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def end(self) -> None:
        """Write the last counts: the process ends.

        It waits for one connection at most, after the one that its thread is waiting for. That
        one may have been asked for while the database was away, and be waited for in vain now
        that it is back.
        """
        if self._thread is None:
            return
        self._is_over = True
        # The thread that ends the process needs its own connection no more.
        connection.close()
        with self._writing:
            self._do_each(self._write_counts, *_along, *_at_end)
        connection.close()

    def _start(self) -> None:
        with self._mutex:
            if self._thread is None:
                thread = threading.Thread(target=self._run, daemon=True, name="ingest")
                # Where there is no room for one just now, the next count tries again.
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        while not self._is_over:
            try:
                self.flush()
            finally:
                connection.close()
            self._wake.wait(settings.INGEST_FLUSH_SECONDS)
            self._wake.clear()

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "What came in was not counted in the database (%s); it is kept and "
                "added later.",
                type(error).__name__,
            )


_flusher = _Flusher()
_along: Final[list[Callable[[], None]]] = []
_at_end: Final[list[Callable[[], None]]] = []


def write_along(step: Callable[[], None]) -> None:
    """Have `step` called whenever the counts are written. What it raises is logged."""
    _along.append(step)


def write_at_end(step: Callable[[], None]) -> None:
    """Have `step` called after the last counts were written. What it raises is logged."""
    _at_end.append(step)


def write_soon(*, at_once: bool = False) -> None:
    """Have everything written by the thread, within seconds or `at_once`. Never waits."""
    _flusher.begin(at_once=at_once)


def count_ingest(
    count_key: CountKey,
    number: int = 1,
    *,
    pointer: str = "",
    detail: str = "",
    key: str = "",
) -> None:
    """Count `number` of a cause, with a sample where there is a `detail`.

    Never waits for a database. `pointer` and `detail` name no value of an event; `key` is
    an event's id, for a cause that is about ids.
    """
    now = datetime.now(UTC)
    sample = RefusalSample(now, pointer, detail, key) if detail else None
    is_new = _flusher.counter.add(count_key, number, now, sample)
    _flusher.begin(at_once=is_new)


def count_each(count_keys: Sequence[CountKey]) -> None:
    """Count one more of each cause. Never waits for a database."""
    is_new = _flusher.counter.add_each(count_keys, datetime.now(UTC))
    _flusher.begin(at_once=is_new)


def flush_counts() -> None:
    """Write this process's counts. They are kept while the database does not answer."""
    _flusher.flush()


def clear_counts() -> None:
    """Drop the counts that are not written, and end the thread."""
    _flusher.stop()
    _begin_anew()


def _begin_anew() -> None:
    """Start without counts after a fork: the parent writes its own."""
    global _flusher  # noqa: PLW0603 - one memory per process
    _flusher = _Flusher()


def _end_flusher() -> None:
    _flusher.end()


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(_end_flusher)
