"""From Django's request to a call, byte for byte."""

from typing import Final

from django.http import HttpRequest

from referrals.api.body import GZIP
from referrals.api.gunzip import gunzip
from referrals.api.stream import MAX_BODY_BYTES, read_stream
from referrals.memory import make_room
from referrals.sources.call import WITHOUT_BODY, Call, make_call

#: The values of each header that came more than once, in WSGI's environment, by WSGI's
#: name: it has them joined by commas, and a signature could hide behind another.
REPEATED_HEADERS: Final = "referrals.repeated_headers"

_PREFIX: Final = "HTTP_"
_PLAIN: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")


def read_call(
    request: HttpRequest, path_secret: str = "", *, most: int = MAX_BODY_BYTES
) -> Call:
    """Return the whole call. Its signature is over the decompressed body.

    The body has at most `most` bytes. Raises `ProblemError`: `INCOMPLETE_BODY` for one that
    ended early, `TOO_LARGE`, and `BAD_GZIP` for one that is no gzip data though it says so.
    """
    return make_call(
        request.method or "",
        headers=_read_headers(request),
        query_string=request.META.get("QUERY_STRING", ""),
        body=_read_body(request, most),
        path_secret=path_secret,
    )


def _read_body(request: HttpRequest, most: int) -> bytes:
    """Return the body, or none where the method has none that means anything."""
    if request.method in WITHOUT_BODY:
        return b""
    body = read_stream(request, most)
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in GZIP:
        body = gunzip(body, most)
    make_room(body)
    return body


def _read_headers(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the headers, each as often as it came."""
    repeated = request.META.get(REPEATED_HEADERS, {})
    return [
        (name.removeprefix(_PREFIX).replace("_", "-"), str(value))
        for name, joined in request.META.items()
        if name.startswith(_PREFIX) or name in _PLAIN
        for value in repeated.get(name, (joined,))
    ]
