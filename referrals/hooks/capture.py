"""Capture: the shape of a source's last call, for whoever writes its mapping.

Off unless a person asks for it, and over by itself after an hour. What is kept has keys,
types and stand-ins and no value of the call (`sources.shapes`), so that an erasure finds
nobody in it. A call that is captured is not held up: a thread makes its shape and writes
it, once in some seconds and only while there are calls to capture.
"""

import logging
import os
import threading
from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from referrals.hooks.known_sources import KnownSource
from referrals.models import Source
from referrals.sources.call import Call
from referrals.sources.shapes import Shape, decode_shape, encode_shape, make_shape
from referrals.sources.verifiers import hide_secret

#: Between two writes of a process.
PAUSE_SECONDS: Final = 5.0
#: Sources with a call that waits to be written: more than a person watches at once.
MOST_WAITING: Final = 20

logger: Final = logging.getLogger(__name__)


class _Captures:
    """The last call of each source that is captured, until it is written."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[KnownSource, Call]] = {}
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, source: KnownSource, call: Call) -> None:
        with self._mutex:
            if source.id in self._waiting or len(self._waiting) < MOST_WAITING:
                self._waiting[source.id] = (source, call)
            # Tests write by themselves, as with the counts of `ingest`.
            if self._thread is None and settings.INGEST_FLUSH_SECONDS:
                self._start()

    def write(self) -> bool:
        """Write what waits; return whether there was anything."""
        with self._mutex:
            waiting, self._waiting = self._waiting, {}
        for source, call in waiting.values():
            try:
                _write_shape(source, call)
            except Exception as error:  # noqa: BLE001 - the next call is captured again
                logger.warning("A call was not captured: %s", type(error).__name__)
        return bool(waiting)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True, name="capture")
        try:
            thread.start()
        except RuntimeError:  # no room for one just now: the next call tries again
            return
        self._thread = thread

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while self._goes_on():
                self.write()
                connection.close()
                pause.wait(PAUSE_SECONDS)
        finally:
            connection.close()

    def _goes_on(self) -> bool:
        """Return whether a call waits; end the thread, as seen by `note`, where none does."""
        with self._mutex:
            if not self._waiting:
                self._thread = None
            return bool(self._waiting)


_captures = _Captures()


def capture_call(source: KnownSource, call: Call) -> None:
    """Keep the shape of a verified call, if its source is captured. Waits for nothing."""
    if source.captures_until > datetime.now(UTC).timestamp():
        _captures.note(source, call)


def write_captures() -> None:
    """Write the shapes of the calls that wait."""
    _captures.write()


def clear_captures() -> None:
    """Forget the calls that wait."""
    _begin_anew()


def read_captured_shape(source: Source) -> Shape | None:
    """Return the shape of the last call that was captured.

    None without one, and where no key decrypts it: the next call takes its place.
    """
    if not source.captured_call or source.captured_at is None:
        return None
    try:
        return decode_shape(source.captured_call.reveal())
    except ImproperlyConfigured:
        return None


def find_capture_end(source: Source, now: datetime) -> datetime | None:
    """Return until when calls of the source are captured, or None if they are not."""
    until = source.capture_until
    return until if until is not None and until > now else None


def _write_shape(source: KnownSource, call: Call) -> None:
    now = datetime.now(UTC)
    shape = make_shape(
        hide_secret(source.verifier, call), source.mapping, source.choices, now=now
    )
    if shape is None:
        return
    # A person may have ended it since the call came.
    Source.objects.filter(pk=source.id, capture_until__gt=now, archived_at=None).update(
        captured_call=encode_shape(shape).decode(), captured_at=now
    )


def _begin_anew() -> None:
    """Start without calls after a fork: the parent writes its own."""
    global _captures  # noqa: PLW0603 - one memory per process
    _captures = _Captures()


os.register_at_fork(after_in_child=_begin_anew)
