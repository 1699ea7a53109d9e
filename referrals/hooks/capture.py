"""Capture: the shape of a source's last call, for whoever writes its mapping.

Off unless a person asks for it, and over by itself after an hour. What is kept has keys,
types and stand-ins and no value of the call (`sources.shapes`), so that an erasure finds
nobody in it. A call that is captured is not held up: the thread that writes the counts of
`ingest` makes its shape and writes it along with them.
"""

import logging
import os
import threading
from datetime import UTC, datetime
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from referrals.hooks.known_sources import KnownSource
from referrals.ingest import background
from referrals.models import Source
from referrals.sources.call import Call
from referrals.sources.shapes import Shape, decode_shape, encode_shape, make_shape
from referrals.sources.verifiers import hide_secret

#: Sources with a call that waits to be written: more than a person watches at once.
MOST_WAITING: Final = 20

logger: Final = logging.getLogger(__name__)


class _Captures:
    """The last call of each source that is captured, until it is written."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[KnownSource, Call]] = {}
        self._mutex = threading.Lock()

    def note(self, source: KnownSource, call: Call) -> None:
        with self._mutex:
            if source.id in self._waiting or len(self._waiting) < MOST_WAITING:
                self._waiting[source.id] = (source, call)

    def take(self) -> list[tuple[KnownSource, Call]]:
        with self._mutex:
            waiting, self._waiting = self._waiting, {}
        return list(waiting.values())


_captures = _Captures()


def capture_call(source: KnownSource, call: Call) -> None:
    """Keep the shape of a verified call, if its source is captured. Waits for nothing."""
    if source.captures_until > datetime.now(UTC).timestamp():
        _captures.note(source, call)
        background.write_soon()


def write_captures() -> None:
    """Write the shapes of the calls that wait. Never raises: the next call is captured, too."""
    for source, call in _captures.take():
        try:
            _write_shape(source, call)
        except Exception as error:  # noqa: BLE001 - one bad call keeps no other from it
            logger.warning("A call was not captured: %s", type(error).__name__)


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


background.write_along(write_captures)
os.register_at_fork(after_in_child=_begin_anew)
