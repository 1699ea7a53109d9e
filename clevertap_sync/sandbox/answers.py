"""What CleverTap's API answers, byte for byte where an answer of it was recorded.

Pure. The spaced JSON, the 401 and the envelopes are recordings of api.clevertap.com:
https://github.com/tradeo/clevertap-ruby/tree/master/spec/vcr_cassettes
"""

import json
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

_PHONE_DIGITS = re.compile(r"[0-9]{1,18}")
JSON_TYPE = "application/json;charset=utf-8"


class Answer(NamedTuple):
    """An HTTP answer before it is sent."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", JSON_TYPE),)


def spaced(value: object) -> str:
    """Return `value` as JSON with CleverTap's blanks: `{ "a" : 1 , "b" : [ ]}`."""
    if isinstance(value, dict):
        pairs = (f"{_text(str(key))} : {spaced(item)}" for key, item in value.items())
        return f"{{ {' , '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[ {' , '.join(map(spaced, value))}]"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def json_answer(status: int, value: object) -> Answer:
    """Return an answer with `value` as spaced JSON."""
    return Answer(status, spaced(value).encode())


def failure(status: int, error: str) -> Answer:
    """Return the answer to a request that failed as a whole."""
    return json_answer(status, {"status": "fail", "error": error, "code": int(status)})


WRONG_ACCOUNT = failure(HTTPStatus.UNAUTHORIZED, "Account ID is not valid")
WRONG_PASSCODE = failure(HTTPStatus.UNAUTHORIZED, "Invalid Credentials")
# Guess: one public client reads it as "not in this region, or blocked".
BLOCKED_ACCOUNT = failure(HTTPStatus.UNAUTHORIZED, "Account blocked")
MALFORMED = failure(HTTPStatus.BAD_REQUEST, "Malformed request")
# The sentence is documented, the JSON around it is not:
# https://developer.clevertap.com/docs/api-request-limit
TOO_MANY = failure(HTTPStatus.TOO_MANY_REQUESTS, "Too many concurrent requests")
# https://developer.clevertap.com/docs/api-errors
UNAVAILABLE = failure(HTTPStatus.SERVICE_UNAVAILABLE, "Please retry later")

# Guesses: the statuses are documented, their bodies are not.
NOT_FOUND = failure(HTTPStatus.NOT_FOUND, "Not Found")
WRONG_METHOD = failure(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
LENGTH_REQUIRED = failure(HTTPStatus.LENGTH_REQUIRED, "Length Required")
TOO_LARGE = failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large")

_KNOWN = {
    answer.status: answer
    for answer in (
        WRONG_PASSCODE,
        MALFORMED,
        TOO_MANY,
        UNAVAILABLE,
        NOT_FOUND,
        WRONG_METHOD,
        TOO_LARGE,
    )
}
_GATEWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


def usual(status: int) -> Answer:
    """Return what usually comes with `status` when nobody scripted a body."""
    if status in _KNOWN:
        return _KNOWN[status]
    phrase = _phrase(status)
    if status in _GATEWAY:
        return Answer(
            status, _gateway_page(status, phrase), (("content-type", "text/html"),)
        )
    if status == HTTPStatus.OK:
        return envelope([], processed=0)
    return failure(status, phrase)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _gateway_page(status: int, phrase: str) -> bytes:
    title = f"{status} {phrase}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n"
    ).encode()


def envelope(
    unprocessed: Sequence[object], *, processed: int, status: str | None = None
) -> Answer:
    """Return the answer to an upload that was read record by record.

    `status` is success where nothing was refused, fail where everything was, and
    partial in between.
    """
    if status is None:
        status = _status(processed, unprocessed)
    return json_answer(
        HTTPStatus.OK,
        {"status": status, "processed": processed, "unprocessed": list(unprocessed)},
    )


def _status(processed: int, unprocessed: Sequence[object]) -> str:
    if not unprocessed:
        return "success"
    return "partial" if processed else "fail"


def entry(code: int, error: str, record: object) -> dict[str, Any]:
    """Return one refused record as `unprocessed` lists it."""
    return {"status": "fail", "code": code, "error": error, "record": record}


def echo(record: object, *, mutated: bool) -> object:
    """Return a refused record as it is echoed.

    CleverTap echoes what its parser made of the record: a numeric identity comes back
    as text, a phone number as a number.
    """
    if not mutated or not isinstance(record, dict):
        return record
    return {key: _mutated(key, value) for key, value in record.items()}


def _mutated(key: str, value: object) -> object:
    if key == "identity" and type(value) is int:
        return str(value)
    if key == "profileData" and isinstance(value, dict):
        return {name: _phone(name, item) for name, item in value.items()}
    return value


def _phone(name: str, value: object) -> object:
    if name == "Phone" and isinstance(value, str):
        digits = value.removeprefix("+")
        return int(digits) if _PHONE_DIGITS.fullmatch(digits) else value
    return value


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return headers as they go over the wire."""
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers)
