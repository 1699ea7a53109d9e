"""The body of a request as bytes: of a known type, whole, decompressed, and capped."""

from email.message import Message
from typing import Final

from django.http import HttpRequest

from referrals.api.gunzip import gunzip
from referrals.api.problems import UNSUPPORTED_MEDIA_TYPE, ProblemError
from referrals.api.stream import read_stream
from referrals.memory import make_room

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
MEDIA_TYPES: Final = (JSON, NDJSON)
UTF_8: Final = ("utf-8", "utf8")
GZIP: Final = ("gzip", "x-gzip")
BOM: Final = b"\xef\xbb\xbf"


def read_body(request: HttpRequest) -> tuple[str, bytes]:
    """Return the media type, one of `MEDIA_TYPES`, and the decompressed body.

    Raises `ProblemError`: 400, 413 or 415.
    """
    media_type = read_media_type(request.META.get("CONTENT_TYPE", ""))
    compressed = _is_compressed(request.META.get("HTTP_CONTENT_ENCODING", ""))
    body = read_stream(request)
    if compressed:
        body = gunzip(body)
    make_room(body)
    return media_type, body.removeprefix(BOM)


def read_media_type(content_type: str) -> str:
    """Return the media type of a Content-Type that can be read here.

    Raises `ProblemError` 415 for every other.
    """
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in MEDIA_TYPES:
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            "The Content-Type is missing, or none that is read here. Add the header "
            f"`Content-Type: {JSON}`, or `{NDJSON}` for one event a line.",
        )
    if _charset_in(parameters) not in UTF_8:
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            "The charset is not UTF-8. JSON is always UTF-8 (RFC 8259): encode the body "
            "so, and leave the charset out.",
        )
    return media_type


def _charset_in(parameters: str) -> str | None:
    if not parameters:
        return UTF_8[0]
    message = Message()
    message["Content-Type"] = f"{JSON};{parameters}"
    try:
        charset = message.get_param("charset", UTF_8[0])
    # The parser of the standard library fails in more ways than it says.
    except (ValueError, TypeError, LookupError):
        return None
    return charset.strip().lower() if isinstance(charset, str) else None


def _is_compressed(encoding: str) -> bool:
    encoding = encoding.strip().lower()
    if encoding in GZIP:
        return True
    if encoding in ("", "identity"):
        return False
    raise ProblemError(
        UNSUPPORTED_MEDIA_TYPE,
        "The Content-Encoding is none that is read here. Compress the body with gzip, or "
        "not at all.",
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16
        headers={"Accept-Encoding": "gzip"},
    )
