"""A body on its way in from the socket: counted, capped, and not waited for for ever.

Nothing here trusts a length that the caller states: what is read is counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from django.http import HttpRequest

from referrals.api.problems import INCOMPLETE_BODY, TOO_LARGE, ProblemError

MAX_BODY_BYTES: Final = 1024 * 1024
READ_BYTES: Final = 64 * 1024
# A caller who is silent for so long in the middle of a body has gone away. Without this,
# each of them would keep a thread until the process ends.
SILENCE_SECONDS: Final = 10.0
# A body that is refused unread is read on, and thrown away, up to here: a caller who is
# still sending when the connection closes sees a reset in place of the answer. One who
# is silent meanwhile waits for that answer.
MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
DISCARD_SILENCE_SECONDS: Final = 1.0
# Larger numbers than these digits can say are as good as one another.
LENGTH_DIGITS: Final = 18


class Source(Protocol):
    """Where a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none at the end."""


class BodyStream:
    """The body of `request`, read once: whole, or to be thrown away."""

    def __init__(self, request: HttpRequest) -> None:
        self._length = stated_length(request)
        self._source: Source = request
        if self._length is None and request.META.get("wsgi.input_terminated"):
            # Django reads as far as Content-Length says, hence nothing of a chunked
            # body; the server marks with this flag that its own stream ends by itself.
            self._source = request.META["wsgi.input"]
        # Only gunicorn shows it. Other servers have time limits of their own.
        self._socket = request.META.get("gunicorn.socket")

    def read(self) -> bytes:
        """Return the whole body.

        Raises `ProblemError`: 400 when it ends early or stops, 413 when it is too long.
        """
        if self._length is not None and self._length > MAX_BODY_BYTES:
            raise _too_large()
        parts = []
        size = 0
        with self._waiting(SILENCE_SECONDS):
            while part := self._next():
                parts.append(part)
                size += len(part)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
        if self._length is not None and size < self._length:
            raise _incomplete()
        return b"".join(parts)

    def discard(self) -> None:
        """Take in what is still coming, so that the caller will read the answer."""
        size = 0
        with self._waiting(DISCARD_SILENCE_SECONDS):
            try:
                while size < MAX_DISCARDED_BYTES and (part := self._next()):
                    size += len(part)
            except ProblemError:
                return

    @contextmanager
    def _waiting(self, seconds: float) -> Iterator[None]:
        if self._socket is None:
            yield
            return
        before = self._socket.gettimeout()
        self._socket.settimeout(seconds)
        try:
            yield
        finally:
            self._socket.settimeout(before)

    def _next(self) -> bytes:
        try:
            return self._source.read(READ_BYTES)
        except Exception as error:  # every server has its own errors for a broken body
            raise _incomplete() from error


def stated_length(request: HttpRequest) -> int | None:
    """Return the Content-Length, or None where the body is chunked or there is none."""
    text = request.META.get("CONTENT_LENGTH") or ""
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text.lstrip("0")[:LENGTH_DIGITS] or 0)


def _too_large() -> ProblemError:
    return ProblemError(
        TOO_LARGE,
        f"The body is more than {MAX_BODY_BYTES:,} bytes long. Nothing was stored. Send "
        "the events in several requests, or compress them with gzip.",
    )


def _incomplete() -> ProblemError:
    return ProblemError(
        INCOMPLETE_BODY,
        "The body ended before it was complete, or its chunks are malformed. Nothing was "
        "stored. Send the request again.",
    )
