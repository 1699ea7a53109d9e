"""From Django's request to a call, byte for byte."""

from typing import Final

from django.http import HttpRequest

from referrals.api.body import GZIP
from referrals.api.gunzip import gunzip
from referrals.api.problems import TOO_LARGE, ProblemError
from referrals.api.stream import MAX_BODY_BYTES, read_stream
from referrals.sources.call import Call, make_call

_PREFIX: Final = "HTTP_"
_PLAIN: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")


def read_call(request: HttpRequest, path_secret: str) -> Call:
    """Return the whole call. Its signature is over the decompressed body.

    Raises `ProblemError`: 400 for a body that ended early, 413 for one that is too large
    or is no gzip data though it says so.
    """
    body = read_stream(request)
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in GZIP:
        body = gunzip(body)
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(TOO_LARGE, "The body is too large when decompressed.")
    return make_call(
        request.method or "",
        headers=_read_headers(request),
        query_string=request.META.get("QUERY_STRING", ""),
        body=body,
        path_secret=path_secret,
    )


def _read_headers(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the headers. WSGI has joined those that came more than once."""
    return [
        (name.removeprefix(_PREFIX).replace("_", "-"), str(value))
        for name, value in request.META.items()
        if name.startswith(_PREFIX) or name in _PLAIN
    ]
