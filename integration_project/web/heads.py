"""What the lines of a head say before anything is made of them. Pure."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from integration_project.web import request_limits

Headers = Sequence[tuple[bytes, bytes]]

_FRAMING: Final = (b"content-length", b"transfer-encoding")


def find_framing(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers that say where the body ends; none if there is no body."""
    return [header for header in headers if header[0] in _FRAMING]


def is_unclear(headers: Headers, version: str) -> bool:
    """Say whether a proxy may take the head for something else than we do.

    Reference: RFC 9112, 3.2 and 6.1
    """
    hosts = sum(name == b"host" for name, _ in headers)
    return (
        hosts > 1
        or (not hosts and version == "1.1")
        or any(
            name == b"transfer-encoding" and value.strip().lower() != b"chunked"
            for name, value in headers
        )
    )


def find_fault_of_head(url_bytes: int, headers: Headers) -> HTTPStatus | None:
    """Return why a head is too large, if it is."""
    if url_bytes > request_limits.MAX_URL_BYTES:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    longest = max((len(name) + len(text) for name, text in headers), default=0)
    if (
        len(headers) > request_limits.MAX_HEADERS
        or longest > request_limits.MAX_HEADER_BYTES
    ):
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return None


def explain_fault(status: HTTPStatus) -> bytes:
    """Return the line of text that a head is refused with."""
    return f"{status.phrase}: {status.description}.\n".encode()
