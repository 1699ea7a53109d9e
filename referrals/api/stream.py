"""A body as the web process hands it over: whole, or marked as too long or cut off.

Nothing here trusts a length that the caller states: the bytes that are read are counted.
`integration_project.web` enforces the deadline, and drops bodies that are too long.
"""

from typing import Final, Protocol

from django.http import HttpRequest

from referrals.api.problems import INCOMPLETE_BODY, TOO_LARGE, ProblemError

MAX_BODY_BYTES: Final = 1024 * 1024
READ_BYTES: Final = 64 * 1024
# Larger numbers than these digits can say are as good as one another.
LENGTH_DIGITS: Final = 18


class ByteSource(Protocol):
    """Where a body is read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none at the end."""


def read_stream(request: HttpRequest, most: int = MAX_BODY_BYTES) -> bytes:
    """Return the whole body of `request`, of at most `most` bytes.

    Raises `ProblemError`: 400 when it ends early or stops, 413 when it is too long.
    """
    length = read_stated_length(request)
    if length is not None and length > most:
        raise _too_large(most)
    parts = []
    size = 0
    # Where all of it is here, it is taken in one go, without a copy.
    at_once = max(READ_BYTES, length or 0)
    while part := _next_part(request, at_once):
        parts.append(part)
        size += len(part)
    if length is not None and size < length:
        raise _incomplete()
    return b"".join(parts)


def read_stated_length(request: HttpRequest) -> int | None:
    """Return the Content-Length, or None where the body is chunked or there is none."""
    text = request.META.get("CONTENT_LENGTH") or ""
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text.lstrip("0")[:LENGTH_DIGITS] or 0)


def _next_part(source: ByteSource, size: int) -> bytes:
    try:
        return source.read(size)
    except Exception as error:  # every server has its own errors for a broken body
        raise _incomplete() from error


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        TOO_LARGE,
        f"The body is more than {most:,} bytes long. Nothing was stored. Send "
        "the events in several requests, or compress them with gzip.",
    )


def _incomplete() -> ProblemError:
    return ProblemError(
        INCOMPLETE_BODY,
        "The body ended before it was complete, took too long to come, or its chunks are "
        "malformed. Nothing was stored. Send the request again.",
    )
